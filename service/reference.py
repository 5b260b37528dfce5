"""Devices' keys, materials, tariffs, limits and rules as each process remembers them, and how it hears of changes."""

import asyncio
import contextlib
import logging
import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

import sqlalchemy as sa
from cryptography.exceptions import InvalidTag
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from schemas.signatures import Algorithm, VerifyKey
from service.db import is_retryable
from service.errors import KeyUnreadable
from service.limits import LimitRow, Limits
from service.plausibility.rule_book import RuleBook, RuleRow
from service.secrets import Device, Keyring
from service.tables import (
    bin_,
    bin_key,
    machine,
    machine_key,
    material,
    plausibility_rule,
    reference_revision,
    spending_limit,
    tariff,
)
from service.tariffs import Tariffs

logger = logging.getLogger(__name__)

# A signer that nobody knows is looked up again each time; those that are known are bounded by the number of devices.
SIGNERS_MAX = 100_000
START_RETRY_SECONDS = 0.2
# Keys that nobody knows cost a look-up each: they may not take all connections.
LOOKUPS_AT_ONCE_MAX = 4


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


class Signers(Generic[SignerKind]):
    """Keys of one kind of device, remembered by their keyid until they are forgotten. A bin's and a machine's of the
    same keyid are two keys: each is asked for only where its kind of device may call."""

    def __init__(
        self, engine: AsyncEngine, read: Callable[[AsyncConnection, str], Awaitable[SignerKind | None]]
    ) -> None:
        self._engine = engine
        self._read = read
        self._known: dict[str, SignerKind] = {}
        self._lookups = asyncio.Semaphore(LOOKUPS_AT_ONCE_MAX)
        self._reading: dict[str, asyncio.Task[SignerKind | None]] = {}
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
        reading = self._reading.get(keyid)
        if reading is None:
            reading = self._reading[keyid] = asyncio.create_task(self._find(keyid))
            reading.add_done_callback(lambda _: self._reading.pop(keyid, None))
        return await asyncio.shield(reading)

    async def _find(self, keyid: str) -> SignerKind | None:
        forgotten = self._forgotten
        async with self._lookups, self._engine.connect() as connection:
            signer = await self._read(connection, keyid)
        # A change between the read and here must not be remembered as the old state.
        if signer is not None and forgotten == self._forgotten and len(self._known) < SIGNERS_MAX:
            self._known[keyid] = signer
        return signer


class Reference:
    """Remembers reference data and forgets it when `reference_revision` has risen.

    What it says may be `reference_poll_seconds` old. Nothing depends on that: whether a bin is active is decided in the
    statement that credits, and a tariff, a limit or a rule takes effect later than it is written.
    """

    def __init__(self, engine: AsyncEngine, keyring: Keyring, *, demo: bool) -> None:
        self._engine = engine
        self._keyring = keyring
        self._demo = demo
        self.bins = Signers(engine, self._read_bin)
        self.machines = Signers(engine, self._read_machine)
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
            return await self._read_issued(connection, keyid)

    async def _read_issued(self, connection: AsyncConnection, keyid: str) -> BinSigner | None:
        row = (
            await connection.execute(
                sa.select(bin_key, bin_.c.state)
                .join(bin_, bin_.c.id == bin_key.c.bin_id)
                .where(bin_key.c.id == keyid, bin_key.c.demo.is_(False) | sa.literal(self._demo))
            )
        ).one_or_none()
        if row is None:
            return None
        return BinSigner(*self._key_of("bin", row), bin_id=row.bin_id, suspended=row.state != "active")

    async def _read_bin(self, connection: AsyncConnection, keyid: str) -> BinSigner | None:
        signer = await self._read_issued(connection, keyid)
        # Not remembered as one that does not count: the moment it does, it is used.
        return None if signer is None or signer.valid_from == math.inf else signer

    async def _read_machine(self, connection: AsyncConnection, keyid: str) -> MachineSigner | None:
        row = (
            await connection.execute(
                sa.select(machine_key, machine.c.merchant_id)
                .join(machine, machine.c.id == machine_key.c.machine_id)
                .where(machine_key.c.id == keyid, machine_key.c.demo.is_(False) | sa.literal(self._demo))
            )
        ).one_or_none()
        if row is None:
            return None
        return MachineSigner(*self._key_of("machine", row), machine_id=row.machine_id, merchant_id=row.merchant_id)

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
