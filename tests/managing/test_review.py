"""The commands for held drops and traders, as operators type them."""

import json
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.reviews import AppealRequest
from schemas.signatures import Algorithm
from service.errors import Forbidden, OwnRejection, ResidentUnknown, ReviewDecided, ValidationFailed
from service.fleet.bins import Scale, add_bin
from service.residents.residents import register_resident
from service.review.appealing import appeal
from service.secrets import Keyring
from service.settings import Settings
from service.tables.people import credential, resident_change
from service.weighing.places import add_material
from tests.managing.conftest import Tanbi
from tests.managing.test_adjustments import in_database, make_keys
from tests.review.held import Held, hold

CARD = b"card"


def prepare(settings: Settings) -> tuple[int, list[Held]]:
    """A resident, and two held drops of theirs and one of nobody."""

    async def work(connection: AsyncConnection) -> tuple[int, list[Held]]:
        keyring = Keyring.of(settings)
        await add_bin(
            connection, keyring, bin_id="NK-0001", site_id="s1", algorithm=Algorithm.HMAC_SHA256, scale=Scale()
        )
        await add_material(connection, material_id="paper", name="纸", name_en="paper")
        resident_id = await register_resident(connection)
        await connection.execute(sa.insert(credential).values(digest=CARD, kind="card", resident_id=resident_id))
        changes: dict[str, Any] = {"site_id": "s1", "coins_per_kg": None}
        mine = [await hold(connection, held_for=resident_id, credential_digest=CARD, **changes) for _ in range(2)]
        return resident_id, [*mine, await hold(connection, code="no_tariff", **changes)]

    return in_database(settings, work)


def test_an_operator_decides_and_another_on_the_appeal(
    tanbi: Tanbi, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    resident_id, (first, second, nobodys) = prepare(settings)
    li, wang, auditor = in_database(settings, make_keys)
    monkeypatch.setenv("TANBI_OPERATOR_KEY", auditor)
    listed = tanbi("review", "list")
    assert all(str(each.review_id) in listed for each in (first, second, nobodys))
    found = tanbi("review", "list", "--code", "no_tariff")
    assert str(nobodys.review_id) in found
    assert str(first.review_id) not in found
    why = ("--reason", "weighed again")
    with pytest.raises(Forbidden):
        tanbi("review", "release", str(first.review_id), *why)

    monkeypatch.setenv("TANBI_OPERATOR_KEY", li)
    with pytest.raises(ValidationFailed, match="No tariff was in force"):
        tanbi("review", "release", str(first.review_id), *why)
    priced = (*why, "--coins-per-kg", "100", "--placed-at", "2026-01-02 08:00")
    done = tanbi("review", "release", str(nobodys.review_id), *priced)
    assert "125 coins wait for whoever binds the card" in done
    [decision] = json.loads(tanbi("review", "show", str(nobodys.review_id)))["decisions"]
    assert (decision["placed_at"], decision["decided_by"]["name"]) == ("2026-01-02T00:00:00Z", "李工")
    done = tanbi("review", "release", str(first.review_id), *why, "--coins-per-kg", "100")
    assert f"125 coins to resident {resident_id}" in done
    assert "is rejected" in tanbi("review", "reject", str(second.review_id), *why)
    with pytest.raises(ReviewDecided):
        tanbi("review", "reject", str(second.review_id), *why)

    in_database(
        settings, lambda connection: appeal(connection, resident_id, second.review_id, AppealRequest(text="dry"))
    )
    assert str(second.review_id) in tanbi("review", "list", "--state", "appealed")
    with pytest.raises(OwnRejection):
        tanbi("review", "release", str(second.review_id), *why)
    monkeypatch.setenv("TANBI_OPERATOR_KEY", wang)
    assert "is rejected" in tanbi("review", "reject", str(second.review_id), *why)
    assert str(second.review_id) in tanbi("review", "list", "--state", "upheld")


def test_an_account_is_marked_as_a_traders_and_it_is_kept_who_said_so(
    tanbi: Tanbi, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    resident_id = in_database(settings, register_resident)
    li, _, auditor = in_database(settings, make_keys)
    why = ("--reason", "scrap dealer")
    monkeypatch.setenv("TANBI_OPERATOR_KEY", auditor)
    with pytest.raises(Forbidden):
        tanbi("resident", "mark-trader", str(resident_id), *why)
    monkeypatch.setenv("TANBI_OPERATOR_KEY", li)
    with pytest.raises(ResidentUnknown):
        tanbi("resident", "mark-trader", "999999", *why)
    assert "is a trader" in tanbi("resident", "mark-trader", str(resident_id), *why)
    assert "is no trader" in tanbi("resident", "unmark-trader", str(resident_id), "--reason", "moved away")

    async def changes(connection: AsyncConnection) -> list[tuple[str, str]]:
        kept = resident_change.c
        found = await connection.execute(sa.select(kept.kind, kept.reason).order_by(kept.id))
        return [(row.kind, row.reason) for row in found]

    assert in_database(settings, changes) == [("trader", "scrap dealer"), ("resident", "moved away")]
