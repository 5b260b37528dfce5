"""HTTP of settlement: a merchant's statements, and what operators see of all of them."""

import asyncio
import re
import tempfile
from pathlib import Path
from typing import Any

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.cursors import encode_cursor, encode_statement_cursor
from schemas.patterns import STATEMENT_NUMBER
from schemas.settlement import (
    AllStatementsQuery,
    CoinsOutstanding,
    CoinsQuery,
    LinesQuery,
    Statement,
    StatementDay,
    StatementLine,
    StatementLines,
    Statements,
    StatementsQuery,
    StatementSummary,
)
from service.auth import authenticate_merchant, bearer_token
from service.db import snapshot
from service.errors import DatabaseUnavailable, Forbidden, StatementUnknown, TokenInvalid, ValidationFailed
from service.files.pages import HTML_TYPE
from service.files.sending import WRITING, send_file
from service.files.sheets import XLSX_TYPE
from service.keys import ENGINE, SETTINGS
from service.operator_requests import operator_snapshot
from service.routing import Routes, json_response, read_query
from service.settlement import documents, queries
from service.settlement.months import Month
from service.settlement.report import coins_outstanding

routes = Routes("settlement")

# A report reads every transfer there is.
REPORTING: web.AppKey[asyncio.Semaphore] = web.AppKey("reporting")
REPORTING_MAX = 1

READ = (TokenInvalid, Forbidden, DatabaseUnavailable)


@routes.route(
    "GET",
    "/v1/merchants/me/statements",
    summary="A merchant's settlement statements",
    caller="merchant",
    query=StatementsQuery,
    answers={200: Statements},
    problems=(*READ, ValidationFailed),
)
async def get_statements(request: web.Request) -> web.Response:
    """Newest month first. A statement never changes: what comes late is on the next one."""
    query = read_query(request, StatementsQuery)
    async with snapshot(request.app[ENGINE]) as connection:
        merchant = await _merchant(request, connection)
        return json_response(await _statements(connection, query, merchant, None))


@routes.route(
    "GET",
    "/v1/statements",
    summary="All merchants' settlement statements",
    caller="operator",
    query=AllStatementsQuery,
    answers={200: Statements},
    problems=(*READ, ValidationFailed),
)
async def get_all_statements(request: web.Request) -> web.Response:
    """Newest month first; of one month or one merchant where asked for."""
    async with operator_snapshot(request) as connection:
        query = read_query(request, AllStatementsQuery)
        month = None if query.month is None else Month.parse(query.month)
        return json_response(await _statements(connection, query, query.merchant_id, month))


@routes.route(
    "GET",
    "/v1/merchants/me/statements/{number}",
    summary="One statement, with what each day came to",
    caller="merchant",
    answers={200: Statement},
    problems=(*READ, StatementUnknown),
)
async def get_statement(request: web.Request) -> web.Response:
    """The merchant's own only: another's is 404."""
    async with snapshot(request.app[ENGINE]) as connection:
        found = await _own(request, connection)
        days = await queries.days_of(connection, found.number, request.app[SETTINGS].business_timezone)
    return json_response(
        Statement(
            **_summary(found).model_dump(),
            merchant_name=found.name,
            days=[
                StatementDay(
                    day=row.day,
                    captured_coins=row.captured_coins,
                    refunded_coins=row.refunded_coins,
                    net_coins=row.captured_coins - row.refunded_coins,
                )
                for row in days
            ],
        )
    )


@routes.route(
    "GET",
    "/v1/merchants/me/statements/{number}/lines",
    summary="Each capture and refund of a statement",
    caller="merchant",
    query=LinesQuery,
    answers={200: StatementLines},
    problems=(*READ, ValidationFailed, StatementUnknown),
)
async def get_statement_lines(request: web.Request) -> web.Response:
    """Oldest first."""
    query = read_query(request, LinesQuery)
    async with snapshot(request.app[ENGINE]) as connection:
        found = await _own(request, connection)
        rows = await queries.lines_page(connection, found.number, after_id=query.cursor, limit=query.limit + 1)
    page = rows[: query.limit]
    lines = [
        StatementLine(
            at=row.created_at,
            kind="capture" if row.kind == "redemption" else "refund",
            redemption_id=row.redemption_id,
            coins=row.coins,
            fen_per_1000_coins=row.fen_per_1000_coins,
            offer_id=row.offer_id,
            machine_id=row.machine_id,
        )
        for row in page
    ]
    more = len(rows) > query.limit
    return json_response(StatementLines(lines=lines, next_cursor=encode_cursor(page[-1].id) if more else None))


