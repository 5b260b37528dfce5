"""Each mode against a demo that runs: real HTTP, real PostgreSQL. What a mode expects stands in the mode; what it
leaves behind is looked at here."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import sqlalchemy as sa
from aiohttp import ClientSession
from aiohttp.test_utils import TestServer
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncEngine

from service.app import build_app
from service.business_days import business_day
from service.db import create_engine, transaction
from service.demo import queries
from service.demo.demo_file import Credentials
from service.demo.modes.catalogue import MODES
from service.demo.modes.playing import Caller, Played, Show, bin_id_of
from service.demo.modes.provisioning import add_bin_in_field
from service.demo.modes.stage import cast_of, paced_morning
from service.demo.planting import Size, plant
from service.embedded import EmbeddedPostgres
from service.secrets import Keyring
from service.settings import Settings
from service.tables.bins import bin_alarm, bin_key
from service.tables.people import resident
from service.tables.weighing import clearance, resident_day, sequence_gap, weigh_event, weigh_event_conflict
from service.verifying.verify import verify
from tests.conftest import SECRET_KEY, TEMPLATE, admin_execute

pytestmark = pytest.mark.asyncio(loop_scope="module")

RUN = "test"
ZONE = "Asia/Shanghai"
DATABASE = "test_modes"
TODAY = date.today()  # noqa: DTZ011, on which day there is no matter


@dataclass(frozen=True)
class Stand:
    """A demo, and what is needed to play modes on it."""

    credentials: Credentials
    show: Show
    engine: AsyncEngine
    settings: Settings

    async def play(self, name: str) -> Played:
        return await self.show.play(MODES[name])

    async def events(self, name: str) -> Any:
        """What is stored of the mode's bin, in the order of its count."""
        rows = sa.select(weigh_event).where(weigh_event.c.bin_id == bin_id_of(RUN, MODES[name]))
        async with self.engine.connect() as connection:
            return (await connection.execute(rows.order_by(weigh_event.c.epoch, weigh_event.c.sequence))).all()

    async def count(self, table: sa.Table, name: str, *conditions: Any) -> int:
        of_bin = table.c.bin_id == bin_id_of(RUN, MODES[name])
        async with self.engine.connect() as connection:
            counted: int = (
                await connection.execute(sa.select(sa.func.count()).select_from(table).where(of_bin, *conditions))
            ).scalar_one()
            return counted


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stand(postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stand]:
    await admin_execute(postgres, f"CREATE DATABASE {DATABASE} TEMPLATE {TEMPLATE}")
    settings = _settings(postgres, tmp_path_factory.mktemp("modes"))
    owner = create_engine(settings.model_copy(update={"database_url": settings.migration_database_url}))
    engine = create_engine(settings)
    keyring = Keyring.of(settings)
    try:
        async with transaction(owner) as connection:
            # With a past, since the beginning of which cards count, and next to nothing in it.
            size = Size(seed=1, bins=3, residents=6, past_drops=1)
            planted = await plant(connection, keyring, size, None, today=TODAY, zone=settings.business_timezone)
            in_field = {
                name: await add_bin_in_field(connection, keyring, bin_id_of(RUN, mode))
                for name, mode in MODES.items()
                if mode.in_field
            }
            # Before the three days of the mode that was offline, whose drops count on their days.
            morning = paced_morning(await queries.read_played_from(connection), settings.business_timezone, days=5)
        async with TestServer(build_app(settings)) as server, ClientSession() as session:
            caller = Caller(session, str(server.make_url("")).rstrip("/"), planted.credentials.operator_key)
            cast = cast_of(planted.credentials.residents)
            assert cast is not None
            yield Stand(planted.credentials, Show(caller, cast, RUN, in_field, morning), engine, settings)
    finally:
        await engine.dispose()
        await owner.dispose()
        await admin_execute(postgres, f"DROP DATABASE {DATABASE} WITH (FORCE)")


def _settings(postgres: EmbeddedPostgres, data_dir: Path) -> Settings:
    return Settings(
        data_dir=data_dir,
        database_url=postgres.app_url(DATABASE),
        migration_database_url=postgres.admin_url(DATABASE),
        secret_key=SecretStr(SECRET_KEY),
        demo=True,
    )


def outcomes(events: Any) -> list[tuple[str, str | None]]:
    return [(row.outcome, row.code) for row in events]


async def as_designed(stand: Stand, name: str) -> Any:
    """Play the mode; what is stored of its bin."""
    played = await stand.play(name)
    assert played.difference is None
    return await stand.events(name)


async def test_what_is_sent_twice_is_stored_once_and_another_weight_is_a_conflict(stand: Stand) -> None:
    events = await as_designed(stand, "duplicate")
    assert [(row.sequence, row.weight_grams, row.outcome) for row in events] == [
        (1, 1_250, "credited"),
        (2, 800, "credited"),
    ]
    assert await stand.count(weigh_event_conflict, "duplicate") == 1


async def test_events_that_overtake_each_other_are_all_credited_and_leave_no_gap(stand: Stand) -> None:
    events = await as_designed(stand, "reorder")
    assert outcomes(events) == [("credited", None)] * 5
    assert await stand.count(sequence_gap, "reorder") > 0
    assert await stand.count(sequence_gap, "reorder", sequence_gap.c.closed_at.is_(None)) == 0


