"""Commands for the recycling rate: read it, record what it is made of, and see how far the target is."""

import hashlib
import re
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.table import Table
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.indicator import CountedAt, FormulaId, OutlookQuery, RateQuery, RecyclingRate
from schemas.indicator_inputs import (
    INPUTS_LIMIT_MAX,
    IndicatorInput,
    InputReceipt,
    InputsQuery,
    RecordedInput,
    RecordedInputs,
)
from service.auth import Operator
from service.business_days import business_today
from service.errors import ValidationFailed
from service.indicator.basis import make_basis
from service.indicator.formulas import FORMULAS, decimal_text
from service.indicator.importing.amounts import UNIT_BY_SPELLING, UNITS, WITHDRAWALS, read_amount
from service.indicator.inputs import RECORDERS, read_inputs, record_input, sources_of
from service.indicator.kinds import KINDS
from service.indicator.outlook import GatheredOutlook, gather_outlook, make_outlook
from service.indicator.rate import GatheredRate, gather_rate, make_rate
from service.managing.amounts import WITHDRAWN, amount_text, effect_text, tonnes
from service.managing.naming import day_text, fixed_period_text, optional, period_text, read_known, refused_cell
from service.managing.operating import KEY_VARIABLE, KeyFileOption, as_operator
from service.managing.owing import show_due
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
from service.periods import Period
from service.settings import Settings
from service.sheets.cells import CellWrong, folded

indicator_app = typer.Typer(
    help=f"The recycling rate. Who records or publishes is the API key in {KEY_VARIABLE} or --key-file.",
    no_args_is_help=True,
)

AreaArgument = Annotated[str, typer.Argument(help="Any area of the tree by id or name, such as nankai or 南开区.")]
FormulaOption = Annotated[FormulaId | None, typer.Option(help="Without: the district's (TANBI_INDICATOR_FORMULA).")]
CountedAtOption = Annotated[
    CountedAt | None, typer.Option(help="Where recyclables are counted. Without: as usual by the formula.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print all of the answer, as JSON.")]
BAR_CELLS: Final = 40
NOT_OVER: Final = "期间未结束，暂计 the period is not over: provisional"
AMOUNT: Final = re.compile(r"(?P<number>.*[0-9])\s*(?P<unit>\D+)")
READ_BYTES: Final = 1 << 20


