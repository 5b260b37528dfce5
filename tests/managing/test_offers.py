"""The commands for offers, limits and where sites are, as an operator types them."""

import pytest

from service.errors import TanbiError, ValidationFailed
from tests.managing.conftest import Tanbi

SOAP = ("--title", "皂", "--title-en", "Soap", "--unit", "1 块", "--unit-en", "1 bar")


def test_an_offer_is_made_changed_and_withdrawn(tanbi: Tanbi) -> None:
    made = tanbi("offer", "add", "soap", "--merchant", "M1", *SOAP, "--coins", "80", "--stock", "5", "--until", "none")
    assert made == "Offer soap: 皂 / Soap, 1 bar, 80 coins, 5 in stock."
    changed = tanbi("offer", "set", "soap", "--coins", "90", "--add-stock", "-2", "--until", "2099-01-01T00:00:00+0800")
    assert changed == "Offer soap: 皂 / Soap, 1 bar, 90 coins, 3 in stock."
    assert "2099-01-01T00:00:00+08:00" in tanbi("offer", "list", "--merchant", "M1")
    assert tanbi("offer", "withdraw", "soap") == "Offer soap is withdrawn."
    assert "soap" in tanbi("offer", "list")
    assert "2099" not in tanbi("offer", "list")


def test_limits_are_set_and_all_of_them_listed(tanbi: Tanbi) -> None:
    at = ("--from", "2099-01-01 00:00")
    said = tanbi("limit", "set", "resident_day", "2000", *at)
    assert said == "resident_day: 2000 coins at most from 2099-01-01T00:00:00+08:00, at all merchants together."
    assert "M1." in tanbi("limit", "set", "redemption", "none", "--merchant", "M1")
    tanbi("limit", "set", "resident_day", "3000", "--from", "2098-12-31T16:00:00+0000")
    listed = tanbi("limit", "list")
    assert "2099-01-01T00:00:00+08:00 │ 2000 │ replaced" in listed
    assert "2099-01-01T00:00:00+08:00 │ 3000 │ to come" in listed
    assert "none │ to come" in listed
    with pytest.raises(ValidationFailed, match="-5 is no whole number"):
        tanbi("limit", "set", "redemption", "-5")


def test_a_site_is_placed(tanbi: Tanbi) -> None:
    assert tanbi("site", "place", "s1", "39.1041", "117.1618") == "Site s1 is at 39.1041, 117.1618."
    placed = ("--latitude", "39.1", "--longitude", "117.2")
    common = ("--area", "c", "--kind", "scenic", "--name", "二号", "--name-en", "Two")
    assert tanbi("site", "add", "s2", *common, *placed) == "Site s2 is there."


MISTAKES = [
    (("offer", "add", "a b", "--merchant", "M1", *SOAP, "--coins", "1"), "id: Must be 1 to 63 letters"),
    (("offer", "add", "x", "--merchant", "M9", *SOAP, "--coins", "1"), "There is no merchant M9"),
    (("offer", "set", "none", "--coins", "1"), "There is no offer none"),
    (("offer", "list", "--merchant", "M9"), "There is no merchant M9"),
    (("webhook", "log", "M9"), "There is no merchant M9"),
    (("webhook", "list", "--merchant", "M9"), "There is no merchant M9"),
    (("statement", "list", "--merchant", "M9"), "There is no merchant M9"),
    (("offer", "set", "none"), "Name at least one field"),
    (("offer", "set", "none", "--until", "tomorrow"), "tomorrow is no time"),
    (("offer", "set", "none", "--resident-day-max", "many"), "many is no whole number"),
    (("limit", "set", "redemption", "1", "--merchant", "M9"), "There is no merchant M9"),
    (("limit", "set", "redemption", "1.5"), "no whole number"),
    (("limit", "set", "resident_day", "1", "--merchant", "M1"), "at all merchants together"),
    (("site", "place", "s9", "39.1", "117.1"), "There is no site s9"),
    (("site", "place", "s1", "117.1", "39.1"), "A latitude is from -90 to 90"),
]


def test_a_mistake_is_told_in_one_sentence(tanbi: Tanbi) -> None:
    # On one database: none of them changes it.
    for arguments, sentence in MISTAKES:
        with pytest.raises(TanbiError, match=sentence):
            tanbi(*arguments)