async def test_three_days_of_drops_that_come_at_once_are_of_their_own_hours_and_days(stand: Stand) -> None:
    events = await as_designed(stand, "offline-burst")
    assert len(events) == 540
    assert {row.code for row in events} == {None}
    assert len({row.occurred_at.date() for row in events}) >= 3
    credited = {business_day(row.occurred_at, ZONE) for row in events if row.outcome == "credited"}
    assert len(credited) >= 3
    cast = stand.show.cast
    async with stand.engine.connect() as connection:
        days = sa.select(resident_day.c.day).where(resident_day.c.owner_id.in_([cast.resident.id, cast.neighbour.id]))
        assert credited <= set((await connection.execute(days)).scalars())


async def test_drops_of_1970_wait_for_a_person_and_the_service_tells_the_time(stand: Stand) -> None:
    events = await as_designed(stand, "clock-1970")
    assert outcomes(events) == [("held", "time_too_old")] * 2 + [("credited", None)]
    assert [row.occurred_at.year for row in events[:2]] == [1970] * 2


async def test_a_drop_is_believed_as_far_as_its_signature_is_off_and_no_further(stand: Stand) -> None:
    events = await as_designed(stand, "clock-skew")
    assert outcomes(events) == [
        ("credited", None),
        ("credited", None),
        ("held", "time_before_visit"),
        ("held", "time_in_future"),
        ("credited", None),
    ]
    behind, ahead, *_ = (row.clock_skew_seconds for row in events)
    assert (200 <= behind < 210, -200 <= ahead < -190) == (True, True)


async def test_a_count_that_begins_anew_holds_nothing_and_a_replay_in_it_is_held(stand: Stand) -> None:
    events = await as_designed(stand, "counter-reset")
    assert [(row.epoch, row.sequence) for row in events if row.outcome == "credited"] == [
        *((0, number) for number in (1, 2, 3, 4)),
        *((1, number) for number in (1, 2)),
    ]
    assert [(row.sequence, row.code) for row in events if row.outcome != "credited"] == [(1, "sequence_reused")]


async def test_nothing_of_a_tampered_body_is_stored(stand: Stand) -> None:
    [event] = await as_designed(stand, "tampered-body")
    assert (event.weight_grams, event.outcome) == (1_250, "credited")


async def test_a_key_that_was_stolen_makes_no_keys_and_ends_when_the_bin_says_so(stand: Stand) -> None:
    events = await as_designed(stand, "stolen-key")
    assert outcomes(events) == [("credited", None)] * 3
    bin_id = bin_id_of(RUN, MODES["stolen-key"])
    keys = sa.select(bin_key.c.id).where(bin_key.c.bin_id == bin_id)
    async with stand.engine.connect() as connection:
        assert set((await connection.execute(keys)).scalars()) == {bin_id, f"{bin_id}:2"}


async def test_who_leans_on_the_platform_is_held_and_nobody_after_them(stand: Stand) -> None:
    events = await as_designed(stand, "leaning")
    assert outcomes(events) == [("credited", None), ("held", "box_mass_short"), ("credited", None)]


async def test_what_is_taken_back_shows_at_the_next_drop_which_an_operator_can_release(stand: Stand) -> None:
    taken, innocent = (await as_designed(stand, "take-back"))[1:3]
    cast = stand.show.cast
    assert (taken.outcome, taken.resident_id) == ("credited", cast.resident.id)
    # By the rule it was held; it is the neighbour's, who has the coins now.
    assert (innocent.verdict, innocent.code) == ("hold", "box_mass_short")
    assert (innocent.outcome, innocent.resident_id) == ("credited", cast.neighbour.id)


async def test_soaked_cardboard_is_held_and_what_ran_off_is_missed_when_the_box_is_emptied(stand: Stand) -> None:
    events = await as_designed(stand, "wet-cardboard")
    assert outcomes(events) == [("credited", None), ("held", "heavy_drop")]
    assert await stand.count(clearance, "wet-cardboard") == 2
    assert await stand.count(clearance, "wet-cardboard", clearance.c.code == "emptied_mass_short") == 1


async def test_a_day_of_twelve_drops_is_too_much_for_a_resident_and_not_for_a_trader(stand: Stand) -> None:
    events = await as_designed(stand, "trader")
    assert outcomes(events) == [("credited", None)] * 10 + [("held", "day_drops")] * 2 + [("credited", None)] * 12
    kind = sa.select(resident.c.kind).where(resident.c.id == stand.show.cast.trader.id)
    async with stand.engine.connect() as connection:
        # As they were before.
        assert (await connection.execute(kind)).scalar_one() == "resident"


async def test_a_scale_that_drifts_is_doubted_beyond_what_it_may_err_and_not_within(stand: Stand) -> None:
    events = await as_designed(stand, "drifting-scale")
    assert outcomes(events) == [("credited", None)] * 3 + [("held", "box_mass_over"), ("held", "box_mass_short")]
    assert await stand.count(bin_alarm, "drifting-scale", bin_alarm.c.kind == "scale_zero") == 1


async def test_every_invariant_holds_whatever_the_bins_did(stand: Stand) -> None:
    results = await verify(stand.engine, stand.settings)
    assert [(result.check.name, result.rows) for result in results if not result.holds] == []
