"""One transaction of commands: identify, lock, read, decide, post, record, commit.

Many commands share it (service/groupcommit.py); one alone goes through the same steps. Wallets are locked first, those
that can be locked at once; then pay-codes, offers with a stock, and merchants' days, each sorted: so no two
transactions wait for each other in a ring.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final, TypeAlias
from uuid import UUID

import asyncpg
import pydantic_core

from service import db
from service.auth import Machine, Merchant, Resident
from service.business_days import business_day, day_begins_at
from service.db import DriverConnection, Writers
from service.errors import DatabaseUnavailable, Forbidden, IdempotencyKeyReused, TanbiError, TokenInvalid
from service.groupcommit import LATER, Later
from service.idempotency import StoredAnswer
from service.ledger import queries as ledger
from service.ledger.book import Book
from service.problems import problem_document
from service.redemption import batch_queries as queries
from service.redemption import facts
from service.redemption.commands import ApiKey, Command, Refund, SessionToken, Spend
from service.redemption.deciding import Decisions
from service.redemption.facts import Facts, Known
from service.reference import Reference
from service.webhooks.outbox import write_messages

# What a command comes to: an answer that is stored, or a refusal that leaves no trace.
Decided: TypeAlias = StoredAnswer | TanbiError
Pair: TypeAlias = tuple[Command, Known]

CREATED: Final = 201
DONE: Final = 200
SWEPT_HOLDS_MAX: Final = 500


class TwinCommitted(Exception):
    """The same key was committed elsewhere in the meantime: everything is rolled back and done again, and finds it."""


def is_retryable(error: BaseException) -> bool:
    return isinstance(error, TwinCommitted) or db.is_retryable(error)


def is_poison(error: BaseException) -> bool:
    """One command's fault, or ours with one command: the others of its batch are done without it."""
    return not isinstance(error, DatabaseUnavailable)


@dataclass(frozen=True, slots=True)
class Committing:
    """`reference` has the limits; `zone` is where a day begins; `demo` lets in what the demo made."""

    writers: Writers
    reference: Reference
    zone: str
    demo: bool

    async def commit(self, commands: list[Command]) -> list[Decided | Later]:
        """One result a command, in order; committed when this returns. Doing it again finds the stored answers.

        LATER for a command on a wallet that another transaction has locked: the others do not wait for it.
        """
        async with self.writers.connection() as connection, connection.transaction():
            pairs, book = await self._identify(connection, commands)
            free = [n for n, (_, known) in enumerate(pairs) if not _waits(known, book)]
            if not free:
                return [LATER] * len(pairs)
            decisions = Decisions(await self._read(connection, book, [pairs[n] for n in free]))
            decisions.expire_due()
            # Refunds first: what they give back was taken before, and a capture of this transaction has no id yet.
            order = sorted(free, key=lambda n: not isinstance(pairs[n][0].wanted, Refund))
            decided: dict[int, Decided] = {n: _decide(decisions, *pairs[n]) for n in order}
            answers = [
                (known.actor or "", command.keyed.key, command.keyed.digest, answer.status, answer.body.decode())
                for n, (command, known) in enumerate(pairs)
                if isinstance(answer := decided.get(n), StoredAnswer) and not answer.replayed
            ]
            # Nothing is written of callers who are nobody.
            if answers or book.changed:
                await _write(connection, decisions, answers)
        return [decided.get(n, LATER) for n in range(len(pairs))]

    async def sweep(self) -> int:
        """Write down holds that have expired, the oldest first; how many. Wallets that are in use are left alone."""
        async with self.writers.connection() as connection, connection.transaction():
            return await self._expire(connection, await ledger.lock_due_wallets(connection, holds_max=SWEPT_HOLDS_MAX))

    async def release_due(self, owner_id: int) -> int:
        """Write down which holds of this resident have expired; how many."""
        async with self.writers.connection() as connection, connection.transaction():
            return await self._expire(connection, await ledger.lock_wallets(connection, [owner_id]))

    async def _expire(self, connection: DriverConnection, book: Book) -> int:
        if not book.due():
            return 0
        decisions = Decisions(await self._read(connection, book, []))
        expired = decisions.expire_due()
        await _write(connection, decisions, [])
        return expired

    async def _identify(self, connection: DriverConnection, commands: list[Command]) -> tuple[list[Pair], Book]:
        """Who asks each, and the wallets that they are about, locked."""
        rows, book = await queries.identify_and_lock(
            connection,
            [
                (
                    command.asker.hash if isinstance(command.asker, SessionToken) else None,
                    command.asker.hash if isinstance(command.asker, ApiKey) else None,
                    command.asker.actor if isinstance(command.asker, Machine) else None,
                    command.wanted.pay_code_digest if isinstance(command.wanted, Spend) else None,
                    None if isinstance(command.wanted, Spend) else command.wanted.redemption_id,
                    command.asker.merchant_id if isinstance(command.asker, Machine) else _wanted_merchant(command),
                    command.keyed.key,
                )
                for command in commands
            ],
            demo=self.demo,
        )
        return [(command, _known(command, row)) for command, row in zip(commands, rows, strict=True)], book

    async def _read(self, connection: DriverConnection, book: Book, pairs: Sequence[Pair]) -> Facts:
        read = Facts(book, self.zone, self.reference.limits)
        read.keys = {
            (known.actor, command.keyed.key): known.stored
            for command, known in pairs
            if known.actor is not None and known.stored is not None
        }
        spends = [(command.wanted, known) for command, known in pairs if isinstance(command.wanted, Spend)]
        digests = [wanted.pay_code_digest for wanted, _ in spends if wanted.pay_code_digest is not None]
        if digests:
            read.codes = await queries.lock_pay_codes(connection, digests)
        asked: set[tuple[int, UUID]] = {(hold.owner_id, hold.redemption_id) for hold in book.due()}
        resolved = {redemption_id for _, redemption_id in asked}
        for command, known in pairs:
            if not isinstance(command.wanted, Spend) and command.wanted.redemption_id and known.owner_id is not None:
                asked.add((known.owner_id, command.wanted.redemption_id))
                # A refund gives back neither its piece nor its place in a day.
                if not isinstance(command.wanted, Refund):
                    resolved.add(command.wanted.redemption_id)
        if asked:
            read.redemptions = await queries.read_redemptions(connection, asked)
        resolving = [of for of in read.redemptions.values() if of.id in resolved]
        offer_ids = {wanted.offer_id for wanted, _ in spends if wanted.offer_id is not None}
        offer_ids |= {of.offer_id for of in resolving if of.from_stock and of.offer_id is not None}
        if offer_ids:
            read.offers = await queries.lock_offers(connection, sorted(offer_ids))
        await self._read_limited(connection, read, [known for _, known in spends], resolving)
        return read

    async def _read_limited(
        self,
        connection: DriverConnection,
        read: Facts,
        spending: Sequence[Known],
        resolving: Sequence[facts.Redemption],
    ) -> None:
        """What limits are measured against; nothing where none is in force."""
        today = business_day(read.at, self.zone)
        counted = read.limits.coins_max("resident_day", "", read.at) is not None
        counted = counted or any(offer.resident_day_max is not None for offer in read.offers.values())
        owner_ids = sorted({known.owner_id for known in spending if known.owner_id is not None})
        if counted and owner_ids:
            read.usage = await queries.read_usage(connection, owner_ids, day_begins_at(today, self.zone))
        if not read.limits.any_of("merchant_day"):
            return
        merchants = {known.merchant.id for known in spending if known.merchant is not None}
        limited: set[tuple[str, date]] = {
            (merchant_id, today)
            for merchant_id in merchants
            if read.limits.coins_max("merchant_day", merchant_id, read.at) is not None
        }
        if limited:
            await queries.open_merchant_days(connection, sorted(limited))
        days = limited | {(of.merchant_id, business_day(of.created_at, self.zone)) for of in resolving}
        if days:
            read.merchant_days = await queries.lock_merchant_days(connection, sorted(days))


