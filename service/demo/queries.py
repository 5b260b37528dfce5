"""SQL of the demo, one function a statement. It runs as the database's owner, who may replace keys."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import date, datetime, timedelta
from typing import Any, Final, cast
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncConnection

from service.db import DriverConnection, database_now
from service.demo import nankai
from service.demo.drops import Standing
from service.demo.past_rows import AnswerRow, EventRow, Past, RedemptionRow, ResolutionRow, TransferRow
from service.demo.sample import Area, MonthlyInput, Site
from service.plausibility.bin_memory import MASS
from service.plausibility.rule_book import read_parameters
from service.plausibility.standard import STANDARD_RULES
from service.tables.bins import bin_, bin_claim, bin_key
from service.tables.indicator import indicator_input, target
from service.tables.people import api_key, credential, machine, machine_key, merchant, resident, session
from service.tables.places import area, site
from service.tables.reference import material, plausibility_rule, tariff

# As draw_sample numbers them.
SAMPLE_BIN_ID: Final = "^NK-[0-9]{4}$"
# Of a database that is not the demo's, whichever of these an operator filled first.
PLANTED_FIRST = (area, material, merchant, resident)

TRANSFER_IDS: Final = """
SELECT nextval(pg_get_serial_sequence('transfer', 'id')) AS id FROM generate_series(1, $1::int) ORDER BY id
"""
# Of a database in which nothing else ever happened: what is in wallets and what is off the stock follows from the rows.
FILL_WALLETS: Final = """
UPDATE wallet
SET posted = moved.coins
FROM (SELECT owner_id, sum(CASE owner_id WHEN credit_account_id THEN coins ELSE -coins END) AS coins
      FROM transfer
      GROUP BY owner_id) AS moved
WHERE wallet.owner_id = moved.owner_id
"""
FILL_DAYS: Final = """
INSERT INTO resident_day (owner_id, day, drops, grams, coins)
SELECT resident_id, date(timezone($1, occurred_at)), count(*), sum(weight_grams), sum(coins)
FROM weigh_event
WHERE outcome = 'credited'
GROUP BY 1, 2
"""
# Its bins counted on from 1, and lost nothing.
FILL_MEMORIES: Final = """
UPDATE bin_memory
SET sequence = past.last, sequence_at = past.last_at, heard_at = past.last_at,
    counts = jsonb_build_object('first', jsonb_build_array(past.first, extract(epoch FROM past.first_at)))
FROM (SELECT bin_id, min(sequence) AS first, max(sequence) AS last, min(occurred_at) AS first_at,
             max(occurred_at) AS last_at
      FROM weigh_event
      GROUP BY bin_id) AS past
WHERE bin_memory.bin_id = past.bin_id
"""
TAKE_STOCK: Final = """
UPDATE offer
SET stock_taken = taken.pieces
FROM (SELECT offer_id, count(*) AS pieces FROM redemption WHERE from_stock GROUP BY offer_id) AS taken
WHERE offer.id = taken.offer_id
"""
BIND_SINCE: Final = "UPDATE credential SET bound_at = $1, counts_from = $1 WHERE demo"
STANDINGS: Final = sa.text("""
SELECT bin_id AS id, coalesce(sequence, 0) AS sequence, extract(epoch FROM sequence_at)::float8 AS at, boxes
FROM bin_memory
""")
CONCERNS: Final = sa.text("""
SELECT (SELECT count(*) FROM held_event WHERE state IN ('open', 'appealed')) AS reviews,
       (SELECT count(*) FROM bin_alarm WHERE closed_at IS NULL) AS alarms,
       (SELECT count(*) FROM sequence_gap WHERE closed_at IS NULL) AS gaps
""")
LAST_REDEEMED: Final = sa.text(
    "SELECT max(created_at) FROM transfer WHERE kind = 'redemption' AND created_at < :before"
)


async def is_planted(connection: AsyncConnection) -> bool:
    """Whether the sample data is there: it comes whole, so one bin tells."""
    return bool((await connection.execute(sa.select(sa.exists().where(bin_key.c.demo)))).scalar_one())


async def is_empty(connection: AsyncConnection) -> bool:
    found = sa.or_(*(sa.exists(sa.select(table)) for table in PLANTED_FIRST))
    return not (await connection.execute(sa.select(found))).scalar_one()


async def insert_places(connection: AsyncConnection, areas: Sequence[Area], sites: Sequence[Site]) -> None:
    await connection.execute(sa.insert(area), [asdict(each) for each in areas])
    await connection.execute(sa.insert(site), [asdict(each) for each in sites])


async def insert_materials(connection: AsyncConnection) -> None:
    """Materials with their tariffs, and an earlier tariff of paper that was superseded."""
    await connection.execute(
        sa.insert(material),
        [{"id": each[0], "name": each[1], "name_en": each[2]} for each in nankai.MATERIALS],
    )
    tariffs = [
        {
            "material_id": material_id,
            "effective_from": nankai.PAPER_TARIFF_RAISED if material_id == "paper" else nankai.TARIFFS_FROM,
            "coins_per_kg": coins_per_kg,
        }
        for material_id, _, _, coins_per_kg in nankai.MATERIALS
    ]
    earlier = {
        "material_id": "paper",
        "effective_from": nankai.TARIFFS_FROM,
        "coins_per_kg": nankai.PAPER_COINS_PER_KG_BEFORE,
    }
    await connection.execute(sa.insert(tariff), [*tariffs, earlier])


async def insert_rules(connection: AsyncConnection, played_from: datetime) -> None:
    """The shipped rules as they are; those of a real day's pace until the day on which the fleet begins to play."""
    rows: list[tuple[str, datetime, str, dict[str, Any]]] = []
    for code, action, shipped in STANDARD_RULES:
        parameters = read_parameters(code, shipped).model_dump(mode="json")
        rows.append((code, nankai.TARIFFS_FROM, action, parameters))
        if code in nankai.RULES_OF_PACE:
            rows.append((code, played_from, "off", parameters))
    columns = ("code", "effective_from", "action", "parameters")
    await connection.execute(sa.insert(plausibility_rule), [dict(zip(columns, row, strict=True)) for row in rows])


