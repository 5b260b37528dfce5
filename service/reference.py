"""Devices' keys, materials, tariffs, limits and rules as each process remembers them, and how it hears of changes."""

import asyncio
import contextlib
import itertools
import logging
import math
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeAlias, TypeVar

import sqlalchemy as sa
from cryptography.exceptions import InvalidTag
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from schemas.signatures import Algorithm, VerifyKey
from service.db import is_retryable
from service.errors import KeyUnreadable
from service.limits import LimitRow, Limits
from service.plausibility.rule_book import RuleBook, RuleRow
from service.secrets import Device, Keyring
from service.tables.bins import bin_, bin_key
from service.tables.people import machine, machine_key
from service.tables.redemption import spending_limit
from service.tables.reference import material, plausibility_rule, reference_revision, tariff
from service.tariffs import Tariffs

logger = logging.getLogger(__name__)

# A signer that nobody knows is looked up again each time; those that are known are bounded by the number of devices.
SIGNERS_MAX = 100_000
START_RETRY_SECONDS = 0.2
# Of keys that do not count yet: they may not take all connections.
LOOKUPS_AT_ONCE_MAX = 4
# Keys that are asked for within so long are looked up together.
LOOKUP_GATHER_SECONDS = 0.02
LOOKUP_KEYS_MAX = 500


@dataclass(frozen=True, slots=True)
class Signer:
    """A key as its record says, and when it is good."""

    key: VerifyKey
    # Unix seconds.
    valid_from: float
    valid_until: float

    def valid_at(self, when: float) -> bool:
        return self.valid_from <= when < self.valid_until


@dataclass(frozen=True, slots=True)
class BinSigner(Signer):
    """A bin's key: who signs with it, and whether it may."""

    bin_id: str
    suspended: bool


@dataclass(frozen=True, slots=True)
class MachineSigner(Signer):
    """A machine's key, and whose machine it is."""

    machine_id: str
    merchant_id: str


SignerKind = TypeVar("SignerKind", bound=Signer)
# By keyid; those that there are not are missing.
Found: TypeAlias = Mapping[str, SignerKind | KeyUnreadable]


class Signers(Generic[SignerKind]):
    """Keys of one kind of device, remembered by their keyid until they are forgotten. A bin's and a machine's of the
    same keyid are two keys: each is asked for only where its kind of device may call."""

    def __init__(
        self,
        engine: AsyncEngine,
        read: Callable[[AsyncConnection, Sequence[str]], Awaitable[Found[SignerKind]]],
    ) -> None:
        self._engine = engine
        self._read = read
        self._known: dict[str, SignerKind] = {}
        self._wanted: dict[str, asyncio.Future[SignerKind | None]] = {}
        self._reader: asyncio.Task[None] | None = None
        self._forgotten = 0

    def forget(self) -> None:
        self._known.clear()
        self._forgotten += 1

    def known(self, keyid: str) -> SignerKind | None:
        """Without a look at the database, for the hot path."""
        return self._known.get(keyid)

    async def find(self, keyid: str) -> SignerKind | None:
        """The key's record, or None where there is none that this service accepts. Raises KeyUnreadable."""
        remembered = self._known.get(keyid)
        if remembered is not None:
            return remembered
        # Read once for all who wait: a bin that sends its backlog after a change would ask a hundred times at once.
        waiting = self._wanted.get(keyid)
        if waiting is None:
            waiting = self._wanted[keyid] = asyncio.get_running_loop().create_future()
            if self._reader is None or self._reader.done():
                self._reader = asyncio.create_task(self._read_wanted())
        return await asyncio.shield(waiting)

    async def _read_wanted(self) -> None:
        """Until nobody waits. After a change all bins of a city ask within half a minute: a look-up for each would cost
        more than all else that they want."""
        while self._wanted:
            await asyncio.sleep(LOOKUP_GATHER_SECONDS)
            keyids = list(itertools.islice(self._wanted, LOOKUP_KEYS_MAX))
            forgotten = self._forgotten
            found: Mapping[str, SignerKind | Exception]
            try:
                async with self._engine.connect() as connection:
                    found = await self._read(connection, keyids)
            except Exception as error:  # noqa: BLE001  # whatever it is, those who wait are told of it
                found = dict.fromkeys(keyids, error)
            for keyid in keyids:
                self._tell(self._wanted.pop(keyid), found.get(keyid))
                signer = found.get(keyid)
                # A change between the read and here must not be remembered as the old state.
                if isinstance(signer, Signer) and forgotten == self._forgotten and len(self._known) < SIGNERS_MAX:
                    self._known[keyid] = signer

    def _tell(self, waiting: "asyncio.Future[SignerKind | None]", found: SignerKind | Exception | None) -> None:
        if not isinstance(found, Exception):
            waiting.set_result(found)
            return
        waiting.set_exception(found)
        # Seen, should whoever asked have left.
        waiting.exception()


