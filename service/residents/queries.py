"""SQL of residents, one function a statement."""

import json
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.cursors import Moment
from schemas.outcome_codes import HELD_FOR_ITS_CLOCK
from schemas.residents import AccountKind
from service.ledger.redeemed import redemptions_as_they_are
from service.ledger.waiting import Waiting
from service.plausibility.drop import Finding
from service.tables.carbon import carbon_factor, carbon_factor_set, carbon_set_choice
from service.tables.ledger import hold, transfer, wallet
from service.tables.people import api_key, credential, merchant, resident, resident_change, session
from service.tables.redemption import redemption
from service.tables.reference import material
from service.tables.volumes import resident_volume
from service.tables.weighing import held_event, review_decision, weigh_event

# What an operator has decided that a held drop earns, and when it was weighed.
_release = review_decision.alias("release")
_RELEASED = sa.and_(
    _release.c.bin_id == weigh_event.c.bin_id,
    _release.c.event_id == weigh_event.c.event_id,
    _release.c.decision == "released",
)

HOLD_COINS = sa.text("""
INSERT INTO held_event (bin_id, event_id, resident_id, findings, held_at)
SELECT bin_id, event_id, resident_id, findings::jsonb, clock_timestamp()
FROM unnest(:bin_ids, :event_ids, :resident_ids, :findings) AS held (bin_id, event_id, resident_id, findings)
""").bindparams(
    *(sa.bindparam(name, type_=sa.ARRAY(sa.Text)) for name in ("bin_ids", "event_ids", "findings")),
    sa.bindparam("resident_ids", type_=sa.ARRAY(sa.BigInteger)),
)

# Rows that another transaction has locked are decided on there, or are being adopted: the next round sees to them.
ADOPT_HELD_EVENTS = sa.text("""
UPDATE held_event
SET resident_id = mine.resident_id
FROM (
    SELECT held_event.bin_id, held_event.event_id, credential.resident_id
    FROM credential
    JOIN weigh_event ON weigh_event.credential_digest = credential.digest
    JOIN held_event ON held_event.bin_id = weigh_event.bin_id AND held_event.event_id = weigh_event.event_id
    WHERE (credential.digest = :digest OR credential.bound_at >= :bound_since)
      AND (NOT credential.demo OR :demo)
      AND weigh_event.verdict = 'hold'
      AND weigh_event.credential_digest IS NOT NULL
      -- A time that is doubted says nothing about whose card it was.
      AND CASE WHEN EXISTS (SELECT 1 FROM jsonb_array_elements(held_event.findings) AS finding
                            WHERE finding ->> 'code' = ANY (:of_clocks))
               THEN weigh_event.received_at ELSE weigh_event.occurred_at END >= credential.counts_from
      AND held_event.resident_id IS NULL
    FOR NO KEY UPDATE OF held_event SKIP LOCKED
) AS mine
WHERE held_event.bin_id = mine.bin_id AND held_event.event_id = mine.event_id
""").bindparams(
    sa.bindparam("digest", type_=sa.LargeBinary),
    sa.bindparam("bound_since", type_=sa.DateTime(timezone=True)),
    sa.bindparam("demo", type_=sa.Boolean),
    sa.bindparam("of_clocks", sorted(HELD_FOR_ITS_CLOCK), type_=sa.ARRAY(sa.Text)),
)


async def find_resident(connection: AsyncConnection, openid_digest: bytes) -> int | None:
    """Whose openid this is."""
    return (
        await connection.execute(sa.select(resident.c.id).where(resident.c.openid_digest == openid_digest))
    ).scalar_one_or_none()


async def claim_resident(
    connection: AsyncConnection, account_id: int, *, openid_digest: bytes | None, demo: bool
) -> bool:
    """Make the account a resident's; False, and nothing changed, where the openid has one already.

    Waits for another transaction that is claiming the same openid.
    """
    claimed = await connection.execute(
        insert(resident)
        .values(id=account_id, openid_digest=openid_digest, demo=demo)
        .on_conflict_do_nothing(constraint="uq_resident_openid_digest")
        .returning(resident.c.id)
    )
    return claimed.scalar_one_or_none() is not None