async def has_rules(connection: AsyncConnection) -> bool:
    return bool((await connection.execute(sa.select(sa.exists(sa.select(plausibility_rule))))).scalar_one())


async def insert_targets(connection: AsyncConnection, recorded_by: UUID) -> None:
    await connection.execute(
        sa.insert(target),
        [
            {
                "area_id": nankai.DISTRICT[0],
                "year": year,
                "version": 1,
                "rate_per_mille": rate,
                "reason": nankai.TARGETS_REASON,
                "recorded_by": recorded_by,
            }
            for year, rate in nankai.TARGETS
        ],
    )


async def insert_inputs(
    connection: AsyncConnection, inputs: Iterable[MonthlyInput], recorded_by: UUID, *, version: int = 1
) -> None:
    """Record what is not recorded yet; an operator's own later version stays what counts."""
    rows = [
        {
            **asdict(each),
            "area_id": nankai.DISTRICT[0],
            "version": version,
            "document": nankai.INPUT_DOCUMENT,
            "recorded_by": recorded_by,
        }
        for each in inputs
    ]
    await connection.execute(postgresql.insert(indicator_input).on_conflict_do_nothing(), rows)


async def insert_residents(connection: AsyncConnection, resident_ids: Sequence[int]) -> None:
    """Residents of these accounts; without an openid, by which they are told from one who logs in to the demo."""
    await connection.execute(sa.insert(resident), [{"id": each, "demo": True} for each in resident_ids])


async def insert_cards(connection: AsyncConnection, digests: Sequence[tuple[bytes, int]]) -> None:
    """Bind cards (digest, resident) that are not bound yet."""
    await connection.execute(
        postgresql.insert(credential).on_conflict_do_nothing(),
        [{"digest": digest, "kind": "card", "resident_id": owner, "demo": True} for digest, owner in digests],
    )


async def are_bound(connection: AsyncConnection, digests: Sequence[bytes]) -> bool:
    """Whether all these cards are known."""
    found = (
        sa.select(sa.func.count())
        .select_from(credential)
        .where(credential.c.digest == sa.any_(sa.literal(digests, sa.ARRAY(sa.LargeBinary))))
    )
    return bool((await connection.execute(found)).scalar_one() == len(digests))


async def insert_sessions(
    connection: AsyncConnection, tokens: Sequence[tuple[bytes, int]], *, lifetime: timedelta
) -> None:
    """Sessions (token hash, resident) that all expire at the same time."""
    expires_at = await database_now(connection) + lifetime
    await connection.execute(
        sa.insert(session),
        [
            {"token_hash": digest, "resident_id": owner, "expires_at": expires_at, "demo": True}
            for digest, owner in tokens
        ],
    )


async def read_merchant_accounts(connection: AsyncConnection) -> dict[str, int]:
    """The account of each merchant."""
    rows = await connection.execute(sa.select(merchant.c.id, merchant.c.account_id))
    return {row.id: row.account_id for row in rows}


async def insert_past(connection: AsyncConnection, past: Past, *, zone: str) -> None:
    """Write the rows, and what follows from them, into a database that has the sample and no transfer yet. `zone` is
    where business days begin."""
    raw: Any = await connection.get_raw_connection()
    driver = cast("DriverConnection", raw.driver_connection)
    for table, rows, columns in (
        ("weigh_event", past.events, EventRow._fields),
        ("redemption", past.redemptions, RedemptionRow._fields),
        ("hold_resolution", past.resolutions, ResolutionRow._fields),
        ("idempotency_key", past.answers, AnswerRow._fields),
    ):
        await driver.copy_records_to_table(table, records=rows, columns=columns)
    ids = [row["id"] for row in await driver.fetch(TRANSFER_IDS, len(past.transfers))]
    await driver.copy_records_to_table(
        "transfer",
        records=[
            (*row[:-1], None if row.reverses is None else ids[row.reverses], transfer_id)
            for row, transfer_id in zip(past.transfers, ids, strict=True)
        ],
        columns=(*TransferRow._fields[:-1], "reverses_id", "id"),
    )
    for statement in (FILL_WALLETS, TAKE_STOCK, FILL_MEMORIES):
        await driver.execute(statement)
    await driver.execute(FILL_DAYS, zone)
    await driver.execute(BIND_SINCE, past.begins_at)