class Reference:
    """Remembers reference data and forgets it when `reference_revision` has risen.

    What it says may be `reference_poll_seconds` old. Nothing depends on that: whether a bin is active is read with what
    its events are decided by, and a tariff, a limit or a rule takes effect later than it is written.
    """

    def __init__(self, engine: AsyncEngine, keyring: Keyring, *, demo: bool) -> None:
        self._engine = engine
        self._keyring = keyring
        self._demo = demo
        self.bins = Signers(engine, self._read_bins)
        self.machines = Signers(engine, self._read_machines)
        self._lookups = asyncio.Semaphore(LOOKUPS_AT_ONCE_MAX)
        self._revision = -1
        self.tariffs = Tariffs({})
        self.limits = Limits(())
        self.rules = RuleBook()

    async def refresh(self) -> None:
        """Read the revision, and the tariffs, limits and rules where it has risen."""
        async with self._engine.connect() as connection:
            revision = (await connection.execute(sa.select(reference_revision.c.revision))).scalar_one()
            if revision != self._revision:
                self.tariffs = await read_tariffs(connection)
                self.limits = await read_limits(connection)
                self.rules = await read_rules(connection)
                self.bins.forget()
                self.machines.forget()
                self._revision = revision

    async def refresh_at_start(self, seconds_max: float) -> None:
        """The first refresh; waits for a database that is just coming back. Raises what the database raises."""
        deadline = time.monotonic() + seconds_max
        while True:
            try:
                return await self.refresh()
            except Exception as error:
                if not is_retryable(error) or time.monotonic() > deadline:
                    raise
            await asyncio.sleep(START_RETRY_SECONDS)

    async def refresh_forever(self, interval_seconds: float) -> None:
        while True:
            await asyncio.sleep(interval_seconds)
            try:
                await self.refresh()
            except Exception as error:  # the next round may find the database again
                if not is_retryable(error) and not isinstance(error, sa.exc.TimeoutError):
                    logger.exception("reference data could not be read")

    async def find_issued(self, keyid: str) -> BinSigner | None:
        """A bin's key as its record says now, also a secret that does not count yet. Raises KeyUnreadable."""
        async with self._lookups, self._engine.connect() as connection:
            found = (await self._read_issued(connection, [keyid])).get(keyid)
        if isinstance(found, KeyUnreadable):
            raise found
        return found

    async def _read_issued(self, connection: AsyncConnection, keyids: Sequence[str]) -> Found[BinSigner]:
        rows = await connection.execute(
            sa.select(bin_key, bin_.c.state)
            .join(bin_, bin_.c.id == bin_key.c.bin_id)
            .where(bin_key.c.id == _any_of(keyids), bin_key.c.demo.is_(False) | sa.literal(self._demo))
        )
        return self._signers(
            "bin",
            rows.all(),
            lambda row, key, begins, ends: BinSigner(key, begins, ends, row.bin_id, row.state != "active"),
        )

    async def _read_bins(self, connection: AsyncConnection, keyids: Sequence[str]) -> Found[BinSigner]:
        found = await self._read_issued(connection, keyids)
        # Not remembered as one that does not count: the moment it does, it is used.
        return {
            keyid: signer
            for keyid, signer in found.items()
            if isinstance(signer, KeyUnreadable) or signer.valid_from != math.inf
        }

    async def _read_machines(self, connection: AsyncConnection, keyids: Sequence[str]) -> Found[MachineSigner]:
        rows = await connection.execute(
            sa.select(machine_key, machine.c.merchant_id)
            .join(machine, machine.c.id == machine_key.c.machine_id)
            .where(machine_key.c.id == _any_of(keyids), machine_key.c.demo.is_(False) | sa.literal(self._demo))
        )
        return self._signers(
            "machine",
            rows.all(),
            lambda row, key, begins, ends: MachineSigner(key, begins, ends, row.machine_id, row.merchant_id),
        )

    def _signers(
        self,
        device: Device,
        rows: Sequence[Any],
        signer: Callable[[Any, VerifyKey, float, float], SignerKind],
    ) -> Found[SignerKind]:
        """By keyid; KeyUnreadable in place of one that cannot be read: that one only is not accepted."""
        found: dict[str, SignerKind | KeyUnreadable] = {}
        for row in rows:
            try:
                found[row.id] = signer(row, *self._key_of(device, row))
            except KeyUnreadable as error:
                found[row.id] = error
        return found

    def _key_of(self, device: Device, row: Any) -> tuple[VerifyKey, float, float]:
        algorithm = Algorithm(row.algorithm)
        key = row.key if algorithm is Algorithm.ED25519 else self._decrypted(device, row.id, row.key)
        valid_from, valid_until = (
            math.inf if moment is None else moment.timestamp() for moment in (row.valid_from, row.valid_until)
        )
        return VerifyKey(row.id, algorithm, key), valid_from, valid_until

    def _decrypted(self, device: Device, keyid: str, stored: bytes) -> bytes:
        with contextlib.suppress(InvalidTag):
            return self._keyring.decrypt_signing_secret(device, keyid, stored)
        logger.error(
            "the key %s is stored under another TANBI_SECRET_KEY: set that one, or give the %s a new key", keyid, device
        )
        raise KeyUnreadable