def _waits(known: Known, book: Book) -> bool:
    """Whether its wallet is locked elsewhere; an answer that is stored is told all the same."""
    return known.stored is None and known.owner_id is not None and not book.has(known.owner_id)


def _wanted_merchant(command: Command) -> str | None:
    return command.wanted.merchant_id if isinstance(command.wanted, Spend) else None


def _known(command: Command, row: asyncpg.Record) -> Known:
    merchant = None
    if row["merchant_id"] is not None:
        merchant = facts.Merchant(
            row["merchant_id"], row["name"], row["account_id"], row["hold_seconds"], row["listens"]
        )
    actor: str | None
    machine_id = None
    match command.asker:
        case Machine():
            actor, machine_id = command.asker.actor, command.asker.id
        case ApiKey():
            actor = None if row["key_merchant_id"] is None else Merchant(row["key_merchant_id"]).actor
        case SessionToken():
            actor = None if row["resident_id"] is None else Resident(row["resident_id"]).actor
    operators = row["key_known"] and row["key_merchant_id"] is None
    stored = None
    if row["status"] is not None:
        stored = facts.StoredKey(row["request_digest"], row["status"], row["answer"])
    return Known(actor, operators, machine_id, merchant, row["owner_id"], stored)


def _decide(decisions: Decisions, command: Command, known: Known) -> Decided:
    if known.operators:
        return Forbidden("This is an operator's key; a merchant's is needed.")
    if known.actor is None:
        return TokenInvalid(headers={"WWW-Authenticate": 'Bearer realm="tanbi"'})
    if known.machine_id is not None and isinstance(command.wanted, Refund):
        return Forbidden("A machine does not refund: its merchant does, with its API key.")
    keyed = command.keyed
    stored = decisions.facts.keys.get((known.actor, keyed.key))
    if stored is not None:
        if stored.request_digest != keyed.digest:
            return IdempotencyKeyReused()
        code = None if stored.status < 300 else str(pydantic_core.from_json(stored.answer)["code"])
        return StoredAnswer(stored.status, stored.answer.encode(), code, replayed=True)
    try:
        answer = decisions.decide(known, command.wanted)
        status = CREATED if isinstance(command.wanted, Spend) else DONE
        decided = StoredAnswer(status, answer.model_dump_json().encode(), None, replayed=False)
    except TanbiError as error:
        body = pydantic_core.to_json(problem_document(error, chinese=keyed.chinese))
        decided = StoredAnswer(error.status, body, error.code, replayed=False)
    # The same key once more in this transaction hears the same.
    decisions.facts.keys[known.actor, keyed.key] = facts.StoredKey(keyed.digest, decided.status, decided.body.decode())
    return decided


async def _write(
    connection: DriverConnection, decisions: Decisions, answers: Sequence[tuple[str, str, bytes, int, str]]
) -> None:
    """Raises TwinCommitted."""
    book = decisions.facts.book
    kept = await queries.post_and_record(connection, book, decisions.granted, answers, decisions.used_codes)
    if kept != len(answers):
        raise TwinCommitted
    if decisions.uncovered:
        await queries.record_uncovered(connection, decisions.uncovered, book.at)
    if decisions.changed_offers:
        await queries.set_stock(connection, [decisions.facts.offers[id_] for id_ in sorted(decisions.changed_offers)])
    if decisions.changed_days:
        days = [(*day, decisions.facts.merchant_days[day]) for day in sorted(decisions.changed_days)]
        await queries.set_merchant_days(connection, days)
    await write_messages(connection, decisions.messages)