@routes.route(
    "GET",
    "/v1/merchants/me/statements/{number}/csv",
    summary="A statement's lines as CSV",
    caller="merchant",
    answers={200: str},
    answer_type=documents.CSV_TYPE,
    problems=(*READ, StatementUnknown),
)
async def get_statement_csv(request: web.Request) -> web.StreamResponse:
    """UTF-8 with a byte order mark, as spreadsheets in China expect it."""
    return await _file(request, "csv")


@routes.route(
    "GET",
    "/v1/merchants/me/statements/{number}/xlsx",
    summary="A statement as a workbook",
    caller="merchant",
    answers={200: bytes},
    answer_type=XLSX_TYPE,
    problems=(*READ, StatementUnknown),
)
async def get_statement_xlsx(request: web.Request) -> web.StreamResponse:
    """A sheet with the totals and one with every line."""
    return await _file(request, "xlsx")


@routes.route(
    "GET",
    "/v1/merchants/me/statements/{number}/html",
    summary="A statement as a page to print",
    caller="merchant",
    answers={200: str},
    answer_type=HTML_TYPE,
    problems=(*READ, StatementUnknown),
)
async def get_statement_html(request: web.Request) -> web.StreamResponse:
    """In Chinese, on A4; needs nothing from any other host."""
    return await _file(request, "html")


@routes.route(
    "GET",
    "/v1/reports/coins-outstanding",
    summary="Coins issued, redeemed, expired and outstanding by month",
    caller="operator",
    query=CoinsQuery,
    answers={200: CoinsOutstanding},
    problems=(*READ, ValidationFailed),
)
async def get_coins_outstanding(request: web.Request) -> web.Response:
    """From the transfers themselves: the last month's figure, where it is not over, is what all wallets hold now."""
    settings = request.app[SETTINGS]
    # Before waiting for one's turn, so that only operators are waited for.
    async with operator_snapshot(request) as connection:
        query = read_query(request, CoinsQuery)
    async with request.app[REPORTING], snapshot(request.app[ENGINE]) as connection:
        months = await coins_outstanding(
            connection,
            first=Month.parse(query.first),
            last=Month.parse(query.last),
            zone=settings.business_timezone,
        )
    return json_response(CoinsOutstanding.of(months))


async def _merchant(request: web.Request, connection: AsyncConnection) -> str:
    merchant = await authenticate_merchant(connection, bearer_token(request), demo=request.app[SETTINGS].demo)
    return merchant.id


async def _own(request: web.Request, connection: AsyncConnection) -> Any:
    merchant_id = await _merchant(request, connection)
    number = request.match_info["number"]
    if re.fullmatch(STATEMENT_NUMBER, number) is None:
        raise StatementUnknown
    found = await queries.find_statement(connection, number, merchant_id=merchant_id)
    if found is None:
        raise StatementUnknown
    return found


async def _statements(
    connection: AsyncConnection, query: StatementsQuery, merchant_id: str | None, month: Month | None
) -> Statements:
    rows = await queries.list_statements(
        connection, merchant_id=merchant_id, month=month, before=query.cursor, limit=query.limit + 1
    )
    page = rows[: query.limit]
    cursor = encode_statement_cursor(page[-1].month, page[-1].number) if len(rows) > query.limit else None
    return Statements(statements=[_summary(row) for row in page], next_cursor=cursor)


def _summary(row: Any) -> StatementSummary:
    values = {name: getattr(row, name) for name in StatementSummary.model_fields}
    return StatementSummary(**values | {"month": str(Month.of(row.month))})


async def _file(request: web.Request, ending: str) -> web.StreamResponse:
    """Written whole before it is sent: who reads slowly holds a file of ours, and no connection of the database."""
    document = documents.DOCUMENTS[ending]
    with tempfile.TemporaryDirectory(prefix="tanbi-statement-") as scratch:
        path = Path(scratch) / "statement"
        # Before waiting for one's turn, so that only those are waited for whose statement it is; it never changes.
        async with snapshot(request.app[ENGINE]) as connection:
            found = await _own(request, connection)
        async with request.app[WRITING]:
            async with snapshot(request.app[ENGINE]) as connection:
                finish = await document.write(connection, found, request.app[SETTINGS].business_timezone, path)
            await asyncio.to_thread(finish)
        return await send_file(
            request,
            path,
            name=f"{found.number}.{ending}",
            content_type=document.content_type,
            shown_inline=document.shown_inline,
        )