def _any_of(keyids: Sequence[str]) -> sa.ColumnElement[Any]:
    """One statement, whatever their number."""
    return sa.any_(sa.literal(keyids, ARRAY(sa.Text)))


async def read_tariffs(connection: AsyncConnection) -> Tariffs:
    rows: dict[str, list[tuple[datetime, int]]] = {
        material_id: [] for material_id in (await connection.execute(sa.select(material.c.id))).scalars()
    }
    for row in await connection.execute(sa.select(tariff)):
        # Of a material that was added between the two statements.
        rows.setdefault(row.material_id, []).append((row.effective_from, row.coins_per_kg))
    return Tariffs(rows)


async def read_limits(connection: AsyncConnection) -> Limits:
    rows = spending_limit.c
    written = sa.select(rows.kind, rows.merchant_id, rows.effective_from, rows.coins).order_by(rows.id)
    return Limits(LimitRow(*row) for row in await connection.execute(written))


async def read_rules(connection: AsyncConnection) -> RuleBook:
    rows = plausibility_rule.c
    written = sa.select(rows.id, rows.code, rows.effective_from, rows.action, rows.parameters)
    book = RuleBook([RuleRow(*row) for row in await connection.execute(written)])
    for row in book.unreadable:
        logger.warning("rule %s of %s is of another release, and is passed over", row.code, row.effective_from)
    return book


async def raise_revision(connection: AsyncConnection) -> None:
    """To be called in each transaction that changes bins, keys, materials, tariffs, limits or rules."""
    await connection.execute(sa.update(reference_revision).values(revision=reference_revision.c.revision + 1))
