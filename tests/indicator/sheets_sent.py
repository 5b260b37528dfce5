"""Sheets as operators send them over HTTP."""

import asyncio
from collections.abc import AsyncIterable
from pathlib import Path
from typing import Any

from aiohttp import ClientResponse

from schemas.imports import CSV_TYPE, XLSX_TYPE
from tests.indicator.calls import Caller
from tests.indicator.importing.sheets import TITLES, csv_text, row

IMPORTS = "/v1/indicator/imports"
COLUMNS = 6


async def send(
    caller: Caller, body: bytes | AsyncIterable[bytes], *, content_type: str = CSV_TYPE, **query: str
) -> ClientResponse:
    """Post a file; `query` besides its name."""
    return await caller.client.post(
        IMPORTS,
        data=body,
        params={"file_name": "三月.csv"} | query,
        headers={**caller.headers, "Content-Type": content_type},
    )


async def sent(caller: Caller, body: bytes, **how: str) -> dict[str, Any]:
    """The answer of one that is taken."""
    response = await send(caller, body, **how)
    assert response.status == 200, await response.text()
    answer: dict[str, Any] = await response.json()
    return answer


async def send_workbook(caller: Caller, path: Path, **query: str) -> ClientResponse:
    body = await asyncio.to_thread(path.read_bytes)
    return await send(caller, body, content_type=XLSX_TYPE, **{"file_name": path.name} | query)


def sheet(*rows: list[str], encoding: str = "utf-8", titles: tuple[str, ...] = TITLES) -> bytes:
    return csv_text(rows, titles=titles).encode(encoding)


def plain(**changed: str) -> list[str]:
    """A row that names no document; in a sheet of `plain_sheet`."""
    return row(**changed)[:COLUMNS]


def plain_sheet(*rows: list[str], encoding: str = "utf-8", unit: str = "吨") -> bytes:
    """Without the columns of documents."""
    return csv_text(rows, titles=[*TITLES[: COLUMNS - 1], f"数量（{unit}）"]).encode(encoding)


async def refusals(response: ClientResponse) -> list[tuple[int | None, str | None, str]]:
    """Row, column letter and code of each error of a file that was not imported."""
    problem = await response.json()
    assert (response.status, problem["code"]) == (422, "import_refused"), problem
    for each in problem["errors"]:
        assert each["detail"] == each["en"]
        assert each["zh"]
    return [(each["row"], each["column"], each["code"]) for each in problem["errors"]]