async def last_redeemed(connection: AsyncConnection, before: datetime) -> datetime | None:
    """When coins were last spent before that moment."""
    found: datetime | None = (await connection.execute(LAST_REDEEMED, {"before": before})).scalar_one()
    return found


async def read_sample_bins(connection: AsyncConnection) -> Sequence[sa.Row[*tuple[Any, ...]]]:
    """id and algorithm of each bin of the sample that is in use, in order. Not of bins that came later, and not of one
    that was claimed since: it is its claimer's."""
    claimed = sa.exists().where(bin_claim.c.bin_id == bin_.c.id)
    return (
        await connection.execute(
            sa.select(bin_.c.id, bin_key.c.algorithm)
            .join(bin_key, bin_key.c.id == bin_.c.id)
            .where(bin_key.c.demo, bin_.c.id.regexp_match(SAMPLE_BIN_ID), bin_.c.state != "retired", ~claimed)
            .order_by(bin_.c.id)
        )
    ).all()


async def read_sample_sites(connection: AsyncConnection) -> Sequence[str]:
    return (await connection.execute(sa.select(site.c.id).order_by(site.c.id))).scalars().all()


async def read_played_from(connection: AsyncConnection) -> datetime:
    """Since when the rules of a real day's pace are off; now where they never were."""
    since = sa.select(sa.func.min(plausibility_rule.c.effective_from)).where(
        plausibility_rule.c.code == sa.any_(sa.literal(sorted(nankai.RULES_OF_PACE), sa.ARRAY(sa.Text))),
        plausibility_rule.c.action == "off",
    )
    played_from: datetime | None = (await connection.execute(since)).scalar_one()
    return played_from or await database_now(connection)


async def read_uncertified_bins(connection: AsyncConnection, today: date) -> Sequence[str]:
    """Bins of the sample whose scale's certificate has ended."""
    expired = sa.select(bin_.c.id).where(
        bin_.c.certificate_expires_on < today, bin_.c.id.regexp_match(SAMPLE_BIN_ID), bin_.c.state != "retired"
    )
    return (await connection.execute(expired.order_by(bin_.c.id))).scalars().all()


async def read_sample_residents(connection: AsyncConnection) -> Sequence[int]:
    return (
        (
            await connection.execute(
                sa.select(resident.c.id)
                .where(resident.c.demo, resident.c.openid_digest.is_(None))
                .order_by(resident.c.id)
            )
        )
        .scalars()
        .all()
    )


async def replace_bin_key(connection: AsyncConnection, bin_id: str, key: bytes) -> None:
    """Another key under the same id: who has the old one is refused from the commit on."""
    await connection.execute(sa.update(bin_key).where(bin_key.c.id == bin_id, bin_key.c.demo).values(key=key))


async def delete_machine_keys(connection: AsyncConnection) -> None:
    await connection.execute(sa.delete(machine_key).where(machine_key.c.demo))


async def read_keyless_machines(connection: AsyncConnection) -> Sequence[sa.Row[*tuple[Any, ...]]]:
    """Machines without any key, in order."""
    keyless = ~sa.exists().where(machine_key.c.machine_id == machine.c.id)
    return (await connection.execute(sa.select(machine).where(keyless).order_by(machine.c.id))).all()


async def revoke_api_keys(connection: AsyncConnection) -> None:
    await connection.execute(
        sa.update(api_key).where(api_key.c.demo, api_key.c.revoked_at.is_(None)).values(revoked_at=sa.func.now())
    )


async def delete_sessions(connection: AsyncConnection, resident_ids: Sequence[int]) -> None:
    await connection.execute(
        sa.delete(session).where(session.c.resident_id == sa.any_(sa.literal(resident_ids, sa.ARRAY(sa.BigInteger))))
    )


async def operator_key_id(connection: AsyncConnection, key_hash: bytes) -> UUID | None:
    """None where the key is unknown or revoked."""
    return (
        await connection.execute(
            sa.select(api_key.c.id).where(
                api_key.c.key_hash == key_hash, api_key.c.demo, api_key.c.revoked_at.is_(None)
            )
        )
    ).scalar_one_or_none()


async def read_standings(connection: AsyncConnection) -> dict[str, Standing]:
    """Where each bin stands, for it to go on from there."""
    return {
        row.id: Standing(
            row.sequence,
            row.at,
            {material_id: box[MASS] for material_id, box in row.boxes.items() if box[MASS] is not None},
        )
        for row in await connection.execute(STANDINGS)
    }


async def read_concerns(connection: AsyncConnection) -> sa.Row[Any]:
    """Counts of what waits for an operator: `reviews`, `alarms` and `gaps`. As the application's role."""
    return (await connection.execute(CONCERNS)).one()
