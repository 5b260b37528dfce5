"""Rules of plausibility, as operators set them."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple, get_args

import pydantic
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from service.db import database_now
from service.errors import RuleInThePast, RuleUnknown, ValidationFailed
from service.moments import whole_second
from service.plausibility.rule_book import RuleAction, RuleRow, read_parameters
from service.plausibility.rules import RULES
from service.plausibility.standard import STANDARD_RULES
from service.problems import field_errors
from service.reference import raise_revision
from service.standings import Standing, standings
from service.tables.reference import plausibility_rule

# Every process has read a new rule by then: none judges by the old one after the new one holds.
RULE_LEAD: Final = timedelta(minutes=1)


class SetRule(NamedTuple):
    """A rule as it is from `effective_from` on; `parameters` in full, as JSON."""

    code: str
    effective_from: datetime
    action: str
    parameters: dict[str, Any]


class Trial(NamedTuple):
    """Rules as they are, and as they would be with `changes` in force since ever."""

    as_they_are: list[RuleRow]
    as_changed: list[RuleRow]
    changes: list[SetRule]


SINCE_EVER: Final = datetime(1970, 1, 1, tzinfo=UTC)


async def set_rule(
    connection: AsyncConnection,
    *,
    code: str,
    action: RuleAction,
    parameters: Mapping[str, object],
    effective_from: datetime | None,
) -> SetRule:
    """Supersede a rule from a moment on, at the earliest in a minute; what it is then.

    Drops are judged by the rules of their own time, so one that happened before is judged as before. Parameters that
    are not named stay what they are at that moment; of a rule that was never set, what the shipped set says. All are
    stored, so that another release's defaults change nothing.

    Raises RuleUnknown, RuleInThePast, or ValidationFailed for parameters that the rule does not take.
    """
    if code not in RULES:
        raise _unknown(code)
    starts_at = await _starts_at(connection, effective_from)
    before = _in_force_at(await _read_rows(connection, code), starts_at).get(code)
    if before is None:
        known = next(shipped for of, _, shipped in STANDARD_RULES if of == code)
    else:
        known = {
            name: value for name, value in before.parameters.items() if name in RULES[code].parameters.model_fields
        }
    rule = SetRule(code, starts_at, action, _complete(code, {**known, **parameters}))
    await _insert(connection, [rule])
    return rule


async def adopt_standard(
    connection: AsyncConnection, *, effective_from: datetime | None, replace: bool
) -> tuple[list[SetRule], list[str]]:
    """Put the shipped set in force from a moment on, at the earliest in a minute: the rules that were set, and the
    codes of those that stay as the city has set them itself. With `replace`, none of these stays.

    A rule that is already as it is shipped is not set again. Raises RuleInThePast.
    """
    starts_at = await _starts_at(connection, effective_from)
    in_force = _in_force_at(await _read_rows(connection), starts_at)
    adopted: list[SetRule] = []
    staying: list[str] = []
    for code, action, parameters in STANDARD_RULES:
        rule = SetRule(code, starts_at, action, _complete(code, parameters))
        before = in_force.get(code)
        if before is not None and (before.action, before.parameters) == (rule.action, rule.parameters):
            continue
        if before is None or replace:
            adopted.append(rule)
        else:
            staying.append(code)
    await _insert(connection, adopted)
    return adopted, staying


async def try_rules(connection: AsyncConnection, wanted: object, *, standard: bool) -> Trial:
    """Rules that nobody has set: with `standard` the shipped set, and over it `wanted`, as JSON: by code an object with
    `action` and `parameters`. What it does not name stays as it is in force now, or as it is shipped.

    Raises RuleUnknown, or ValidationFailed for what is no such object and for parameters that the rule does not take.
    """
    rows = await _read_rows(connection)
    shipped = {code: (action, parameters) for code, action, parameters in STANDARD_RULES}
    known: dict[str, tuple[str, dict[str, Any]]] = dict(shipped)
    if not standard:
        for row in _in_force_at(rows, await database_now(connection)).values():
            if row.code in RULES:
                names = RULES[row.code].parameters.model_fields
                known[row.code] = row.action, {name: row.parameters[name] for name in names if name in row.parameters}
    changes = {code: SetRule(code, SINCE_EVER, *rule) for code, rule in shipped.items()} if standard else {}
    if not isinstance(wanted, dict):
        raise ValidationFailed('Rules are an object, such as {"heavy_drop": {"parameters": {"grams_max": 20000}}}.')
    for code, change in wanted.items():
        if code not in RULES:
            raise _unknown(code)
        action, parameters = _read_change(code, change)
        before_action, before = known[code]
        try:
            complete = _complete(code, {**before, **parameters})
        except ValidationFailed as error:
            raise ValidationFailed(f"{code}: {error}", errors=error.errors) from None
        changes[code] = SetRule(code, SINCE_EVER, action or before_action, complete)
    kept = [row for row in rows if row.code not in changes]
    changed = [RuleRow(0, *rule) for rule in changes.values()]
    return Trial(rows, [*kept, *changed], list(changes.values()))


def _read_change(code: str, change: object) -> tuple[str | None, dict[str, object]]:
    """The action, None where it is not named, and the parameters. Raises ValidationFailed."""
    if not isinstance(change, dict) or change.keys() - {"action", "parameters"}:
        raise ValidationFailed(f"{code}: a rule is an object with action and parameters, and nothing else.")
    action, parameters = change.get("action"), change.get("parameters", {})
    if action is not None and action not in get_args(RuleAction):
        raise ValidationFailed(f"{code}: the action is one of {', '.join(get_args(RuleAction))}.")
    if not isinstance(parameters, dict):
        raise ValidationFailed(f"{code}: parameters are an object, by name.")
    return action, parameters


def _unknown(code: str) -> RuleUnknown:
    return RuleUnknown(f"There is no rule {code}. There are: {', '.join(RULES)}.")


async def list_rules(connection: AsyncConnection) -> list[tuple[RuleRow, Standing]]:
    """Every rule that was ever set and what it is now, by rule in the order of time."""
    found = await _read_rows(connection)
    at = await database_now(connection)
    return list(zip(found, standings([(row.code, row.effective_from) for row in found], at), strict=True))


async def _starts_at(connection: AsyncConnection, effective_from: datetime | None) -> datetime:
    earliest = whole_second(await database_now(connection) + RULE_LEAD)
    if effective_from is not None and effective_from < earliest:
        raise RuleInThePast
    return effective_from or earliest


async def _read_rows(connection: AsyncConnection, code: str | None = None) -> list[RuleRow]:
    """By rule in the order of time, and of writing."""
    rows = plausibility_rule.c
    statement = sa.select(rows.id, rows.code, rows.effective_from, rows.action, rows.parameters)
    if code is not None:
        statement = statement.where(rows.code == code)
    ordered = statement.order_by(rows.code, rows.effective_from, rows.id)
    return [RuleRow(*row) for row in await connection.execute(ordered)]


def _in_force_at(rows: list[RuleRow], at: datetime) -> dict[str, RuleRow]:
    return {row.code: row for row in rows if row.effective_from <= at}


def _complete(code: str, parameters: Mapping[str, object]) -> dict[str, Any]:
    """All parameters of the rule, as JSON. Raises ValidationFailed."""
    try:
        return read_parameters(code, parameters).model_dump(mode="json")
    except pydantic.ValidationError as error:
        found = field_errors(error, form=RULES[code].parameters)
        told = [f"{each['pointer'].removeprefix('/')}: {each['detail']}" for each in found]
        raise ValidationFailed("; ".join(told).rstrip(".") + ".", errors=found) from None


async def _insert(connection: AsyncConnection, rules: list[SetRule]) -> None:
    if rules:
        await connection.execute(sa.insert(plausibility_rule), [rule._asdict() for rule in rules])
        await raise_revision(connection)
