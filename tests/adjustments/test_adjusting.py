"""Adjustments: asked for by one operator, decided by another, once."""

import asyncio
import uuid
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine

from schemas.adjustments import Adjustment, AdjustmentRequest, AdjustmentsQuery
from schemas.cursors import decode_moment_cursor
from service.adjustments.adjusting import (
    approve_adjustment,
    read_adjustment,
    read_adjustments,
    reject_adjustment,
    request_adjustment,
)
from service.api_keys import revoke_api_key
from service.db import transaction, violated_constraint
from service.errors import (
    AdjustmentDecided,
    AdjustmentUnknown,
    CorrectionExceeds,
    InsufficientCoins,
    OwnAdjustment,
    RequesterRevoked,
    ResidentUnknown,
    TransferUnknown,
)
from service.ledger.queries import read_wallet
from service.residents.residents import register_resident
from service.tables.columns import ISSUER_ACCOUNT_ID
from service.tables.ledger import transfer, wallet
from tests.adjustments.conftest import Office
from tests.blocking import until_blocked
from tests.world import adjust


def wanted(office: Office, **changes: Any) -> AdjustmentRequest:
    document = {
        "resident_id": office.resident_id,
        "direction": "debit",
        "coins": 70,
        "reason": "bin NK-0001 weighed the box as well",
        "reference": "case 2026-118",
        "corrects_id": office.transfer_id,
    }
    return AdjustmentRequest.model_validate(document | changes)


async def request(engine: AsyncEngine, office: Office, who: str = "li", **changes: Any) -> Adjustment:
    async with transaction(engine) as connection:
        return await request_adjustment(connection, office.operators[who], wanted(office, **changes), demo=False)


async def approve(engine: AsyncEngine, office: Office, adjustment_id: UUID, who: str = "wang") -> Adjustment:
    async with transaction(engine) as connection:
        return await approve_adjustment(connection, office.operators[who], adjustment_id)


async def reject(engine: AsyncEngine, office: Office, adjustment_id: UUID, who: str = "wang") -> Adjustment:
    async with transaction(engine) as connection:
        return await reject_adjustment(connection, office.operators[who], adjustment_id, "weighed again")


async def read(engine: AsyncEngine, adjustment_id: UUID) -> Adjustment:
    async with engine.connect() as connection:
        return await read_adjustment(connection, adjustment_id)


async def posted(engine: AsyncEngine, office: Office) -> int:
    async with engine.connect() as connection:
        return (await read_wallet(connection, office.resident_id)).posted


async def transfers_of(engine: AsyncEngine, adjustment_id: UUID) -> list[Any]:
    async with engine.connect() as connection:
        return list(
            (await connection.execute(sa.select(transfer).where(transfer.c.adjustment_id == adjustment_id))).all()
        )


async def test_what_is_asked_for_waits_and_moves_nothing(engine: AsyncEngine, office: Office) -> None:
    asked = await request(engine, office)
    assert (asked.state, asked.requested_by.name, asked.decided_by) == ("waiting", "李工 Li", None)
    assert (asked.decided_at, asked.decision_reason, asked.transfer_id) == (None, None, None)
    assert asked == await read(engine, asked.id)
    assert await posted(engine, office) == 500


async def test_another_operators_approval_moves_the_coins_and_both_stay_on_the_transfer(
    engine: AsyncEngine, office: Office
) -> None:
    asked = await request(engine, office)
    approved = await approve(engine, office, asked.id)
    assert (approved.state, approved.requested_by.name) == ("approved", "李工 Li")
    assert approved.decided_by is not None
    assert approved.decided_by.name == "王工"
    [row] = await transfers_of(engine, asked.id)
    assert (row.id, row.kind, row.coins) == (approved.transfer_id, "adjustment", 70)
    assert (row.debit_account_id, row.credit_account_id) == (office.resident_id, ISSUER_ACCOUNT_ID)
    assert (row.reason, row.reverses_id) == (asked.reason, office.transfer_id)
    assert (row.requested_by, row.approved_by) == (office.operators["li"].key_id, office.operators["wang"].key_id)
    assert await posted(engine, office) == 430

    given = await request(engine, office, direction="credit", coins=5, corrects_id=None)
    await approve(engine, office, given.id)
    [row] = await transfers_of(engine, given.id)
    assert (row.debit_account_id, row.credit_account_id) == (ISSUER_ACCOUNT_ID, office.resident_id)
    assert row.reverses_id is None
    assert await posted(engine, office) == 435


