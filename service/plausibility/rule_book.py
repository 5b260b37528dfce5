"""Which rules were in force when, and what they were set to. Pure."""

import bisect
import math
from collections.abc import Iterable
from datetime import datetime
from typing import Any, Literal, NamedTuple, TypeAlias

import pydantic

from service.plausibility.drop import Action
from service.plausibility.parameters import Parameters
from service.plausibility.rules import RULES, Check

RuleAction: TypeAlias = Literal["off", "credit", "hold", "reject"]


class RuleRow(NamedTuple):
    """A rule as it was set; `parameters` as JSON."""

    id: int
    code: str
    effective_from: datetime
    action: str
    parameters: dict[str, Any]


class InForce(NamedTuple):
    """A rule that is to be asked."""

    code: str
    action: Action
    check: Check
    parameters: Parameters


class RuleSet:
    """The rules of one moment, ready to be asked; those of drops and those of clearances."""

    __slots__ = ("of_clearances", "of_drops")

    def __init__(self, rules: Iterable[InForce] = ()) -> None:
        by_code = {rule.code: rule for rule in rules}
        in_order = [(rule, by_code[code]) for code, rule in RULES.items() if code in by_code]
        self.of_drops = tuple(in_force for rule, in_force in in_order if rule.of == "drop")
        self.of_clearances = tuple(in_force for rule, in_force in in_order if rule.of == "clearance")


class RuleBook:
    """Every rule that was ever set; each is in force until the next of its code."""

    def __init__(self, rows: Iterable[RuleRow] = ()) -> None:
        """A row that this release cannot read (it may be of a newer one) is passed over, and named in `unreadable`."""
        self.unreadable: list[RuleRow] = []
        # Of two that begin at the same moment the later written holds.
        self._rows: list[tuple[float, str, InForce | None]] = []
        for row in sorted(rows, key=lambda row: (row.effective_from, row.id)):
            try:
                self._rows.append((row.effective_from.timestamp(), row.code, _in_force(row)))
            except (KeyError, pydantic.ValidationError):
                self.unreadable.append(row)
        self._begins = sorted({begins for begins, _, _ in self._rows})
        self._first = self._begins[0] if self._begins else math.inf
        # The period that was asked for last: nearly always the present one.
        self._from, self._until = math.inf, -math.inf
        self._last = RuleSet()

    def at(self, when: float, *, came_at: float) -> RuleSet:
        """The rules for what is said to have happened at `when`, in Unix seconds: those in force then. What is dated
        before the first of all and came after they had begun is judged by these: a clock is no way around them."""
        if when < self._first <= came_at:
            when = self._first
        if not self._from <= when < self._until:
            position = bisect.bisect_right(self._begins, when)
            self._from = self._begins[position - 1] if position else -math.inf
            self._until = self._begins[position] if position < len(self._begins) else math.inf
            rules = {code: rule for begins, code, rule in self._rows if begins <= when}
            self._last = RuleSet(rule for rule in rules.values() if rule is not None)
        return self._last


def read_parameters(code: str, parameters: object) -> Parameters:
    """Raises KeyError for a rule that does not exist, and pydantic.ValidationError."""
    return RULES[code].parameters.model_validate(parameters)


def _in_force(row: RuleRow) -> InForce | None:
    parameters = read_parameters(row.code, row.parameters)
    match row.action:
        case "off":
            return None
        case "credit" | "hold" | "reject" as action:
            return InForce(row.code, action, RULES[row.code].check, parameters)
    raise KeyError(row.action)
