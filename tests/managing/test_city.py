"""The commands that show a city, as an operator types them."""

from tests.managing.conftest import Tanbi


def test_what_a_city_has_is_listed_with_the_ids_that_commands_take(tanbi: Tanbi) -> None:
    assert "│ c │ city │ │ 天津 Tianjin │" in tanbi("area", "list")
    tanbi("site", "place", "s1", "39.1041", "-117.1618")
    assert "│ s1 │ c │ community │ 一号 One │ 39.1041, -117.1618 │" in tanbi("site", "list")
    tanbi("material", "add", "paper", "--name", "废纸", "--name-en", "Paper")
    tanbi("tariff", "set", "paper", "70", "--from", "2099-01-01")
    assert "│ paper │ 废纸 Paper │ none: held │" in tanbi("material", "list")
    assert "│ paper │ 2099-01-01T00:00:00+08:00 │ 70 │" in tanbi("tariff", "list")
    added = tanbi("bin", "add", "NK-0001", "--site", "s1")
    listed = tanbi("bin", "list")
    assert "│ NK-0001 │ s1 │ active, offline │" in listed
    assert not any(word in listed for word in added.split('"') if len(word) > 40)