@pytest.mark.parametrize("who", ["li", "li again", "li in disguise"])
async def test_nobody_approves_their_own_but_may_withdraw_it(engine: AsyncEngine, office: Office, who: str) -> None:
    asked = await request(engine, office)
    with pytest.raises(OwnAdjustment):
        await approve(engine, office, asked.id, who)
    assert await posted(engine, office) == 500
    assert (await reject(engine, office, asked.id, who)).state == "rejected"


async def test_the_database_too_refuses_an_operators_own(
    engine: AsyncEngine, admin_engine: AsyncEngine, office: Office
) -> None:
    asked = await request(engine, office)
    with pytest.raises(IntegrityError) as refused:
        async with transaction(admin_engine) as connection:
            await connection.execute(
                sa.text("UPDATE adjustment SET decision = 'approved', decided_at = now(), decided_by = requested_by")
            )
    assert violated_constraint(refused.value) == "ck_adjustment_operators"
    await approve(engine, office, asked.id)
    with pytest.raises(IntegrityError) as refused:
        async with transaction(admin_engine) as connection:
            await connection.execute(sa.text("UPDATE transfer SET approved_by = requested_by"))
    assert violated_constraint(refused.value) == "ck_transfer_operators"


async def test_what_a_revoked_key_has_asked_for_is_not_approved_any_more(engine: AsyncEngine, office: Office) -> None:
    asked = await request(engine, office)
    async with transaction(engine) as connection:
        await revoke_api_key(connection, office.operators["li"].key_id)
    with pytest.raises(RequesterRevoked):
        await approve(engine, office, asked.id)
    assert await posted(engine, office) == 500
    assert (await reject(engine, office, asked.id)).state == "rejected"


async def test_a_key_is_revoked_before_an_approval_or_after_it(
    engine: AsyncEngine, admin_engine: AsyncEngine, office: Office
) -> None:
    asked = await request(engine, office)
    async with transaction(engine) as connection:
        await revoke_api_key(connection, office.operators["li"].key_id)
        approving = asyncio.create_task(approve(engine, office, asked.id))
        await until_blocked(admin_engine)
    with pytest.raises(RequesterRevoked):
        await approving


@pytest.mark.parametrize(("sign", "back", "further"), [(1, "debit", "credit"), (-1, "credit", "debit")])
async def test_corrections_of_one_transfer_take_back_at_most_what_it_moved(
    engine: AsyncEngine, office: Office, sign: int, back: str, further: str
) -> None:
    async with transaction(engine) as connection:
        corrected = await adjust(connection, office.resident_id, sign * 100)

    async def asked(direction: str, coins: int) -> Adjustment:
        return await request(engine, office, direction=direction, coins=coins, corrects_id=corrected)

    rest = await asked(back, 41)
    first = await asked(back, 60)
    assert (first.corrects_coins, first.earlier_corrections_coins) == (sign * 100, 0)
    assert (await approve(engine, office, first.id)).earlier_corrections_coins == 0
    assert (await read(engine, rest.id)).earlier_corrections_coins == sign * -60
    before = await posted(engine, office)
    with pytest.raises(CorrectionExceeds, match="moved 100 coins"):
        await approve(engine, office, rest.id)
    assert (await posted(engine, office), (await read(engine, rest.id)).state) == (before, "waiting")
    # In the transfer's own direction there is no such bound, and what was given again may be taken again.
    await approve(engine, office, (await asked(further, 250)).id)
    assert (await approve(engine, office, rest.id)).earlier_corrections_coins == sign * 190
    assert (await read(engine, first.id)).earlier_corrections_coins == 0


