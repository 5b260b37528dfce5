"""Commands for publications of the rate: proposed by one operator, published by another, computed again by anyone."""

from typing import Annotated
from uuid import UUID

import typer
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.publications import (
    PUBLICATIONS_LIMIT_MAX,
    Publication,
    PublicationProposal,
    Publications,
    PublicationsQuery,
    PublicationState,
    PublicationSummary,
    RejectPublicationRequest,
)
from service.auth import Operator
from service.business_days import business_today
from service.indicator.inputs import RECORDERS
from service.indicator.publishing import (
    gather_record,
    propose,
    publish,
    read_publications,
    read_published,
    recompute,
    reject,
)
from service.managing.indicator import AreaArgument, CountedAtOption, FormulaOption
from service.managing.naming import fixed_period_text, optional, read_known
from service.managing.operating import KeyFileOption, as_operator
from service.managing.running import DataOption, city_zone, console, in_transaction, listing, moment, typed
from service.settings import Settings

# Its commands stand among those of `tanbi indicator`.
publications_app = typer.Typer()

PublicationIdArgument = Annotated[UUID, typer.Argument(help="As `tanbi indicator publications` shows it.")]
NumberOption = Annotated[int, typer.Option("--publication", min=1, help="The publication's number.")]


@publications_app.command("propose")
def indicator_propose(
    area: AreaArgument,
    period: Annotated[str, typer.Argument(help="2025, 2025-Q1 or 2025-03; it must be over.")],
    formula: FormulaOption = None,
    counted_at: CountedAtOption = None,
    restates: Annotated[int | None, typer.Option(help="The publication that this one replaces.")] = None,
    reason: Annotated[str | None, typer.Option(help="Why it is restated; the public reads it.")] = None,
    key_file: KeyFileOption = None,
    data: DataOption = None,
) -> None:
    """Freeze a figure as it is now; it waits for another operator."""
    told = {"period": fixed_period_text(period), "formula": formula, "counted_at": counted_at, "restates": restates}

    async def work(
        connection: AsyncConnection, operator: Operator, settings: Settings
    ) -> tuple[Publication, list[PublicationSummary]]:
        known = await read_known(connection)
        wanted = typed(PublicationProposal, {"area": known.area(area), "reason": reason, **told})
        found = await propose(
            connection,
            operator,
            wanted,
            formula_id=settings.indicator_formula,
            today=business_today(settings.business_timezone),
        )
        return found, await _waiting_beside(connection, found)

    found, others = as_operator(data, key_file, RECORDERS, work)
    console.print(
        f"{found.area} {found.period}: 已提出 proposed: {_changed(found)}. 由另一位操作员发布"
        f" another operator publishes it: `tanbi indicator publish {found.id}`.",
        highlight=False,
    )
    for other in others:
        at = moment(other.proposed_at, city_zone())
        console.print(
            f"同一数值另有提案待处理：{other.rate_percent} %，{other.proposed_by.name}，{at}，{other.id}。"
            "只能发布一项，请驳回另一项。\n"
            f"Another proposal of this figure waits: {other.rate_percent} % by {other.proposed_by.name} at {at},"
            f" {other.id}. One of them can be published: reject the other.",
            highlight=False,
            markup=False,
        )


def _changed(found: Publication) -> str:
    """The figure, and what it was where it restates one."""
    if found.restates is None:
        return f"{found.rate_percent} %"
    old = found.restates
    return (
        f"{old.rate_percent} % → {found.rate_percent} %, {old.difference_percentage_points} 个百分点 percentage points,"
        f" 更正发布 {old.number} restates publication {old.number}"
    )


async def _waiting_beside(connection: AsyncConnection, found: Publication) -> list[PublicationSummary]:
    """Of the same area, period and formula."""
    query = PublicationsQuery(area=found.area, period=found.period, state="waiting", limit=PUBLICATIONS_LIMIT_MAX)
    page = await read_publications(connection, query)
    return [each for each in page.publications if each.formula == found.formula and each.id != found.id]