@indicator_app.command("rate")
def rate(
    area: AreaArgument,
    period: Annotated[str, typer.Argument(help="2025, 2026-ytd (year to date), 2025-Q1 or 2025-03.")],
    formula: FormulaOption = None,
    counted_at: CountedAtOption = None,
    as_json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """Show the rate with what it is made of and what is missing."""
    wanted = {"period": period_text(period), "formula": formula, "counted_at": counted_at}

    async def work(connection: AsyncConnection, settings: Settings) -> GatheredRate:
        known = await read_known(connection)
        query = typed(RateQuery, {"area": known.area(area), **wanted})
        return await gather_rate(
            connection,
            area_id=query.area,
            asked=query.period,
            formula_id=query.formula or settings.indicator_formula,
            counted_at=query.counted_at,
            today=business_today(settings.business_timezone),
        )

    found = make_rate(in_transaction(data, work))
    if as_json:
        typer.echo(found.model_dump_json(indent=2))
    else:
        _show_rate(found)


def _show_rate(found: RecyclingRate) -> None:
    percent = "–" if found.rate_percent is None else f"{found.rate_percent} %"
    console.print(
        f"{found.area_name} {found.area_name_en} · {found.period} · {found.formula.id} · counted at {found.counted_at}",
        highlight=False,
    )
    provisional = "" if found.is_over else f"  {NOT_OVER}"
    console.print(f"[bold]{percent}[/bold]  {_bar(found)}{provisional}", highlight=False)
    table = listing("Symbol", "Quantity", "Tonnes", "Inputs", "Kinds", keeps_shape=True)
    for each in found.quantities:
        kinds = ", ".join(dict.fromkeys(one.kind for one in each.inputs))
        grams = "missing" if each.grams is None else tonnes(each.grams)
        table.add_row(each.symbol, f"{each.name_zh} {each.name_en}", grams, str(len(each.inputs)), kinds)
    for other in found.not_counted:
        same = ", ".join(other.same_as)
        table.add_row("", f"not counted: the same as {same}", tonnes(str(other.grams)), "", other.kind)
    console.print(table)
    if found.numerator_grams is not None and found.denominator_grams is not None:
        console.print(f"{found.numerator_grams} g ÷ {found.denominator_grams} g = {found.rate or '–'}", highlight=False)
    if found.coverage.share is not None:
        share = decimal_text(Fraction(found.coverage.share) * 100, 1)
        console.print(f"应报数据已录入 {share} %。Of what is to be reported {share} % is recorded.", highlight=False)
    for kind in found.coverage.kinds:
        for line in kind.missing:
            who = ", ".join(each for each in (line.source, line.material) if each is not None)
            source = f" by “{who}”" if who else ""
            months = ", ".join(line.months)
            missing = f"缺 {KINDS[kind.kind].name_zh} missing: {kind.kind} of {line.area}{source}: {months}"
            console.print(f"  {missing}", highlight=False)
    if found.reason_zh is not None:
        console.print(f"{found.reason_zh}\n{found.reason_en}", highlight=False, markup=False)


def _bar(found: RecyclingRate) -> str:
    """The rate, with a mark where the target is."""
    target = None if found.target is None else Fraction(found.target.rate)
    filled = round(Fraction(found.rate or 0) * BAR_CELLS)
    cells = ["█" if cell < filled else "·" for cell in range(BAR_CELLS)]
    if target is None or found.target is None:
        return "".join(cells)
    cells[min(BAR_CELLS - 1, round(target * BAR_CELLS))] = "▏"
    return f"{''.join(cells)}  target {found.target.rate_percent} %"


@indicator_app.command("outlook")
def outlook(
    area: AreaArgument,
    year: Annotated[int, typer.Argument()],
    formula: FormulaOption = None,
    counted_at: CountedAtOption = None,
    as_json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """Show how far a year's target is: so far, projected, and what is still needed."""
    wanted = {"year": year, "formula": formula, "counted_at": counted_at}

    async def work(connection: AsyncConnection, settings: Settings) -> GatheredOutlook:
        known = await read_known(connection)
        query = typed(OutlookQuery, {"area": known.area(area), **wanted})
        return await gather_outlook(
            connection,
            area_id=query.area,
            year=query.year,
            formula_id=query.formula or settings.indicator_formula,
            counted_at=query.counted_at,
            today=business_today(settings.business_timezone),
        )

    gathered = in_transaction(data, work)
    found = make_outlook(gathered, make_basis(gathered.basis))
    if as_json:
        typer.echo(found.model_dump_json(indent=2))
        return
    # In one shape, however narrow the window: it has no columns to name.
    table = Table.grid(padding=(0, 2))
    target = "none" if found.target is None else f"{found.target.rate_percent} %"
    table.add_row(f"Target of {found.year}", target)
    provisional = "" if found.so_far.is_over else f"  {NOT_OVER}"
    table.add_row(f"So far ({found.so_far.period})", f"{_percent(found.so_far.rate_percent)}{provisional}")
    if found.projection is not None:
        table.add_row("Projected", _percent(found.projection.rate_percent))
        table.add_row("How", f"{found.projection.how_zh}\n{found.projection.how_en}")
    if found.needed is not None:
        table.add_row("Still needed, tonnes", tonnes(str(found.needed.needed_grams)))
        table.add_row("of which expected", tonnes(str(found.needed.expected_grams)))
        table.add_row("and in addition", tonnes(str(found.needed.gap_grams)))
    if found.reason_zh is not None:
        table.add_row("Why not projected", f"{found.reason_zh}\n{found.reason_en}")
    console.print(table)


def _percent(percent: str | None) -> str:
    return "–" if percent is None else f"{percent} %"


@indicator_app.command("formulas")
def formulas() -> None:
    """Show the formulas that a rate can be computed by."""
    table = listing("Id", "Version", "定义", "Definition", "Standing", "Counted at")
    for each in FORMULAS.values():
        table.add_row(
            each.id,
            str(each.version),
            each.definition_zh,
            each.definition_en,
            f"{each.standing_zh} {each.standing_en}",
            ", ".join(each.ways),
        )
    console.print(table)


@indicator_app.command("kinds")
def kinds() -> None:
    """Show the kinds of inputs, and where on the way each is weighed."""
    table = listing("Id", "Unit", "Weighed at", "名称", "Name")
    for each in KINDS.values():
        table.add_row(
            each.id, each.unit if each.recorded else "from bins", each.point or "", each.name_zh, each.name_en
        )
    console.print(table)


@indicator_app.command("record", cls=WithNumbers)
def record(
    area: AreaArgument,
    period: Annotated[str, typer.Argument(help="2025, 2025-Q1 or 2025-03.")],
    kind: Annotated[str, typer.Argument(help="By id or name, as `tanbi indicator kinds` shows them.")],
    amount: Annotated[str, typer.Argument(help="With its unit: 12.5t, 1250kg, 1.2万t; 12.5% of a share; or withdraw.")],
    source: Annotated[str, typer.Option(help="Who weighed it.")],
    document: Annotated[
        Path, typer.Option(exists=True, dir_okay=False, readable=True, help="The file that the figure was taken from.")
    ],
    document_date: Annotated[str, typer.Option(help="The day that the document bears, such as 2026-01-15.")],
    material: Annotated[str | None, typer.Option(help="Of recyclables that are reported by material.")] = None,
    key_file: KeyFileOption = None,
    data: DataOption = None,
) -> None:
    """Record an input; the same again with another amount is a correction."""
    told: dict[str, object] = {
        "period": fixed_period_text(period),
        "source": source,
        **read_typed_amount(amount),
        "document": {"name": document.name, "date": day_text(document_date), "sha256": _sha256(document)},
    }

    async def work(
        connection: AsyncConnection, operator: Operator, settings: Settings
    ) -> tuple[InputReceipt, list[tuple[str, str]]]:
        today = business_today(settings.business_timezone)
        known = await read_known(connection)
        named = {"area": known.area(area), "kind": known.kind(kind), "material": optional(known.material, material)}
        wanted = typed(IndicatorInput, {**told, **named})
        found = await record_input(connection, wanted, recorded_by=operator.key_id, today=today)
        return found, await sources_of(connection, found.area, Period.parse(found.period), found.kind)

    found, sources = as_operator(data, key_file, RECORDERS, work)
    before = found.before_ppm if found.before_grams is None else found.before_grams
    before_text = None if before is None else amount_text(found.kind, before)
    changed = effect_text(found.effect, before_text, _amount(found), found.version)
    console.print(f"{found.area} {found.period} {found.kind}: {changed}. Input {found.id}.", highlight=False)
    show_due(found.newly_due)
    if _adds_a_source(found, sources):
        named = ", ".join(f"“{source}” ({area_id})" for source, area_id in sources)
        console.print(
            f"{found.area} {found.period} “{KINDS[found.kind].name_zh}”现由 {len(sources)} 个来源相加：{named}。"
            "如果称的是同一批垃圾，请撤回其中之一。\n"
            f"{found.kind} of {found.area} in {found.period} is now the sum of {len(sources)} sources: {named}."
            " If they weigh the same waste, withdraw one of them.",
            highlight=False,
            markup=False,
        )


def _adds_a_source(found: RecordedInput, sources: Sequence[tuple[str, str]]) -> bool:
    """Of waste, which the rate needs and one usually weighs. Recyclables come from many, and a correction adds none."""
    kind = KINDS[found.kind]
    is_waste = kind.unit == "grams" and not kind.streams
    return is_waste and found.version == 1 and len(sources) > 1


def read_typed_amount(text: str) -> dict[str, object]:
    """Grams, ppm or withdraw, as the API takes them. Raises ValidationFailed."""
    if folded(text) in WITHDRAWALS:
        return {"withdraw": True}
    found = AMOUNT.fullmatch(folded(text))
    unit = None if found is None else UNIT_BY_SPELLING.get(found["unit"].strip())
    if found is None or unit is None:
        units = ", ".join(each.name for each in UNITS)
        raise ValidationFailed(
            f"{text} is no amount with its unit, such as 12.5t. Units: {units}.",
            zh=f"“{text}”不是带单位的数量，请写成 12.5t 的形式。可用单位：{units}。",
        )
    try:
        amount, _ = read_amount(found["number"], unit)
    except CellWrong as wrong:
        raise refused_cell(wrong) from None
    return {unit.measure: amount}


def _amount(found: RecordedInput) -> str | None:
    """None where it is withdrawn."""
    amount = found.ppm if found.grams is None else found.grams
    return None if amount is None else amount_text(found.kind, amount)


def _sha256(document: Path) -> str:
    digest = hashlib.sha256()
    with document.open("rb") as file:
        while part := file.read(READ_BYTES):
            digest.update(part)
    return digest.hexdigest()


@indicator_app.command("inputs")
def inputs(
    area: Annotated[str | None, typer.Option(help="Of just this area.")] = None,
    period: Annotated[str | None, typer.Option(help="Within this year, quarter or month.")] = None,
    kind: Annotated[str | None, typer.Option(help="Of this kind.")] = None,
    cursor: Annotated[str | None, typer.Option(help="As the page before has shown it.")] = None,
    data: DataOption = None,
) -> None:
    """Show what is recorded, newest first, every version."""
    wanted = {"period": optional(fixed_period_text, period), "cursor": cursor, "limit": INPUTS_LIMIT_MAX}

    async def work(connection: AsyncConnection, _settings: Settings) -> RecordedInputs:
        known = await read_known(connection)
        named = {"area": optional(known.area, area), "kind": optional(known.kind, kind)}
        return await read_inputs(connection, typed(InputsQuery, {**wanted, **named}))

    page = in_transaction(data, work)
    table = listing("Id", "Area", "Period", "Kind", "Source", "Material", "Amount", "Version", "Document", "By", "At")
    zone = city_zone()
    for each in page.inputs:
        version = f"{each.version} superseded" if each.superseded else str(each.version)
        table.add_row(
            str(each.id),
            each.area,
            each.period,
            each.kind,
            each.source,
            each.material or "",
            _amount(each) or WITHDRAWN,
            version,
            each.document.name,
            each.recorded_by,
            moment(each.recorded_at, zone),
        )
    console.print(table)
    if page.next_cursor is not None:
        console.print(f"More: --cursor {page.next_cursor}")
