"""What a mode does and what it expects, as values: steps, answers, and how an answer differs from what was designed.
No I/O."""

from collections import Counter
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, TypeAlias

from schemas.signatures import SigningKey


class Expected(NamedTuple):
    """What becomes of an event."""

    outcome: str
    code: str | None = None
    # None: however many.
    coins: int | None = None

    def __str__(self) -> str:
        coins = "" if self.coins is None else f"{self.coins} coins"
        return " ".join(word for word in (self.outcome, self.code, coins) if word)


# One of these, where the state of the account decides.
OneOf: TypeAlias = tuple[Expected, ...]
CREDITED: Final[OneOf] = (Expected("credited"),)
UNCLAIMED: Final[OneOf] = (Expected("unclaimed"),)
RECORDED: Final[OneOf] = (Expected("recorded"),)
CONFLICT: Final[OneOf] = (Expected("conflict", "id_reused"),)


def held(*codes: str) -> OneOf:
    return tuple(Expected("held", code) for code in codes)


def duplicate(coins: int | None) -> OneOf:
    """Of an event that had so many coins the first time."""
    return (Expected("duplicate", None, coins),)


@dataclass(frozen=True, slots=True)
class Step:
    """A request, who makes it, and what it should be answered."""

    method: str
    path: str
    body: bytes = b""
    content_type: str | None = None
    # The bin that signs; None: the demo's operator asks, or whoever has the claim code.
    key: SigningKey | None = None
    operator: bool = False
    # The clock of who signs, less the service's.
    clock_seconds: int = 0
    # What is sent in place of what was signed.
    tampered_body: bytes | None = None
    # Who tampers corrects the digest, too.
    forged_digest: bool = False
    status: int = 200
    # Of a problem.
    code: str | None = None
    # Of each event, in order.
    outcomes: Sequence[OneOf] = ()
    # Of the answer, by name; of what is below by its path, as "sequence.epoch".
    fields: Mapping[str, Any] = field(default_factory=dict)
    # A change may take so long until every process knows; asked again until then.
    patience_seconds: float = 0.0


class Answer(NamedTuple):
    """What the service said; `body` is the JSON of the answer, None where there is none."""

    status: int
    body: Any

    @property
    def outcomes(self) -> list[Expected]:
        """Of a list of outcomes, each with its code and coins."""
        told = self.body.get("outcomes") if isinstance(self.body, dict) else None
        return [Expected(each["outcome"], each.get("code"), each.get("coins")) for each in told or ()]

    def field(self, path: str) -> Any:
        """What stands at a path such as `sequence.epoch`; None where nothing does. `#` is how many there are."""
        found = self.body
        for name in path.split("."):
            if name == "#":
                found = len(found) if isinstance(found, list) else None
            elif isinstance(found, list) and name.isdecimal():
                found = found[int(name)] if int(name) < len(found) else None
            else:
                found = found.get(name) if isinstance(found, dict) else None
        return found


# A mode says what it does next, and is given the answer.
Script: TypeAlias = Generator[Step, Answer, None]


def difference(step: Step, answer: Answer) -> str | None:
    """How the answer is not as designed; None where it is."""
    code = answer.field("code") if answer.status >= 400 else None
    if (answer.status, code) != (step.status, step.code):
        return f"{_answered(step.status, step.code)} expected, {_answered(answer.status, code)} answered"
    outcomes = answer.outcomes
    if len(outcomes) != len(step.outcomes):
        return f"{len(step.outcomes)} outcomes expected, {len(outcomes)} answered"
    for number, (wanted, told) in enumerate(zip(step.outcomes, outcomes, strict=True), start=1):
        if not any(_is(told, each) for each in wanted):
            return f"event {number}: {' or '.join(map(str, wanted))} expected, {told} answered"
    for path, value in step.fields.items():
        if answer.field(path) != value:
            return f"{path}: {value} expected, {answer.field(path)} answered"
    return None


def told(step: Step, answer: Answer) -> str:
    """The answer in a few words, such as `2 × held box_mass_short` or `401 signature_wrong`."""
    if answer.outcomes:
        counts = Counter(f"{each.outcome} {each.code or ''}".strip() for each in answer.outcomes)
        return ", ".join(what if count == 1 else f"{count} × {what}" for what, count in counts.items())
    if step.fields:
        return ", ".join(f"{_name(path)} {_value(answer.field(path))}" for path in step.fields)
    return _answered(answer.status, answer.field("code") if answer.status >= 400 else None)


def _name(path: str) -> str:
    """The last word of it: `reviews.0.codes.0` is of codes."""
    return [name for name in path.split(".") if name.isidentifier()][-1]


def _value(value: Any) -> str:
    return (", ".join(map(str, value)) or "none") if isinstance(value, list) else str(value)


def _is(told: Expected, wanted: Expected) -> bool:
    same = (told.outcome, told.code) == (wanted.outcome, wanted.code)
    return same and wanted.coins in (None, told.coins)


def _answered(status: int, code: str | None) -> str:
    return str(status) if code is None else f"{status} {code}"
