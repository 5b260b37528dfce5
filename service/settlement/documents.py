"""A statement as files: CSV, XLSX, and a page to print."""

import asyncio
import csv
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeAlias
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from service.files.pages import HTML_TYPE, pages_of
from service.files.sheets import XLSX_TYPE, shown_text
from service.moments import on_paper
from service.settlement import queries
from service.settlement.months import Month
from service.settlement.rules import exact_yuan, yuan, yuan_in_words
from service.settlement.workbook import Workbook

HEADER: Final = (
    "时间 Time",
    "类型 Kind",
    "兑换编号 Redemption",
    "碳币 Coins",
    "结算价（分/千币）Rate (fen per 1000)",
    "商品 Offer",
    "设备 Machine",
)
KINDS: Final = {"redemption": "扣款 capture", "refund": "退款 refund"}
Finish: TypeAlias = Callable[[], None]
CSV_TYPE: Final = "text/csv"

_pages = pages_of("service.settlement")


def _finished() -> None:
    """Nothing is left to do."""


def _cells(row: sa.Row[Any], zone: ZoneInfo) -> tuple[str, str, str, int, int, str, str]:
    return (
        # Half the time of strftime; without the offset, which the column is not about.
        row.created_at.astimezone(zone).isoformat(" ", "seconds")[:19],
        KINDS[row.kind],
        "" if row.redemption_id is None else str(row.redemption_id),
        row.coins if row.kind == "redemption" else -row.coins,
        row.fen_per_1000_coins,
        shown_text(row.offer_id),
        shown_text(row.machine_id),
    )


async def write_csv(connection: AsyncConnection, statement: sa.Row[Any], zone: str, path: Path) -> Finish:
    """UTF-8 with a byte order mark, by which Excel knows that it is."""
    local = ZoneInfo(zone)
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(HEADER)

        def write(lines: Sequence[sa.Row[Any]]) -> None:
            writer.writerows(_cells(row, local) for row in lines)

        async for lines in queries.stream_lines(connection, statement.number):
            await asyncio.to_thread(write, lines)
    return _finished


async def write_xlsx(connection: AsyncConnection, statement: sa.Row[Any], zone: str, path: Path) -> Finish:
    """What it comes to on one sheet, and every line on as many as it takes; in constant memory, and in a thread."""
    local = ZoneInfo(zone)
    totals = [
        (name, shown_text(each) if isinstance(each, str) else each) for name, each in summary_rows(statement, zone)
    ]
    book = Workbook(path, HEADER)

    def write(lines: Sequence[sa.Row[Any]]) -> None:
        book.write(_cells(row, local) for row in lines)

    try:
        book.write_totals(totals, statement.payable_fen)
        async for lines in queries.stream_lines(connection, statement.number):
            await asyncio.to_thread(write, lines)
    except BaseException:
        book.close()
        raise
    return book.close


def summary_rows(statement: sa.Row[Any], zone: str) -> list[tuple[str, str | int]]:
    """What stands at the head of a statement, in both languages."""
    return [
        ("编号 Number", statement.number),
        ("商户 Merchant", f"{statement.name} ({statement.merchant_id})"),
        ("结算月份 Month", str(Month.of(statement.month))),
        ("扣款笔数 Captures", statement.captures),
        ("扣款碳币 Captured coins", statement.captured_coins),
        ("退款笔数 Refunds", statement.refunds),
        ("退款碳币 Refunded coins", statement.refunded_coins),
        ("净额碳币 Net coins", statement.net_coins),
        ("逾期未覆盖碳币（商户承担）Uncovered coins", statement.uncovered_coins),
        ("出具时间 Issued", on_paper(statement.issued_at, zone)),
        ("应付金额大写 In words", yuan_in_words(statement.payable_fen)),
    ]


async def write_page(connection: AsyncConnection, statement: sa.Row[Any], zone: str, path: Path) -> Finish:
    """A printable page in Chinese, of the totals, each rate and each day."""
    rates = [
        {
            "rate": yuan(row.fen_per_1000_coins),
            "captured_coins": row.captured_coins,
            "refunded_coins": row.refunded_coins,
            "amount": exact_yuan((row.captured_coins - row.refunded_coins) * row.fen_per_1000_coins),
        }
        for row in await queries.rates_of(connection, statement.number)
    ]
    # Without a sign: the page has a word of its own for what the merchant owes.
    owed_fen = abs(statement.payable_fen)
    page = _pages.get_template("statement.html").render(
        statement=statement,
        month=Month.of(statement.month),
        issued_at=on_paper(statement.issued_at, zone),
        yuan=yuan(owed_fen),
        words=yuan_in_words(owed_fen),
        rates=rates,
        days=await queries.days_of(connection, statement.number, zone),
    )
    await asyncio.to_thread(path.write_text, page, encoding="utf-8")
    return _finished


class Document(NamedTuple):
    """A statement as a file: what it is on the wire, and who writes it.

    `write` gives what is left to do, in a thread: it can take long, and nobody may idle in a transaction meanwhile.
    """

    content_type: str
    shown_inline: bool
    write: Callable[[AsyncConnection, sa.Row[Any], str, Path], Awaitable[Finish]]


# By the ending of the file's name.
DOCUMENTS: Final = {
    "csv": Document(CSV_TYPE, False, write_csv),
    "xlsx": Document(XLSX_TYPE, False, write_xlsx),
    "html": Document(HTML_TYPE, True, write_page),
}
