"""Commands for the targets of the rate by year."""

from fractions import Fraction
from typing import Annotated, Final

import typer
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.targets import TARGETS_LIMIT_MAX, NewTarget, SetTargets, TargetReceipt, TargetsQuery
from service.auth import Operator
from service.errors import ValidationFailed
from service.indicator.formulas import decimal_text
from service.indicator.importing.amounts import UNIT_BY_SPELLING, read_amount
from service.indicator.inputs import RECORDERS
from service.indicator.setting_targets import read_targets, set_target
from service.managing.amounts import WITHDRAWN, effect_text
from service.managing.indicator import AreaArgument
from service.managing.naming import optional, read_known
from service.managing.operating import KeyFileOption, as_operator
from service.managing.running import (
    DataOption,
    WithNumbers,
    city_zone,
    console,
    in_transaction,
    listing,
    moment,
    typed,
)
from service.settings import Settings
from service.sheets.cells import CellWrong

target_app = typer.Typer(help="Targets by year; linear between them.", no_args_is_help=True)

PPM_OF_ONE_PER_MILLE: Final = 1000


@target_app.command("set", cls=WithNumbers)
def target_set(
    area: AreaArgument,
    year: Annotated[int, typer.Argument(min=2000, max=2100)],
    percent: Annotated[str, typer.Argument(help="Such as 38.5; to a tenth. Or withdraw.")],
    reason: Annotated[str | None, typer.Option(help="By which plan or decision.")] = None,
    key_file: KeyFileOption = None,
    data: DataOption = None,
) -> None:
    """Set a year's target, or another one; years between two targets lie on the line."""
    per_mille = read_per_mille(percent)
    rate = {"withdraw": True} if per_mille is None else {"rate_per_mille": per_mille}

    async def work(connection: AsyncConnection, operator: Operator, _settings: Settings) -> TargetReceipt:
        known = await read_known(connection)
        wanted = typed(NewTarget, {"area": known.area(area), "year": year, "reason": reason, **rate})
        return await set_target(connection, wanted, set_by=operator.key_id)

    found = as_operator(data, key_file, RECORDERS, work)
    before = None if found.before_per_mille is None else per_cent(found.before_per_mille)
    after = None if found.rate_per_mille is None else per_cent(found.rate_per_mille)
    told = effect_text(found.effect, before, after, found.version)
    console.print(f"{found.area} {found.year} 目标 target: {told}.", highlight=False)
    if found.published:
        numbers = ", ".join(map(str, found.published))
        console.print(
            f"已发布的数值仍用当时的目标，发布编号：{numbers}。\n"
            f"What is published keeps the target of its own time: publication {numbers}.",
            highlight=False,
        )


def read_per_mille(percent: str) -> int | None:
    """None withdraws. Raises ValidationFailed."""
    try:
        ppm, _ = read_amount(percent, UNIT_BY_SPELLING["%"])
    except CellWrong:
        ppm = 1
    if ppm is None:
        return None
    per_mille, finer = divmod(ppm, PPM_OF_ONE_PER_MILLE)
    if finer:
        raise ValidationFailed(
            f"{percent} is no target. Say 0 to 100 per cent, to a tenth, such as 38.5; or withdraw.",
            zh=f"{percent} 不是目标值。请填写 0 至 100%，最多一位小数，例如 38.5；或填写“撤回”。",
        )
    return per_mille


@target_app.command("list")
def target_list(
    area: Annotated[str | None, typer.Option(help="Of just this area.")] = None,
    history: Annotated[bool, typer.Option("--history", help="Every version, not only those that count.")] = False,
    cursor: Annotated[str | None, typer.Option(help="As the page before has shown it.")] = None,
    data: DataOption = None,
) -> None:
    """Show every target as it counts, and who set it when."""
    wanted = {"history": history, "cursor": cursor, "limit": TARGETS_LIMIT_MAX}

    async def work(connection: AsyncConnection, _settings: Settings) -> SetTargets:
        known = await read_known(connection)
        return await read_targets(connection, typed(TargetsQuery, {"area": optional(known.area, area), **wanted}))

    page = in_transaction(data, work)
    zone = city_zone()
    table = listing("Area", "Year", "Target", "Version", "By", "At", "Reason")
    for each in sorted(page.targets, key=lambda one: (one.area, one.year, one.version)):
        table.add_row(
            each.area,
            str(each.year),
            WITHDRAWN if each.rate_per_mille is None else per_cent(each.rate_per_mille),
            f"{each.version} superseded" if each.superseded else str(each.version),
            each.set_by or "",
            moment(each.set_at, zone),
            each.reason or "",
        )
    console.print(table)
    if page.next_cursor is not None:
        console.print(f"More: --cursor {page.next_cursor}")


def per_cent(per_mille: int) -> str:
    return f"{decimal_text(Fraction(per_mille, 10), 1)} %"
