"""What `compare` puts side by side: the ratios with their bars, and what each figure is."""

from dataclasses import dataclass
from enum import StrEnum

from loadtest.subject import REDEMPTIONS_IN_FLIGHT


class RowName(StrEnum):
    """The rows of the table, as --only names them; some names have several."""

    BARE = "bare"
    TRANSACTIONS = "transactions"
    BATCHES = "batches"
    COPY = "copy"
    LATENCY = "latency"
    MEMORY = "memory"
    REDEMPTION = "redemption"
    GROUPCOMMIT = "groupcommit"
    STATEMENT = "statement"
    RULES = "rules"


@dataclass(frozen=True, slots=True)
class Row:
    """A ratio of two figures with its bar and its aim, None where none is set; `more` says whether more is better."""

    name: RowName
    title: str
    over: str
    under: str
    bar: float | None
    aim: float | None
    more: bool
    subjects: tuple[str, ...]

    def verdict(self, ratio: float) -> str | None:
        """`aim met`, `bar met` or `missed`; None for a row that is only told."""
        for word, wanted in (("aim met", self.aim), ("bar met", self.bar)):
            if wanted is not None and ((ratio >= wanted) if self.more else (ratio <= wanted)):
                return word
        return None if self.bar is None else "missed"


# Issue 2, "Speed".
WEIGHING_ROWS = (
    Row(
        name=RowName.BARE,
        title="one event a request, HMAC ÷ bare aiohttp handler",
        over="single",
        under="bare",
        bar=0.33,
        aim=0.5,
        more=True,
        subjects=("bare", "single", "ed25519"),
    ),
    Row(
        name=RowName.TRANSACTIONS,
        title="one event a request, HMAC ÷ one transaction an event",
        over="single",
        under="transactions",
        bar=2.8,
        aim=4,
        more=True,
        subjects=("single", "transactions"),
    ),
    Row(
        name=RowName.BATCHES,
        title="batches of 100 ÷ one transaction an event",
        over="batches",
        under="transactions",
        bar=9,
        aim=12,
        more=True,
        subjects=("batches", "transactions"),
    ),
    Row(
        name=RowName.COPY,
        title="batches of 100 ÷ COPY of the same rows",
        over="batches",
        under="copy",
        bar=0.11,
        aim=0.2,
        more=True,
        subjects=("batches", "copy"),
    ),
    Row(
        name=RowName.LATENCY,
        title="p99 at half of the highest rate ÷ median of a lone request",
        over="half_rate",
        under="lone",
        bar=25,
        aim=10,
        more=False,
        subjects=("single",),
    ),
    Row(
        name=RowName.MEMORY,
        title="resident memory after the last events ÷ after the first",
        over="memory_late",
        under="memory_early",
        bar=1.3,
        aim=1.1,
        more=False,
        subjects=("memory",),
    ),
)

# Issue 4, "Speed".
RULE_ROWS = (
    Row(
        name=RowName.RULES,
        title="one event a request with all rules asked ÷ with all off",
        over="asked_single",
        under="silent_single",
        bar=0.8,
        aim=None,
        more=True,
        subjects=("rules",),
    ),
    Row(
        name=RowName.RULES,
        title="batches of 100 with all rules asked ÷ with all off",
        over="asked_batches",
        under="silent_batches",
        bar=0.8,
        aim=None,
        more=True,
        subjects=("rules",),
    ),
)

# Issue 3, "Speed".
REDEMPTION_ROWS = tuple(
    row
    for in_flight in REDEMPTIONS_IN_FLIGHT
    for row in (
        Row(
            name=RowName.REDEMPTION,
            title=f"redemptions at one merchant ÷ spread over 1 000, {in_flight} in flight",
            over=f"one_{in_flight}",
            under=f"spread_{in_flight}",
            bar=0.9,
            aim=None,
            more=True,
            subjects=("redemptions",),
        ),
        Row(
            name=RowName.REDEMPTION,
            title=f"redemptions at one merchant ÷ bare aiohttp handler, {in_flight} in flight",
            over=f"one_{in_flight}",
            under=f"bare_{in_flight}",
            bar=0.15,
            aim=None,
            more=True,
            subjects=("redemptions",),
        ),
    )
)
# Issue 3, "10. Group commit for redemptions if it measures faster": told, not judged.
GROUPCOMMIT_ROWS = tuple(
    Row(
        name=RowName.GROUPCOMMIT,
        title=f"redemptions in group commit ÷ in a transaction each, {in_flight} in flight",
        over=f"grouped_{in_flight}",
        under=f"each_{in_flight}",
        bar=None,
        aim=None,
        more=True,
        subjects=("redemption_commits",),
    )
    for in_flight in REDEMPTIONS_IN_FLIGHT
)
STATEMENT_ROWS = (
    Row(
        name=RowName.STATEMENT,
        title="first page of a statement: a wallet with 1 000 000 transfers ÷ one with 100",
        over="statement_long",
        under="statement_short",
        bar=2,
        aim=None,
        more=False,
        subjects=("statements",),
    ),
)

ROWS = (*WEIGHING_ROWS, *RULE_ROWS, *REDEMPTION_ROWS, *GROUPCOMMIT_ROWS, *STATEMENT_ROWS)

# What each figure is; the report says it, so that nobody has to read the code to know what was compared.
DONE = {
    "bare": "aiohttp on uvloop, one process: reads the body, answers a constant; 128 in flight, HMAC-signed requests",
    "single": "one HMAC-signed event a request, 128 in flight, answered after a durable commit",
    "single_16": "the same, 16 in flight",
    "lone": "the same, 1 in flight: median latency",
    "half_rate": "the same in an open loop at half of the highest rate of this round: p99 from the intended start",
    "ed25519": "one Ed25519-signed event a request, 128 in flight",
    "batches": "100 events a request, HMAC, 16 in flight",
    "transactions": "no HTTP, 16 connections: BEGIN; one statement that claims, credits and posts one event; COMMIT. "
    "Generic plan, synchronous_commit on, the service paused; the client is this process on uvloop and asyncpg",
    "statements": "the same without BEGIN and COMMIT: the statement commits by itself, one round trip an event",
    "copy": "no HTTP, one connection: COPY in binary of the rows of weigh_event into an empty table with its primary "
    "key, committed durably; the service paused",
    "memory_early": "resident memory of the service's processes after the first events, in batches of 100",
    "memory_late": "the same after the last events",
    "asked_single": "one HMAC-signed event a request, 128 in flight, every rule asked, with limits out of reach",
    "silent_single": "the same on a database of its own with every rule off; by turns with the one before",
    "asked_batches": "100 events a request, HMAC, 16 in flight, every rule asked, with limits out of reach",
    "silent_batches": "the same on a database of its own with every rule off; by turns with the one before",
    "one_16": "POST /v1/me/redemptions, all at one merchant, residents in turn, 16 in flight",
    "spread_16": "the same, spread at random over 1 000 merchants; by turns with the one before",
    "bare_16": "the same bytes as at one merchant to the bare handler; by turns with both",
    "one_64": "as one_16, 64 in flight",
    "spread_64": "as spread_16, 64 in flight",
    "bare_64": "as bare_16, 64 in flight",
    "grouped_16": "as spread_16, group commit as it is set",
    "each_16": "the same, a transaction for each redemption, 16 of them at once; by turns with the one before",
    "grouped_64": "as grouped_16, 64 in flight",
    "each_64": "as each_16, 64 in flight",
    "statement_short": "GET /v1/me/transfers, first page, 1 in flight, of a wallet with few transfers: median latency",
    "statement_long": "the same of one with many, by turns",
}
