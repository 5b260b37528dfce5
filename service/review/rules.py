"""What may be decided about a held drop, and by whom: pure."""

from datetime import datetime
from typing import Final, Literal, NamedTuple, TypeAlias

State: TypeAlias = Literal["open", "released", "rejected", "appealed", "upheld"]
Decision: TypeAlias = Literal["released", "rejected"]

WAITING: Final[tuple[State, ...]] = ("open", "appealed")
APPEALABLE: Final[tuple[State, ...]] = ("open", "rejected")

PLACED_AFTER_ARRIVAL: Final = "The service had the event by then; a drop is weighed before it is told."
NOT_PLACED: Final = "By its bin's clock this drop is yet to come. Say when it was weighed."
PLACED_COINS_ONLY: Final = "Only the coins of this drop waited; its volume counts already, at its own time."
NO_TARIFF: Final = (
    "No tariff was in force for this material at that time. Say when it was weighed if"
    " its time is wrong, or what it is to earn, 0 for nothing."
)
TARIFF: Final = "A tariff was in force for this material at that time, and the drop earns by that."


class Refusal(NamedTuple):
    """What is wrong with a release, and with which field of it."""

    pointer: str
    code: str
    detail: str


def state_after(decision: Decision, *, appealed: bool) -> State:
    """An appeal is heard once, also one that was made before the first decision."""
    if decision == "released":
        return "released"
    return "upheld" if appealed else "rejected"


def may_appeal(state: State, *, appealed: bool) -> bool:
    return state in APPEALABLE and not appealed


def refusal_of_time(
    wanted: datetime | None, occurred_at: datetime, received_at: datetime, now: datetime, *, coins_only: bool
) -> Refusal | None:
    """Why a drop cannot be released as of its time, or the operator's if they give one; None where it can."""
    if wanted is None:
        return Refusal("/placed_at", "time_in_future", NOT_PLACED) if occurred_at > now else None
    if coins_only:
        return Refusal("/placed_at", "coins_only", PLACED_COINS_ONLY)
    return Refusal("/placed_at", "after_arrival", PLACED_AFTER_ARRIVAL) if wanted > received_at else None


def coins_per_kg_of(wanted: int | None, in_force: int | None) -> int | Refusal:
    """What a drop earns by: the tariff that was in force then, or what the operator gives where there was none."""
    if in_force is None:
        return Refusal("/coins_per_kg", "no_tariff", NO_TARIFF) if wanted is None else wanted
    return in_force if wanted is None else Refusal("/coins_per_kg", "tariff_in_force", TARIFF)