@publications_app.command("publish")
def indicator_publish(
    publication_id: PublicationIdArgument, key_file: KeyFileOption = None, data: DataOption = None
) -> None:
    """Publish the figure that another operator proposed."""

    async def work(connection: AsyncConnection, operator: Operator, settings: Settings) -> Publication:
        return await publish(connection, operator, publication_id, today=business_today(settings.business_timezone))

    found = as_operator(data, key_file, RECORDERS, work)
    console.print(
        f"{found.area} {found.period}: 已发布 published: {_changed(found)}, 发布编号 as publication {found.number},"
        f" 摘要 digest {found.digest}.",
        highlight=False,
    )


@publications_app.command("reject")
def indicator_reject(
    publication_id: PublicationIdArgument,
    reason: Annotated[str, typer.Option(help="Why not.")],
    key_file: KeyFileOption = None,
    data: DataOption = None,
) -> None:
    """Let a proposed figure not be published; to reject one's own is to withdraw it."""
    rejection = typed(RejectPublicationRequest, {"reason": reason})

    async def work(connection: AsyncConnection, operator: Operator, _settings: Settings) -> Publication:
        return await reject(connection, operator, publication_id, rejection.reason)

    found = as_operator(data, key_file, RECORDERS, work)
    console.print(f"{found.area} {found.period}: 已驳回 rejected: {found.rate_percent} %.", highlight=False)


@publications_app.command("publications")
def indicator_publications(
    area: Annotated[str | None, typer.Option(help="Of this area only.")] = None,
    period: Annotated[str | None, typer.Option(help="Of just this period.")] = None,
    state: Annotated[PublicationState | None, typer.Option(help="Of this state only.")] = None,
    cursor: Annotated[str | None, typer.Option(help="As the page before has shown it.")] = None,
    data: DataOption = None,
) -> None:
    """Show published and proposed figures, newest first."""
    wanted = {"period": optional(fixed_period_text, period), "state": state, "cursor": cursor}

    async def work(connection: AsyncConnection, _settings: Settings) -> Publications:
        known = await read_known(connection)
        named = {"area": optional(known.area, area), "limit": PUBLICATIONS_LIMIT_MAX}
        return await read_publications(connection, typed(PublicationsQuery, {**wanted, **named}))

    page = in_transaction(data, work)
    zone = city_zone()
    table = listing(
        "Number", "Id", "Area", "Period", "Formula", "Rate", "State", "Restates", "Proposed by", "Decided by", "At"
    )
    for each in page.publications:
        restates = ""
        if each.restates is not None:
            counted = "" if each.restates.counted_at is None else f", counted at {each.restates.counted_at}"
            difference = f"{each.restates.difference_percentage_points}{counted}"
            restates = f"{each.restates.number} ({difference}): {each.restates.reason}"
        state_now = each.state if each.restated_by is None else f"restated by {each.restated_by}"
        table.add_row(
            "" if each.number is None else str(each.number),
            str(each.id),
            each.area,
            each.period,
            each.formula,
            f"{each.rate_percent} %",
            state_now,
            restates,
            each.proposed_by.name,
            "" if each.decided_by is None else each.decided_by.name,
            moment(each.decided_at or each.proposed_at, zone),
        )
    console.print(table)
    if page.next_cursor is not None:
        console.print(f"More: --cursor {page.next_cursor}")


@publications_app.command("show")
def indicator_show(number: NumberOption, data: DataOption = None) -> None:
    """Print all of a publication, with the record that its digest is of, as JSON."""
    found = in_transaction(data, lambda connection, _: read_published(connection, number))
    typer.echo(found.model_dump_json(indent=2))


@publications_app.command("recompute")
def indicator_recompute(
    number: NumberOption,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show only what differs.")] = False,
    data: DataOption = None,
) -> None:
    """Compute a publication again from its stored inputs; ends with 1 where a digit differs."""
    found = recompute(in_transaction(data, lambda connection, _: gather_record(connection, number)))
    table = listing("", "What", "Published", "Recomputed")
    for step in found.steps:
        if not (quiet and step.equal):
            mark = "[green]=[/green]" if step.equal else "[red]≠[/red]"
            table.add_row(mark, step.what, step.published, step.recomputed)
    console.print(table)
    if not found.equal:
        wrong = sum(not step.equal for step in found.steps)
        console.print(f"[red]Publication {number} is not reproduced: {wrong} of {len(found.steps)} steps differ.[/red]")
        raise typer.Exit(1)
    console.print(f"[green]Publication {number} is reproduced to the last digit, in {len(found.steps)} steps.[/green]")
