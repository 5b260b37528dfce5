"""Put the sample data into an empty database, and issue what its people and devices show.

The sample comes whole, in one transaction. Issuing again is for a demo.json that was lost: the database has hashes
only.
"""

import base64
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.fleet import ScaleChange
from schemas.signatures import ED25519_KEY_BYTES, Algorithm, SigningKey
from service.api_keys import create_api_key
from service.business_days import day_begins_at
from service.carbon.choosing import choose_set
from service.carbon.factor_sets import add_set
from service.carbon.shipped import SHIPPED
from service.db import database_now
from service.demo import nankai, queries
from service.demo.demo_file import Credentials, DemoBin, DemoMachine, DemoMerchant, DemoResident
from service.demo.past import draw_past, month_before
from service.demo.publishing import publish_past_years
from service.demo.sample import CERTIFICATE_DAYS, Sample, algorithm_of, draw_inputs, draw_sample
from service.fleet.bins import add_bin
from service.fleet.changes import BY_COMMAND
from service.fleet.lifecycle import change_scale
from service.ledger.queries import open_wallets
from service.redemption.merchants import MachineKind, add_machine, add_machine_key, add_merchant
from service.redemption.offers import add_offer
from service.reference import raise_revision
from service.residents.sessions import TOKEN_PREFIX
from service.secrets import Keyring, new_token, token_hash
from service.settlement.settling import set_rate

# A demo that is found again after a year still opens.
SESSION_LIFETIME = timedelta(days=3650)
# Of a resident in the month before, and of all: more would only make the first start longer.
PAST_DROPS_EACH = 8
PAST_DROPS_MAX = 1600


