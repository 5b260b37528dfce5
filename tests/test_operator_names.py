"""Names of one person, however they are written."""

import uuid

import pytest

from service.operator_names import NAME_CHARACTERS_MAX, is_readable, is_same_operator, plain_name

ONE, OTHER = uuid.uuid4(), uuid.uuid4()


@pytest.mark.parametrize(
    "name",
    [
        "li gong",
        " LI  GONG ",
        "Ｌｉ　Gong",
        "Li-Gong",
        "LiGong.",
        "Li\u200b Gong",
        "Li\u00a0Gong",
        "Li\ufe0f Go\u034fng",
        "Li G\u043eng",  # Cyrillic
        "Li G\u039fng",  # Greek
        "Li\u3164 Gong",  # a letter that shows as nothing
    ],
)
def test_one_name_is_one_however_it_is_written(name: str) -> None:
    assert plain_name(name) == plain_name("Li Gong")


def test_look_alike_capitals_are_one_and_other_people_are_others() -> None:
    assert plain_name("АВЕКМНОРСТХ") == plain_name("ABEKMHOPCTX") == plain_name("ΑΒΕΚΜΗΟΡCΤΧ")
    people = ["李工", "王工", "李工 2", "李工 河西", "Li", "Lì", "Иван", "Петр"]
    assert len({plain_name(name) for name in people}) == len(people)
    assert plain_name(" 李工  ＬＩ ") == plain_name("李工 Li")


@pytest.mark.parametrize("name", ["李工", "Ms Li", "till 2", "O\u2019Neill", "学府便利店", "é" * NAME_CHARACTERS_MAX])
def test_names_of_people_and_tills_are_readable(name: str) -> None:
    assert is_readable(name)


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        "--",
        "A\u200b",
        "A\u0000",
        "A\n",
        "A\u2028",
        "\u202eA",
        "\ue000A",
        "\u0378A",
        "\ud800A",
        "\u3164",
        "A" * 201,
    ],
)
def test_what_does_not_show_is_no_name(name: str) -> None:
    assert not is_readable(name)


def test_keys_of_one_name_are_one_operators_and_a_key_is_its_own() -> None:
    assert is_same_operator(ONE, "li", OTHER, "li")
    assert is_same_operator(ONE, "li", ONE, "wang")
    assert not is_same_operator(ONE, "li", OTHER, "wang")
