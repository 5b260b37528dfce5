"""Commands for the rules of plausibility: which there are, which are in force, and what they do."""

import json
from typing import Annotated, Any

import typer

from schemas.outcome_codes import OutcomeCode
from service.errors import RuleUnknown, ValidationFailed
from service.managing.replaying import rules_replay
from service.managing.running import (
    DataOption,
    FromOption,
    city_zone,
    console,
    in_transaction,
    listing,
    moment,
)
from service.plausibility.rule_book import RuleAction
from service.plausibility.rules import RULES
from service.plausibility.standard import STANDARD_RULES
from service.plausibility.words import WORDS
from service.weighing.plausibility_rules import SetRule, adopt_standard, list_rules, set_rule

rules_app = typer.Typer(help="Rules of plausibility: what is doubted of a drop.", no_args_is_help=True)
rules_app.command("replay")(rules_replay)

NONE = "none"


@rules_app.command("list")
def rules_list(data: DataOption = None) -> None:
    """Show every rule that was ever set, and which are in force."""
    zone = city_zone()
    table = listing("Rule", "From", "Does", "Parameters", "Now")
    for row, standing in in_transaction(data, lambda connection, _: list_rules(connection)):
        parameters = _typed_again(row.code, row.parameters)
        table.add_row(row.code, moment(row.effective_from, zone), row.action, parameters, standing)
    console.print(table)


@rules_app.command("set")
def rules_set(
    code: Annotated[str, typer.Argument(help="The rule, such as heavy_drop; `tanbi rules explain` names them all.")],
    action: Annotated[
        RuleAction, typer.Argument(help="What becomes of a drop that it finds: credit also notes what was found.")
    ],
    parameters: Annotated[
        list[str] | None,
        typer.Argument(metavar="NAME=VALUE...", help="Such as grams_max=20000 or trader=none; others stay."),
    ] = None,
    effective_from: FromOption = None,
    data: DataOption = None,
) -> None:
    """Supersede a rule from a moment on; drops that happened before are judged as before."""
    values = dict(_parameter(each) for each in parameters or ())
    rule = in_transaction(
        data,
        lambda connection, _: set_rule(
            connection, code=code, action=action, parameters=values, effective_from=effective_from
        ),
    )
    console.print(_sentence(rule), highlight=False)


@rules_app.command("adopt")
def rules_adopt(
    replace: Annotated[bool, typer.Option("--replace", help="Also rules that were set otherwise.")] = False,
    effective_from: FromOption = None,
    data: DataOption = None,
) -> None:
    """Put the shipped set of rules in force; rules that were set otherwise stay as they are."""
    adopted, staying = in_transaction(
        data,
        lambda connection, _: adopt_standard(connection, effective_from=effective_from, replace=replace),
    )
    for rule in adopted:
        console.print(_sentence(rule), highlight=False)
    if staying:
        console.print(f"As they were set: {', '.join(staying)}. With --replace these are adopted too.", highlight=False)
    elif not adopted:
        console.print("Every rule is as it is shipped.")


@rules_app.command("explain")
def rules_explain(
    code: Annotated[str | None, typer.Argument(help="One rule; without, all of them in a table.")] = None,
) -> None:
    """Say what each rule finds, what it can be set to, and what people are told."""
    if code is None:
        table = listing("Rule", "Finds", "发现", "As shipped")
        for each, action, parameters in STANDARD_RULES:
            label = _label(each)
            table.add_row(each, label.label, label.label_zh, f"{action} {_typed_again(each, parameters)}".rstrip())
        console.print(table)
        return
    if code not in RULES:
        raise RuleUnknown(f"There is no rule {code}. There are: {', '.join(RULES)}.")
    label = _label(code)
    console.print(f"{code}: {label.label} · {label.label_zh}", highlight=False)
    for name, field in RULES[code].parameters.model_fields.items():
        console.print(f"  {name}: {field.description}", highlight=False)
    for _, action, parameters in (each for each in STANDARD_RULES if each[0] == code):
        console.print(f"As shipped: {action} {_typed_again(code, parameters)}".rstrip(), highlight=False)
    for told in WORDS[code].values():
        console.print(f"Operators are told: {' '.join(told.operators)}", highlight=False, markup=False)
        if told.resident is not None:
            console.print(f"The resident is told: {told.resident}", highlight=False, markup=False)


def _parameter(text: str) -> tuple[str, object]:
    """Raises ValidationFailed."""
    name, equals, value = text.partition("=")
    if not equals:
        raise ValidationFailed(f"{text} names no value: say NAME=VALUE, such as grams_max=20000.")
    if value == NONE:
        return name, None
    try:
        return name, json.loads(value)
    except ValueError:
        raise ValidationFailed(f"{name}: {value} is no number, no {NONE} and no JSON.") from None


def _typed_again(code: str, parameters: dict[str, Any]) -> str:
    """Parameters as they are typed; of a rule of another release too."""
    # The database has an order of its own.
    in_order = dict.fromkeys(RULES[code].parameters.model_fields) if code in RULES else {}
    return " ".join(
        f"{name}={NONE if parameters[name] is None else json.dumps(parameters[name], separators=(',', ':'))}"
        for name in in_order | parameters
        if name in parameters
    )


def _sentence(rule: SetRule) -> str:
    begins = moment(rule.effective_from, city_zone())
    return f"{rule.code}: {rule.action} {_typed_again(rule.code, rule.parameters)}".rstrip() + f" from {begins}."


def _label(code: str) -> OutcomeCode:
    return next(each for each in OutcomeCode if each.value == code)