class CannotRun(RuntimeError):
    """The demo cannot run; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Size:
    """How much sample data there is to be."""

    seed: int
    bins: int
    residents: int
    # Of the month before.
    past_drops: int

    @classmethod
    def of(cls, seed: int, *, bins: int, residents: int) -> "Size":
        """With a past that goes with so many residents."""
        return cls(seed, bins, residents, min(residents * PAST_DROPS_EACH, PAST_DROPS_MAX))


@dataclass(frozen=True, slots=True)
class Planted:
    credentials: Credentials
    # The sample was there already, and is as it was.
    found: bool
    # It was there, but what demo.json had was lost: everyone has new keys.
    reissued: bool


async def plant(
    connection: AsyncConnection, keyring: Keyring, size: Size, known: Credentials | None, *, today: date, zone: str
) -> Planted:
    """The sample data, made now or found; `known` are the credentials of demo.json, good or not.

    `today` is the business day in `zone`. Runs as the database's owner. Raises CannotRun.
    """
    found = await queries.is_planted(connection)
    if not found:
        if not await queries.is_empty(connection):
            raise CannotRun(
                "This data directory's database has data that the demo did not make. Name another one with --data."
            )
        credentials = await _plant(connection, keyring, size, today, zone)
    elif known is not None and await _still_good(connection, keyring, known):
        credentials = known
    else:
        credentials = await _reissue(connection, keyring, size.seed, today)
    await _inspect_scales(connection, today)
    if not await queries.has_rules(connection):
        # From the day's beginning: what comes late of it is of a day that is played, too.
        played_from = min(day_begins_at(today, zone), await database_now(connection))
        await queries.insert_rules(connection, played_from)
        await raise_revision(connection)
    operator_id = await queries.operator_key_id(connection, token_hash(credentials.operator_key))
    if operator_id is None:
        raise RuntimeError("the demo's operator key was just issued or checked")
    await _record_inputs(connection, operator_id, size.seed, today)
    if not found:
        await queries.insert_targets(connection, operator_id)
        await publish_past_years(connection, size.seed, today)
    return Planted(credentials, found=found, reissued=found and credentials is not known)


async def _plant(connection: AsyncConnection, keyring: Keyring, size: Size, today: date, zone: str) -> Credentials:
    sample = draw_sample(size.seed, bins=size.bins, residents=size.residents, today=today)
    await queries.insert_places(connection, sample.areas, sample.sites)
    await queries.insert_materials(connection)
    for factors in SHIPPED:
        await add_set(connection, factors)
    await choose_set(connection, SHIPPED[0].id, effective_from=None, zone=zone)
    bins = []
    for each in sample.bins:
        key = await add_bin(
            connection,
            keyring,
            bin_id=each.id,
            site_id=each.site_id,
            algorithm=each.algorithm,
            scale=each.scale,
            demo=True,
        )
        bins.append(_demo_bin(key))
    machines = await _plant_merchants(connection, keyring, sample)
    resident_ids = await open_wallets(connection, size.residents)
    await queries.insert_residents(connection, resident_ids)
    credentials = await _issue(connection, keyring, bins, machines, sample, resident_ids)
    if size.past_drops:
        past = draw_past(
            size.seed,
            sample,
            resident_ids=resident_ids,
            accounts=await queries.read_merchant_accounts(connection),
            keyring=keyring,
            month=month_before(today),
            zone=zone,
            drops=size.past_drops,
        )
        await queries.insert_past(connection, past, zone=zone)
    return credentials


async def _plant_merchants(connection: AsyncConnection, keyring: Keyring, sample: Sample) -> list[DemoMachine]:
    """Merchants, what they offer, and the machines that some have."""
    for shop in sample.merchants:
        await add_merchant(
            connection,
            merchant_id=shop.id,
            name=shop.name,
            name_en=shop.name_en,
            site_id=shop.site_id,
            capture_grace_seconds=shop.capture_grace_seconds,
        )
        await set_rate(
            connection,
            merchant_id=shop.id,
            fen_per_1000_coins=nankai.FEN_PER_1000_COINS,
            effective_from=nankai.TARIFFS_FROM,
        )
    for offer in sample.offers:
        await add_offer(connection, offer.merchant_id, offer.wanted)
    machines = []
    for each in sample.machines:
        await add_machine(
            connection, machine_id=each.id, merchant_id=each.merchant_id, site_id=each.site_id, kind=each.kind
        )
        key = await add_machine_key(connection, keyring, machine_id=each.id, algorithm=each.algorithm, demo=True)
        machines.append(_demo_machine(key, each.id, each.merchant_id, each.kind))
    return machines


async def _reissue(connection: AsyncConnection, keyring: Keyring, seed: int, today: date) -> Credentials:
    """Other keys and tokens for the bins, residents, merchants and machines that are there; the old ones end.

    Cards were given to people and stay theirs; with the same seed they are the same ones.
    """
    bins = []
    for row in await queries.read_sample_bins(connection):
        key = SigningKey(row.id, Algorithm(row.algorithm), os.urandom(ED25519_KEY_BYTES))
        await queries.replace_bin_key(connection, row.id, keyring.stored_key("bin", key))
        bins.append(_demo_bin(key))
    await raise_revision(connection)
    machines = []
    await queries.delete_machine_keys(connection)
    # Those of a demo that is older than machines' keys have none either.
    for number, row in enumerate(await queries.read_keyless_machines(connection)):
        key = await add_machine_key(connection, keyring, machine_id=row.id, algorithm=algorithm_of(number), demo=True)
        machines.append(_demo_machine(key, row.id, row.merchant_id, row.kind))
    await queries.revoke_api_keys(connection)
    resident_ids = await queries.read_sample_residents(connection)
    await queries.delete_sessions(connection, resident_ids)
    sample = draw_sample(seed, bins=len(bins), residents=len(resident_ids), today=today)
    return await _issue(connection, keyring, bins, machines, sample, resident_ids)


async def _issue(
    connection: AsyncConnection,
    keyring: Keyring,
    bins: Sequence[DemoBin],
    machines: Sequence[DemoMachine],
    sample: Sample,
    resident_ids: Sequence[int],
) -> Credentials:
    residents = [
        DemoResident(id=resident_id, card=card, token=new_token(TOKEN_PREFIX))
        for resident_id, card in zip(resident_ids, sample.cards, strict=True)
    ]
    await queries.insert_cards(
        connection, [(keyring.credential_digest("card", each.card), each.id) for each in residents]
    )
    await queries.insert_sessions(
        connection, [(token_hash(each.token), each.id) for each in residents], lifetime=SESSION_LIFETIME
    )
    merchants = [
        DemoMerchant(
            id=each.id,
            name=each.name,
            api_key=await create_api_key(
                connection, role="merchant", name=f"demo {each.name_en}", merchant_id=each.id, demo=True
            ),
        )
        for each in sample.merchants
    ]
    return Credentials(
        operator_key=await create_api_key(connection, role="admin", name="demo operator", demo=True),
        bins=tuple(bins),
        residents=tuple(residents),
        merchants=tuple(merchants),
        machines=tuple(machines),
    )


async def _still_good(connection: AsyncConnection, keyring: Keyring, known: Credentials) -> bool:
    """Whether these are this database's, and under this secret key: demo.json or the key may have come from another."""
    if await queries.operator_key_id(connection, token_hash(known.operator_key)) is None:
        return False
    if not await queries.are_bound(
        connection, [keyring.credential_digest("card", each.card) for each in known.residents]
    ):
        return False
    bins = {row.id for row in await queries.read_sample_bins(connection)}
    return bins <= {each.id for each in known.bins}


async def _inspect_scales(connection: AsyncConnection, today: date) -> None:
    """In a demo that is found again after months, or all that it weighs would be held for its certificates."""
    inspected = ScaleChange(reason="inspected", certificate_expires_on=today + timedelta(days=CERTIFICATE_DAYS))
    for bin_id in await queries.read_uncertified_bins(connection, today):
        await change_scale(connection, bin_id, inspected, BY_COMMAND)


async def _record_inputs(connection: AsyncConnection, recorded_by: UUID, seed: int, today: date) -> None:
    """What the rate needs besides the bins' volumes: two years that are over, and this one up to this month, which is
    an estimate."""
    inputs = [
        each
        for year, months in ((today.year - 2, 12), (today.year - 1, 12), (today.year, today.month))
        for each in draw_inputs(seed, year, months)
    ]
    await queries.insert_inputs(connection, inputs, recorded_by)


def _demo_bin(key: SigningKey) -> DemoBin:
    return DemoBin(id=key.keyid, alg=key.algorithm, keyid=key.keyid, private_key=base64.b64encode(key.secret).decode())


def _demo_machine(key: SigningKey, machine_id: str, merchant_id: str, kind: MachineKind) -> DemoMachine:
    return DemoMachine(
        id=machine_id,
        merchant_id=merchant_id,
        kind=kind,
        alg=key.algorithm,
        keyid=key.keyid,
        private_key=base64.b64encode(key.secret).decode(),
    )
