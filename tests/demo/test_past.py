"""The month before the demo was first started: drawn, planted, folded, settled, and verified before and after."""

from collections import Counter
from datetime import date, timedelta

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from schemas.redemptions import MerchantRedemption, OwnRedemption
from service.db import snapshot, transaction
from service.demo import queries
from service.demo.past import draw_past, month_before
from service.demo.past_rows import Past
from service.demo.planting import PAST_DROPS_MAX, Size, plant
from service.demo.sample import draw_sample
from service.folding.worker import tick
from service.secrets import Keyring
from service.settings import Settings
from service.settlement import queries as settlement
from service.settlement.months import Month
from service.settlement.report import coins_outstanding
from service.settlement.settling import settle
from service.tables.ledger import transfer
from service.tables.redemption import idempotency_key, redemption
from service.tables.settlement import settlement_line
from service.tables.weighing import weigh_event
from service.verifying.verify import verify
from tests.demo.conftest import TODAY
from tests.demo.test_planting import counts

ZONE = "Asia/Shanghai"
OCTOBER = Month(2026, 10)
SIZE = Size(seed=1, bins=6, residents=20, past_drops=400)


def drawn(seed: int = 1, drops: int = 1200, month: Month = OCTOBER) -> Past:
    sample = draw_sample(seed, bins=47, residents=100, today=TODAY)
    return draw_past(
        seed,
        sample,
        resident_ids=range(1001, 1101),
        accounts={each.id: number for number, each in enumerate(sample.merchants, start=2)},
        keyring=Keyring(bytes(32)),
        month=month,
        zone=ZONE,
        drops=drops,
    )


def test_the_month_before_is_a_whole_one() -> None:
    assert [str(month_before(date(2026, *day))) for day in ((11, 1), (11, 30), (1, 31))] == [
        "2026-10",
        "2026-10",
        "2025-12",
    ]


def test_the_same_seed_draws_the_same_month_but_for_the_ids_of_events() -> None:
    once, again = drawn(), drawn()
    assert (once.redemptions, once.resolutions, once.answers) == (again.redemptions, again.resolutions, again.answers)
    assert [row._replace(event_id="") for row in once.events] == [row._replace(event_id="") for row in again.events]
    assert drawn(seed=2).redemptions != once.redemptions


@pytest.mark.parametrize("month", [OCTOBER, Month(2024, 2), Month(2025, 12)])
def test_all_of_it_is_of_that_month_in_the_order_of_its_time(month: Month) -> None:
    past = drawn(month=month)
    begins_at, ends_at = month.begins_at(ZONE), month.ends_at(ZONE)
    assert past.begins_at == begins_at
    moments = [row.created_at for row in past.transfers]
    assert moments == sorted(moments)
    moments += [row.occurred_at for row in past.events] + [row.received_at for row in past.events]
    moments += [row.created_at for row in past.redemptions] + [row.resolved_at for row in past.resolutions]
    assert begins_at < min(moments)
    assert max(moments) < ends_at
    # From its first day to its last.
    assert max(moments) - min(moments) > timedelta(days=26)


def test_nobody_ever_had_less_than_nothing() -> None:
    balances: Counter[int] = Counter()
    for row in drawn().transfers:
        balances[row.owner_id] += row.coins if row.credit_account_id == row.owner_id else -row.coins
        assert balances[row.owner_id] >= 0
    assert balances.total() > 0


def test_tills_residents_and_machines_took_coins_and_some_were_given_back() -> None:
    past = drawn()
    kinds = Counter(row.kind for row in past.transfers)
    assert kinds.keys() == {"credit", "redemption", "refund"}
    assert kinds["credit"] > kinds["redemption"] > 10 * kinds["refund"] > 0
    asked = Counter(row.actor.split(":")[0] for row in past.answers if row.status == 201)
    assert min(asked[kind] for kind in ("resident", "merchant", "machine")) > 20
    assert sum(asked.values()) == kinds["redemption"] == len(past.redemptions)
    assert {row.merchant_id for row in past.redemptions} == {f"NK-M-{number:02}" for number in range(1, 19)}
    assert any(row.captured_coins < row.coins for row in past.resolutions)
    assert any(row.offer_id is not None for row in past.redemptions)
    assert {row.outcome for row in past.events} == {"credited", "unclaimed"}


def test_answers_are_such_as_the_service_gives() -> None:
    for row in drawn().answers:
        model = OwnRedemption if row.actor.startswith("resident:") else MerchantRedemption
        answer = model.model_validate_json(row.answer)
        assert answer.model_dump_json() == row.answer
        states = {
            "machine": ("authorised", "captured"),
            "resident": ("captured",),
            "merchant": ("captured", "refunded"),
        }
        assert answer.state in states[row.actor.split(":")[0]]


def test_more_residents_make_the_first_start_no_longer() -> None:
    assert [Size.of(1, bins=1, residents=each).past_drops for each in (1, 200, 100_000)] == [8, 1600, PAST_DROPS_MAX]


async def failed(engine: AsyncEngine, settings: Settings) -> list[str]:
    return [result.check.name for result in await verify(engine, settings) if result.rows]


async def test_it_is_planted_once_folded_settled_and_verified(
    settings: Settings, admin_engine: AsyncEngine, engine: AsyncEngine
) -> None:
    written: list[list[int]] = []
    known = None
    for today in (TODAY, date(2026, 12, 3)):
        async with transaction(admin_engine) as connection:
            planted = await plant(connection, Keyring.of(settings), SIZE, known, today=today, zone=ZONE)
            redeemed_at = await queries.last_redeemed(connection, OCTOBER.ends_at(ZONE))
        known = planted.credentials
        written.append(await counts(admin_engine, weigh_event, redemption, transfer, idempotency_key))
    assert (planted.found, planted.reissued) == (True, False)
    assert written[0] == written[1]
    assert written[0][0] == SIZE.past_drops
    assert redeemed_at is not None
    assert redeemed_at > OCTOBER.begins_at(ZONE)

    assert await tick(engine, settings)
    assert await failed(engine, settings) == []

    async with transaction(engine) as connection:
        settled = [
            await settle(connection, merchant=each, month=OCTOBER, zone=ZONE)
            for each in await settlement.list_merchants(connection, None)
        ]
    assert sum(each.issued for each in settled) > 10
    assert not any(each.unrated for each in settled)
    # 1000 fen for 1000 coins.
    assert sum(each.net_coins for each in settled) == sum(each.payable_fen for each in settled) > 10_000
    assert await failed(engine, settings) == []
    async with snapshot(engine) as connection:
        [october] = await coins_outstanding(connection, first=OCTOBER, last=OCTOBER, zone=ZONE)
    assert october["redeemed_coins"] == sum(each.net_coins for each in settled)
    assert october["issued_coins"] > october["redeemed_coins"]
    [lines] = await counts(admin_engine, settlement_line)
    assert lines > written[0][1]
