"""Commands for held drops: released or rejected by an operator, with their own API key."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import typer

from schemas.reviews import REVIEWS_LIMIT_MAX, RejectRequest, ReleaseRequest, ReviewItem, ReviewsQuery, ReviewsState
from service.auth import OPERATOR_ROLES
from service.managing.operating import KEY_VARIABLE, WRITERS, KeyFileOption, as_operator
from service.managing.running import (
    DataOption,
    city_zone,
    console,
    listing,
    moment,
    moment_option,
    typed,
)
from service.review.deciding import reject, release
from service.review.reading import read_review, read_reviews

review_app = typer.Typer(
    help=f"Held drops. Who acts is the API key in {KEY_VARIABLE} or --key-file.", no_args_is_help=True
)

ReviewIdArgument = Annotated[UUID, typer.Argument(help="As `tanbi review list` shows it.")]
ReasonOption = Annotated[str, typer.Option(help="The resident reads it.")]


@review_app.command("list")
def review_list(
    state: Annotated[ReviewsState, typer.Option(help="Of this state only; waiting is open and appealed.")] = "waiting",
    code: Annotated[str | None, typer.Option(help="Of drops on which this rule acted.")] = None,
    bin_id: Annotated[str | None, typer.Option("--bin", help="Of this bin only.")] = None,
    area: Annotated[str | None, typer.Option(help="Of this area and all below it.")] = None,
    cursor: Annotated[str | None, typer.Option(help="As the page before has shown it.")] = None,
    key_file: KeyFileOption = None,
    data: DataOption = None,
) -> None:
    """Show held drops, oldest first."""
    query = typed(
        ReviewsQuery,
        {"state": state, "code": code, "bin": bin_id, "area": area, "cursor": cursor, "limit": REVIEWS_LIMIT_MAX},
    )
    page = as_operator(
        data, key_file, OPERATOR_ROLES, lambda connection, _operator, _settings: read_reviews(connection, query)
    )
    zone = city_zone()
    table = listing("Id", "State", "Rules", "Bin", "Site", "Material", "Grams", "Coins", "Occurred", "Held", "Resident")
    for found in page.reviews:
        table.add_row(
            str(found.id),
            found.state,
            ", ".join(found.codes),
            found.bin_id,
            found.site.name,
            found.material,
            str(found.weight_grams),
            "" if found.coins is None else str(found.coins),
            moment(found.occurred_at, zone),
            moment(found.held_at, zone),
            "" if found.resident_id is None else str(found.resident_id),
        )
    console.print(table)
    if page.next_cursor is not None:
        console.print(f"More: --cursor {page.next_cursor}")


@review_app.command("show")
def review_show(review_id: ReviewIdArgument, key_file: KeyFileOption = None, data: DataOption = None) -> None:
    """Print all that is needed to decide on a held drop, as JSON."""
    found = as_operator(
        data,
        key_file,
        OPERATOR_ROLES,
        lambda connection, _operator, settings: read_review(connection, review_id, zone=settings.business_timezone),
    )
    typer.echo(found.model_dump_json(indent=2))


@review_app.command("release")
def review_release(
    review_id: ReviewIdArgument,
    reason: ReasonOption,
    placed_at: Annotated[
        datetime | None, moment_option("--placed-at", "When it was weighed, where the bin's clock was wrong.")
    ] = None,
    coins_per_kg: Annotated[int | None, typer.Option(min=0, help="Only where no tariff was in force then.")] = None,
    key_file: KeyFileOption = None,
    data: DataOption = None,
) -> None:
    """Let a drop count, and earn by the tariff of its time."""
    wanted = typed(ReleaseRequest, {"reason": reason, "placed_at": placed_at, "coins_per_kg": coins_per_kg})
    found = as_operator(
        data,
        key_file,
        WRITERS,
        lambda connection, operator, settings: release(
            connection, operator, review_id, wanted, zone=settings.business_timezone, demo=settings.demo
        ),
    )
    console.print(_told(found))


@review_app.command("reject")
def review_reject(
    review_id: ReviewIdArgument, reason: ReasonOption, key_file: KeyFileOption = None, data: DataOption = None
) -> None:
    """Let a drop count nowhere; its resident may appeal once."""
    wanted = typed(RejectRequest, {"reason": reason})
    found = as_operator(
        data,
        key_file,
        WRITERS,
        lambda connection, operator, _settings: reject(connection, operator, review_id, wanted),
    )
    console.print(_told(found))


def _told(found: ReviewItem) -> str:
    match found.outcome:
        case "credited":
            return f"Review {found.id} is released: {found.coins} coins to resident {found.resident_id}."
        case "unclaimed" if found.state == "released":
            return f"Review {found.id} is released: {found.coins} coins wait for whoever binds the card."
    return f"Review {found.id} is rejected."