async def set_kind(connection: AsyncConnection, resident_id: int, kind: AccountKind, *, demo: bool) -> bool:
    """False, and nothing changed, where there is no such resident."""
    known = await connection.execute(
        sa.update(resident)
        .where(resident.c.id == resident_id, resident.c.demo.is_(False) | sa.literal(demo))
        .values(kind=kind)
        .returning(resident.c.id)
    )
    return known.one_or_none() is not None


async def insert_change(connection: AsyncConnection, **values: Any) -> Any:
    """When it was written down, created_at, and the name of the operator."""
    name = sa.select(api_key.c.name).where(api_key.c.id == values["changed_by"]).scalar_subquery().label("name")
    return (
        await connection.execute(
            sa.insert(resident_change).values(**values).returning(resident_change.c.created_at, name)
        )
    ).one()


async def insert_session(
    connection: AsyncConnection, token_hash: bytes, resident_id: int, *, lifetime: timedelta, demo: bool
) -> datetime:
    """When the new session expires, by the database's clock."""
    expires_at: datetime = (
        await connection.execute(
            sa.insert(session)
            .values(token_hash=token_hash, resident_id=resident_id, expires_at=sa.func.now() + lifetime, demo=demo)
            .returning(session.c.expires_at)
        )
    ).scalar_one()
    return expires_at


async def prune_sessions(connection: AsyncConnection, resident_id: int, *, keep: int) -> None:
    """Delete a resident's expired sessions, and all but the newest `keep`."""
    surplus = (
        sa.select(session.c.token_hash)
        .where(session.c.resident_id == resident_id)
        .order_by(session.c.created_at.desc(), session.c.token_hash)
        .offset(keep)
    )
    await connection.execute(
        sa.delete(session).where(
            session.c.resident_id == resident_id,
            (session.c.expires_at <= sa.func.now()) | session.c.token_hash.in_(surplus),
        )
    )


async def delete_session(connection: AsyncConnection, token_hash: bytes) -> None:
    await connection.execute(sa.delete(session).where(session.c.token_hash == token_hash))


