"""Claim codes and their pictures."""

import xml.etree.ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from service.fleet.pictures import claim_code_picture, claim_code_svg
from service.fleet.rules import ALPHABET, claim_code_of, next_keyid, typed_claim_code

BITS = 125


@given(st.integers(0, 2**BITS - 1))
def test_a_code_has_125_bits_of_its_own_and_is_read_back_whole(number: int) -> None:
    digits = typed_claim_code(claim_code_of(number.to_bytes(16, "big")))
    assert sum(ALPHABET.index(digit) << 5 * place for place, digit in enumerate(digits)) == number


def test_what_people_take_for_one_another_is_the_same() -> None:
    assert typed_claim_code("oOiIlL-0 a") == "0011110A"
    assert not set(ALPHABET) & set("ILOU")


def test_the_first_key_of_a_bin_has_its_name_and_others_a_number() -> None:
    assert [next_keyid("NK-0001", keys) for keys in (0, 1, 9)] == ["NK-0001", "NK-0001:2", "NK-0001:10"]


def test_a_picture_is_of_its_code_and_needs_nothing_else() -> None:
    codes = [claim_code_of(bytes([number]) * 16) for number in (1, 2)]
    pictures = [claim_code_svg(code) for code in codes]
    assert pictures[0] != pictures[1]
    for picture in pictures:
        root = ET.fromstring(picture)  # noqa: S314  # our own text
        assert {element.tag.rpartition("}")[2] for element in root.iter()} == {"svg", "g", "path"}
        assert "href" not in picture
    assert claim_code_picture(codes[0], "png").startswith(b"\x89PNG")
