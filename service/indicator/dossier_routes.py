"""HTTP of the dossier."""

import asyncio
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from aiohttp import web

from schemas.indicator import DossierQuery
from service.auth import OPERATOR_ROLES, authenticate_operator, bearer_token
from service.business_days import business_today
from service.db import snapshot
from service.errors import AreaUnknown, DatabaseUnavailable, Forbidden, TokenInvalid, ValidationFailed
from service.files.pages import HTML_TYPE
from service.files.sending import WRITING, send_file
from service.files.sheets import XLSX_TYPE
from service.indicator.dossier import gather_dossier
from service.indicator.dossier_files import file_name, write_file
from service.keys import ENGINE, SETTINGS
from service.routing import Routes, read_query

routes = Routes("indicator")


@routes.route(
    "GET",
    "/v1/indicator/dossier",
    summary="The dossier of a year's figure (一标一档)",
    caller="operator",
    query=DossierQuery,
    answers={200: {XLSX_TYPE: bytes, HTML_TYPE: str}},
    problems=(TokenInvalid, Forbidden, AreaUnknown, ValidationFailed, DatabaseUnavailable),
)
async def get_dossier(request: web.Request) -> web.StreamResponse:
    """A workbook with the summary, the method, the months, the parts of the area, every input with its source, and what
    was published and restated; or a page to print, in Chinese, with charts, on A4. The figure is by the formula and way
    of counting of what is published of the year, and by the district's formula where nothing is. Of a year that is not
    over it is marked as a draft."""
    settings = request.app[SETTINGS]
    token = bearer_token(request)
    query = read_query(request, DossierQuery)
    zone = settings.business_timezone
    # Before waiting for one's turn, so that only operators are waited for.
    async with snapshot(request.app[ENGINE]) as connection:
        await authenticate_operator(connection, token, OPERATOR_ROLES, demo=settings.demo)
    with tempfile.TemporaryDirectory(prefix="tanbi-dossier-") as scratch:
        path = Path(scratch) / "dossier"
        async with request.app[WRITING]:
            async with snapshot(request.app[ENGINE]) as connection:
                gathered = await gather_dossier(
                    connection,
                    area_id=query.area,
                    year=query.year,
                    formula_id=settings.indicator_formula,
                    today=business_today(zone),
                    made_at=datetime.now(UTC),
                )
            await asyncio.to_thread(write_file, gathered, query.format, zone, path)
        return await send_file(
            request,
            path,
            name=file_name(query.area, query.year, query.format),
            content_type=XLSX_TYPE if query.format == "xlsx" else HTML_TYPE,
            shown_inline=query.format == "html",
        )