async def overview(connection: AsyncConnection, resident_id: int, *, today: date) -> Sequence[sa.Row[*tuple[Any, ...]]]:
    """A resident's kind, wallet and number of cards, and the carbon factor set of `today`, on a row for each material
    and set by which they brought it, with the set's name and its factor.

    One row without a material where they brought nothing; set_id is '' where no set was in force. Weights are as of the
    last fold. A hold whose time is over holds nothing, whether or not that is written down yet.
    """
    todays_id = (
        sa.select(carbon_set_choice.c.set_id)
        .where(carbon_set_choice.c.effective_from <= today)
        .order_by(carbon_set_choice.c.effective_from.desc(), carbon_set_choice.c.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    todays = carbon_factor_set.alias("todays")
    over = (
        sa.select(sa.func.coalesce(sa.func.sum(hold.c.coins), 0))
        .where(hold.c.owner_id == resident_id, hold.c.expires_at <= sa.func.statement_timestamp())
        .scalar_subquery()
    )
    card_count = (
        sa.select(sa.func.count())
        .where(credential.c.resident_id == resident_id, credential.c.kind == "card")
        .scalar_subquery()
    )
    return (
        await connection.execute(
            sa.select(
                resident.c.kind,
                wallet.c.posted,
                sa.cast(wallet.c.held - over, sa.BigInteger).label("held"),
                card_count.label("card_count"),
                resident_volume.c.material_id,
                resident_volume.c.grams,
                material.c.name,
                material.c.name_en,
                resident_volume.c.set_id,
                carbon_factor_set.c.name.label("set_name"),
                carbon_factor_set.c.name_en.label("set_name_en"),
                carbon_factor.c.milligrams_co2e_per_kg,
                todays.c.id.label("todays_id"),
                todays.c.name.label("todays_name"),
                todays.c.name_en.label("todays_name_en"),
            )
            .select_from(wallet)
            .join(resident, resident.c.id == wallet.c.owner_id)
            .outerjoin(resident_volume, resident_volume.c.owner_id == wallet.c.owner_id)
            .outerjoin(material, material.c.id == resident_volume.c.material_id)
            .outerjoin(
                carbon_factor,
                sa.and_(
                    carbon_factor.c.material_id == resident_volume.c.material_id,
                    carbon_factor.c.set_id == resident_volume.c.set_id,
                ),
            )
            .outerjoin(carbon_factor_set, carbon_factor_set.c.id == resident_volume.c.set_id)
            .outerjoin(todays, todays.c.id == todays_id)
            .where(wallet.c.owner_id == resident_id)
            .order_by(resident_volume.c.material_id, resident_volume.c.set_id)
        )
    ).all()


async def claim_card(
    connection: AsyncConnection, digest: bytes, resident_id: int, *, waiting_max: timedelta, demo: bool
) -> datetime | None:
    """When the card was bound, which is now; None, and nothing changed, where it was bound before.

    Waits for another transaction that is claiming the same card.
    """
    bound_at: datetime | None = (
        await connection.execute(
            insert(credential)
            .values(
                digest=digest,
                kind="card",
                resident_id=resident_id,
                counts_from=sa.func.now() - waiting_max,
                demo=demo,
            )
            .on_conflict_do_nothing(constraint="pk_credential")
            .returning(credential.c.bound_at)
        )
    ).scalar_one_or_none()
    return bound_at


async def find_card(connection: AsyncConnection, digest: bytes, resident_id: int, *, demo: bool) -> datetime | None:
    """When this resident bound this card; None where it is another's, or the demo's and this is no demo."""
    bound_at: datetime | None = (
        await connection.execute(
            sa.select(credential.c.bound_at).where(
                credential.c.digest == digest,
                credential.c.resident_id == resident_id,
                credential.c.demo.is_(False) | sa.literal(demo),
            )
        )
    ).scalar_one_or_none()
    return bound_at


async def count_cards(connection: AsyncConnection, resident_id: int) -> int:
    counted: int = (
        await connection.execute(
            sa.select(sa.func.count())
            .select_from(credential)
            .where(credential.c.resident_id == resident_id, credential.c.kind == "card")
        )
    ).scalar_one()
    return counted


async def credited_by_binding(connection: AsyncConnection, digest: bytes, resident_id: int) -> tuple[int, int]:
    """How many events this resident was credited because they bound the card, and how many coins."""
    earned = sa.func.coalesce(_release.c.coins, weigh_event.c.coins)
    row = (
        await connection.execute(
            sa.select(sa.func.count().label("events"), sa.func.coalesce(sa.func.sum(earned), 0).label("coins"))
            .select_from(weigh_event)
            .join(credential, credential.c.digest == weigh_event.c.credential_digest)
            .outerjoin(_release, _RELEASED)
            .where(
                weigh_event.c.credential_digest == digest,
                weigh_event.c.claimed_xid.is_not(None),
                weigh_event.c.resident_id == resident_id,
                # What was released since was credited by the release itself.
                _release.c.decided_at.is_(None) | (_release.c.decided_at < credential.c.bound_at),
            )
        )
    ).one()
    return row.events, int(row.coins)


async def find_waiting_credentials(
    connection: AsyncConnection, bound_since: datetime, *, waiting_max: timedelta, demo: bool, limit: int
) -> Sequence[bytes]:
    """Credentials bound since then that events still wait for, by the conditions of ledger/lock_waiting.sql.

    The earliest first, which is the order of the index on `bound_at`: any other would read the whole table to sort it.
    """
    waiting = (
        sa.select(sa.literal(1))
        .select_from(weigh_event)
        .outerjoin(_release, _RELEASED)
        .outerjoin(
            held_event,
            sa.and_(held_event.c.bin_id == weigh_event.c.bin_id, held_event.c.event_id == weigh_event.c.event_id),
        )
        .where(
            held_event.c.state.is_(None) | (held_event.c.state == "released"),
            weigh_event.c.credential_digest == credential.c.digest,
            weigh_event.c.outcome == sa.literal_column("'unclaimed'"),
            weigh_event.c.credential_digest.is_not(None),
            sa.func.coalesce(_release.c.placed_at, weigh_event.c.occurred_at) >= credential.c.bound_at - waiting_max,
        )
        .exists()
    )
    return (
        (
            await connection.execute(
                sa.select(credential.c.digest)
                .where(credential.c.bound_at >= bound_since, credential.c.demo.is_(False) | sa.literal(demo), waiting)
                .order_by(credential.c.bound_at)
                .limit(limit)
            )
        )
        .scalars()
        .all()
    )


async def adopt_held_events(
    connection: AsyncConnection, *, digest: bytes | None = None, bound_since: datetime | None = None, demo: bool
) -> None:
    """Held drops of this card, or of all that were bound since then, are their residents' from now on."""
    await connection.execute(ADOPT_HELD_EVENTS, {"digest": digest, "bound_since": bound_since, "demo": demo})


async def hold_coins(connection: AsyncConnection, held: Sequence[tuple[Waiting, Sequence[Finding]]]) -> None:
    """Put events whose volume counts, and whose coins are beyond a day's limits, before an operator."""
    findings = [[{"code": each.code, "figures": each.figures} for each in found] for _, found in held]
    await connection.execute(
        HOLD_COINS,
        {
            "bin_ids": [event.bin_id for event, _ in held],
            "event_ids": [event.event_id for event, _ in held],
            "resident_ids": [event.owner_id for event, _ in held],
            "findings": [json.dumps(each) for each in findings],
        },
    )


async def statement_page(
    connection: AsyncConnection, owner_id: int, *, before_id: int | None, limit: int
) -> Sequence[sa.Row[Any]]:
    """A wallet's transfers, newest first, with what moved the coins: drops by material and grams, merchants by name."""
    query = (
        sa.select(
            transfer.c.id,
            transfer.c.kind,
            transfer.c.coins,
            (transfer.c.credit_account_id == owner_id).label("incoming"),
            transfer.c.created_at,
            transfer.c.redemption_id,
            transfer.c.reverses_id,
            transfer.c.reason,
            weigh_event.c.material_id,
            weigh_event.c.weight_grams,
            sa.func.coalesce(_release.c.placed_at, weigh_event.c.occurred_at).label("occurred_at"),
            merchant.c.id.label("merchant_id"),
            merchant.c.name.label("merchant_name"),
        )
        .select_from(transfer)
        .outerjoin(
            weigh_event,
            sa.and_(weigh_event.c.bin_id == transfer.c.bin_id, weigh_event.c.event_id == transfer.c.event_id),
        )
        .outerjoin(_release, _RELEASED)
        .outerjoin(
            redemption,
            sa.and_(redemption.c.owner_id == transfer.c.owner_id, redemption.c.id == transfer.c.redemption_id),
        )
        .outerjoin(merchant, merchant.c.id == redemption.c.merchant_id)
        .where(transfer.c.owner_id == owner_id)
        .order_by(transfer.c.id.desc())
        .limit(limit)
    )
    if before_id is not None:
        query = query.where(transfer.c.id < before_id)
    return (await connection.execute(query)).all()


async def redemptions_page(
    connection: AsyncConnection, owner_id: int, *, before: Moment | None, limit: int
) -> Sequence[sa.Row[Any]]:
    """A resident's redemptions as they are, newest first, with their merchants' names."""
    query = (
        redemptions_as_they_are()
        .add_columns(merchant.c.name.label("merchant_name"))
        .join(merchant, merchant.c.id == redemption.c.merchant_id)
        .where(redemption.c.owner_id == owner_id)
        .order_by(redemption.c.created_at.desc(), redemption.c.id.desc())
        .limit(limit)
    )
    if before is not None:
        query = query.where(sa.tuple_(redemption.c.created_at, redemption.c.id) < sa.tuple_(before.at, before.id))
    return (await connection.execute(query)).all()
