"""HTTP of imports: a sheet of inputs in, what it did out; and the template to fill in."""

import tempfile
from pathlib import Path

from aiohttp import web

from schemas.imports import (
    CSV_TYPE,
    XLSX_TYPE,
    CsvSheet,
    ImportQuery,
    ImportRecord,
    ImportResult,
    Imports,
    ImportsQuery,
    TemplateQuery,
    XlsxSheet,
)
from service.auth import OPERATOR_ROLES, authenticate_operator, bearer_token
from service.business_days import business_today
from service.db import snapshot, transaction
from service.errors import (
    DatabaseUnavailable,
    Forbidden,
    ImportRefused,
    ImportsBusy,
    ImportUnknown,
    TokenInvalid,
    ValidationFailed,
)
from service.files.sending import send_file
from service.indicator.importing.imports import Upload, import_file, read_import, read_imports
from service.indicator.importing.template_file import write_template
from service.indicator.importing.turns import Turns
from service.indicator.inputs import RECORDERS
from service.keys import ENGINE, SETTINGS
from service.routing import Routes, json_response, path_id, read_query, save_body

READ_PROBLEMS = (TokenInvalid, Forbidden, DatabaseUnavailable)
# Dry runs have turns of their own: they keep nobody waiting who records, and nobody who records waits for them.
IMPORTING: web.AppKey[Turns] = web.AppKey("importing", Turns)
TRYING: web.AppKey[Turns] = web.AppKey("trying", Turns)
TEMPLATE_TYPES = {"xlsx": XLSX_TYPE, "csv": CSV_TYPE}

routes = Routes("imports")


@routes.route(
    "POST",
    "/v1/indicator/imports",
    summary="Import a sheet of inputs",
    caller="operator",
    takes={CSV_TYPE: CsvSheet, XLSX_TYPE: XlsxSheet},
    query=ImportQuery,
    answers={200: ImportResult},
    problems=(*READ_PROBLEMS, ValidationFailed, ImportRefused, ImportsBusy),
)
async def post_import(request: web.Request) -> web.Response:
    """The body is the file itself, as the template has it: CSV or a workbook. With `dry_run` nothing is recorded,
    and the answer has the effect of each row and all errors with their row and column. Without, all rows are
    recorded together, or none where anything is wrong. A row whose input is recorded already is a correction; one
    that says the same amount, from the same document or from none but this file, changes nothing. A row that names
    no document has the file itself for one, by its name and digest; it is an error where a document other than an
    imported file has said otherwise, which only a row that names its document overrules. The file's digest stands
    for an idempotency key: the same file again is answered with `imported_before`, and nothing is recorded twice.
    Needs the role operator or admin."""
    settings = request.app[SETTINGS]
    token = bearer_token(request)
    query = read_query(request, ImportQuery)
    engine = request.app[ENGINE]
    # Before the body is read: nobody else is to fill the disk.
    async with snapshot(engine) as connection:
        await authenticate_operator(connection, token, RECORDERS, demo=settings.demo)
    turns = request.app[TRYING if query.dry_run else IMPORTING]
    with turns.place(), tempfile.TemporaryDirectory(prefix="tanbi-import-") as directory:
        path = Path(directory) / "sheet"
        await save_body(
            request,
            (CSV_TYPE, XLSX_TYPE),
            path,
            bytes_max=settings.import_bytes_max,
            seconds_max=settings.import_body_seconds_max,
        )
        upload = Upload(path, query.file_name, query.sheet, settings.import_bytes_max)
        reading = snapshot if query.dry_run else transaction
        async with turns.turn(), reading(engine) as connection:
            operator = await authenticate_operator(connection, token, RECORDERS, demo=settings.demo)
            result = await import_file(
                connection,
                upload,
                dry_run=query.dry_run,
                imported_by=operator.key_id,
                today=business_today(settings.business_timezone),
                zone=settings.business_timezone,
            )
    return json_response(result)


@routes.route(
    "GET",
    "/v1/indicator/imports",
    summary="Imported files, newest first",
    caller="operator",
    query=ImportsQuery,
    answers={200: Imports},
    problems=(*READ_PROBLEMS, ValidationFailed),
)
async def get_imports(request: web.Request) -> web.Response:
    """Each with its digest, so that a file that was kept can be found again; and who imported it."""
    token = bearer_token(request)
    query = read_query(request, ImportsQuery)
    async with snapshot(request.app[ENGINE]) as connection:
        await authenticate_operator(connection, token, OPERATOR_ROLES, demo=request.app[SETTINGS].demo)
        return json_response(await read_imports(connection, query))


@routes.route(
    "GET",
    "/v1/indicator/imports/template",
    summary="The sheet to fill in",
    caller="operator",
    query=TemplateQuery,
    answers={200: {XLSX_TYPE: bytes, CSV_TYPE: str}},
    problems=(*READ_PROBLEMS, ValidationFailed),
)
async def get_import_template(request: web.Request) -> web.StreamResponse:
    """As a workbook, with lists of areas, kinds and materials and a page that explains each column; or as CSV,
    with the header alone. One sheet has one unit."""
    token = bearer_token(request)
    query = read_query(request, TemplateQuery)
    with tempfile.TemporaryDirectory(prefix="tanbi-template-") as directory:
        path = Path(directory) / f"template.{query.format}"
        async with snapshot(request.app[ENGINE]) as connection:
            await authenticate_operator(connection, token, OPERATOR_ROLES, demo=request.app[SETTINGS].demo)
            await write_template(connection, path, query.format, unit=query.unit)
        return await send_file(
            request,
            path,
            name=f"tanbi-inputs.{query.format}",
            content_type=TEMPLATE_TYPES[query.format],
            shown_inline=False,
        )


@routes.route(
    "GET",
    "/v1/indicator/imports/{id}",
    summary="An imported file, and what came of it",
    caller="operator",
    answers={200: ImportRecord},
    problems=(*READ_PROBLEMS, ImportUnknown),
)
async def get_import(request: web.Request) -> web.Response:
    """How many versions of inputs it recorded, and how many of them still count."""
    token = bearer_token(request)
    async with snapshot(request.app[ENGINE]) as connection:
        await authenticate_operator(connection, token, OPERATOR_ROLES, demo=request.app[SETTINGS].demo)
        import_id = path_id(request)
        if import_id is None:
            raise ImportUnknown
        return json_response(await read_import(connection, import_id))