async def test_of_two_corrections_at_once_the_second_sees_the_first(engine: AsyncEngine, office: Office) -> None:
    async with transaction(engine) as connection:
        corrected = await adjust(connection, office.resident_id, 10)
    both = [await request(engine, office, coins=10, corrects_id=corrected) for _ in range(2)]
    outcomes = await asyncio.gather(*(approve(engine, office, each.id) for each in both), return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {Adjustment, CorrectionExceeds}
    assert await posted(engine, office) == 500


async def test_what_corrects_no_transfer_tells_of_none(engine: AsyncEngine, office: Office) -> None:
    asked = await request(engine, office, corrects_id=None)
    assert (asked.corrects_coins, asked.earlier_corrections_coins) == (None, None)


async def test_what_is_decided_stays_so(engine: AsyncEngine, office: Office) -> None:
    approved = await approve(engine, office, (await request(engine, office)).id)
    rejected = await reject(engine, office, (await request(engine, office)).id)
    assert (rejected.state, rejected.decision_reason, rejected.transfer_id) == ("rejected", "weighed again", None)
    for decided in (approved, rejected):
        for decide in (approve, reject):
            for who in ("wang", "li again"):
                with pytest.raises(AdjustmentDecided, match=f"王工 {decided.state}"):
                    await decide(engine, office, decided.id, who)
        assert await read(engine, decided.id) == decided
    assert await posted(engine, office) == 430


async def test_of_many_decisions_at_once_one_counts(engine: AsyncEngine, office: Office) -> None:
    asked = await request(engine, office)
    outcomes = await asyncio.gather(
        *(decide(engine, office, asked.id) for _ in range(5) for decide in (approve, reject)), return_exceptions=True
    )
    [decided] = [outcome for outcome in outcomes if isinstance(outcome, Adjustment)]
    assert sum(isinstance(outcome, AdjustmentDecided) for outcome in outcomes) == 9
    assert await read(engine, asked.id) == decided
    moved = 1 if decided.state == "approved" else 0
    assert len(await transfers_of(engine, asked.id)) == moved
    assert await posted(engine, office) == 500 - 70 * moved


async def test_a_debit_of_more_than_is_available_goes_on_waiting(engine: AsyncEngine, office: Office) -> None:
    asked = await request(engine, office, coins=401)
    async with transaction(engine) as connection:
        await connection.execute(sa.update(wallet).where(wallet.c.owner_id == office.resident_id).values(held=100))
    with pytest.raises(InsufficientCoins, match="401"):
        await approve(engine, office, asked.id)
    assert (await read(engine, asked.id)).state == "waiting"
    async with transaction(engine) as connection:
        await adjust(connection, office.resident_id, 1)
    assert (await approve(engine, office, asked.id)).state == "approved"
    assert await posted(engine, office) == 100


async def test_a_correction_names_a_resident_and_a_transfer_that_are_there(engine: AsyncEngine, office: Office) -> None:
    async with transaction(engine) as connection:
        other_id = await register_resident(connection)
        foreign_id = await adjust(connection, other_id, 70)
    with pytest.raises(ResidentUnknown):
        await request(engine, office, resident_id=ISSUER_ACCOUNT_ID, corrects_id=None)
    for corrects_id in (foreign_id, 2**63 - 1):
        with pytest.raises(TransferUnknown):
            await request(engine, office, corrects_id=corrects_id)
    unknown = uuid.uuid4()
    for decide in (approve, reject):
        with pytest.raises(AdjustmentUnknown):
            await decide(engine, office, unknown)


async def test_pages_of_a_state_follow_each_other_newest_first(engine: AsyncEngine, office: Office) -> None:
    asked = [await request(engine, office, coins=coins) for coins in range(1, 8)]
    for each in asked[::3]:
        await approve(engine, office, each.id)
    for state, expected in (
        (None, [7, 6, 5, 4, 3, 2, 1]),
        ("waiting", [6, 5, 3, 2]),
        ("approved", [7, 4, 1]),
        ("rejected", []),
    ):
        assert await coins_of_pages(engine, state) == expected


async def coins_of_pages(engine: AsyncEngine, state: Any) -> list[int]:
    found: list[int] = []
    cursor = None
    while True:
        query = AdjustmentsQuery.model_construct(
            state=state, limit=2, cursor=None if cursor is None else decode_moment_cursor(cursor)
        )
        async with engine.connect() as connection:
            page = await read_adjustments(connection, query)
        assert len(page.adjustments) <= 2
        assert len(found) < 10
        found += [each.coins for each in page.adjustments]
        cursor = page.next_cursor
        if cursor is None:
            return found
