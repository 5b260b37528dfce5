"""HTTP of what is public: nobody has to say who they are."""

from typing import Final

from aiohttp import hdrs, web

from schemas.public import PublicCsvQuery, PublicJsonQuery, PublicPageQuery, PublicRate, PublicVolumesQuery
from service.errors import (
    AreaNotPublic,
    AreaUnknown,
    DatabaseUnavailable,
    NotFound,
    PublicAreaUnset,
    PublicationUnknown,
    PublicationWithheld,
    TanbiError,
    ValidationFailed,
)
from service.indicator.public_documents import KEPT_SECONDS, RATE_CSV, RATE_JSON, VOLUMES_CSV, Document, PublicDocuments
from service.indicator.public_page import LICENSE_URL, POLICY, problem_page
from service.indicator.public_words import WORDS
from service.routing import JSON_CONTENT_TYPE, Routes, read_query

HTML: Final = "text/html"
CSV: Final = "text/csv"
PAGE: Final = "/public/recycling-rate"
# A published record never changes.
RECORD_SECONDS: Final = 86_400
NUMBER_MAX: Final = 2**31 - 1
SECURITY: Final[dict[str, str]] = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}
LICENSE_LINK: Final[dict[str, str]] = {hdrs.LINK: f'<{LICENSE_URL}>; rel="license"'}
OF_DATA: Final = (ValidationFailed, AreaUnknown, AreaNotPublic, PublicAreaUnset, DatabaseUnavailable)

PUBLIC: web.AppKey[PublicDocuments] = web.AppKey("public", PublicDocuments)

routes = Routes("public")


@routes.route(
    "GET",
    PAGE,
    summary="The recycling rate, for everyone",
    query=PublicPageQuery,
    answers={200: str, 304: None, 404: str, 422: str},
    answer_type=HTML,
    problems=(DatabaseUnavailable,),
)
async def get_public_page(request: web.Request) -> web.StreamResponse:
    """A page in Chinese, or English with `lang=en`: the standing figure against its target, the year so far, what bins
    weighed, how it is computed, every publication, and open data. Without scripts, and nothing of it comes from
    another host. At most a minute old."""
    try:
        query = read_query(request, PublicPageQuery)
        documents = await request.app[PUBLIC].of(query.area)
    except PublicAreaUnset as error:
        # Nobody asked for anything wrong: who installs the service is told what to set.
        return _problem_page(error, status=200)
    except (ValidationFailed, NotFound) as error:
        return _problem_page(error, status=error.status)
    headers = {"Content-Security-Policy": POLICY, hdrs.CONTENT_LANGUAGE: WORDS[query.lang].html_lang}
    return _answer(request, documents.pages[query.lang], HTML, headers)


@routes.route(
    "GET",
    RATE_JSON,
    summary="The recycling rate as open data, JSON",
    query=PublicJsonQuery,
    answers={200: PublicRate, 304: None},
    problems=OF_DATA,
)
async def get_public_rate_json(request: web.Request) -> web.StreamResponse:
    """All that the page shows, under CC BY 4.0. At most a minute old."""
    query = read_query(request, PublicJsonQuery)
    return _data(request, (await request.app[PUBLIC].of(query.area)).rate_json, JSON_CONTENT_TYPE)


@routes.route(
    "GET",
    RATE_CSV,
    summary="The recycling rate as open data, CSV",
    query=PublicCsvQuery,
    answers={200: str, 304: None},
    answer_type=CSV,
    problems=OF_DATA,
)
async def get_public_rate_csv(request: web.Request) -> web.StreamResponse:
    """A figure a row: published rates, the running year's, targets, and masses by month; in UTF-8 with a byte order
    mark, under CC BY 4.0. At most a minute old."""
    query = read_query(request, PublicCsvQuery)
    return _data(request, (await request.app[PUBLIC].of(query.area)).rate_csv, CSV)


@routes.route(
    "GET",
    VOLUMES_CSV,
    summary="What bins weighed as open data, CSV",
    query=PublicVolumesQuery,
    answers={200: str, 304: None},
    answer_type=CSV,
    problems=(*OF_DATA, NotFound),
)
async def get_public_volumes_csv(request: web.Request) -> web.StreamResponse:
    """A volume a row, by month, area and material, as each month was first shown. No figure, and no difference of
    figures, rests on fewer than ten drops. In UTF-8 with a byte order mark, under CC BY 4.0."""
    query = read_query(request, PublicVolumesQuery)
    return _data(request, await request.app[PUBLIC].volumes(query.area, query.year), CSV)


@routes.route(
    "GET",
    "/public/publications/{number}.json",
    summary="The record of a published figure",
    answers={200: dict[str, object], 304: None},
    problems=(PublicationUnknown, PublicationWithheld, DatabaseUnavailable),
)
async def get_public_record(request: web.Request) -> web.StreamResponse:
    """Exactly the bytes whose SHA-256 is the publication's digest: formula, inputs with their documents, coverage and
    target. Of a district, by the publication's number; under CC BY 4.0."""
    text = request.match_info["number"]
    # A number is written in one way only.
    if not (text.isascii() and text.isdecimal() and str(int(text[:12])) == text and int(text) <= NUMBER_MAX):
        raise PublicationUnknown(f"{text[:20]} is not the number of a publication.")
    document = await request.app[PUBLIC].record(int(text))
    return _data(request, document, JSON_CONTENT_TYPE, seconds=RECORD_SECONDS)


def _data(
    request: web.Request, document: Document, content_type: str, *, seconds: int = KEPT_SECONDS
) -> web.StreamResponse:
    headers: dict[str, str] = {hdrs.ACCESS_CONTROL_ALLOW_ORIGIN: "*"}
    return _answer(request, document, content_type, headers, seconds=seconds)


def _answer(
    request: web.Request,
    document: Document,
    content_type: str,
    headers: dict[str, str],
    *,
    seconds: int = KEPT_SECONDS,
) -> web.StreamResponse:
    """The document, or 304 where the caller has it."""
    headers = {**SECURITY, **LICENSE_LINK, **headers, hdrs.CACHE_CONTROL: f"public, max-age={seconds}"}
    known = request.if_none_match or ()
    if any(tag.value in (document.etag, "*") for tag in known):
        response = web.Response(status=304, headers=headers)
    elif content_type == JSON_CONTENT_TYPE:
        response = web.Response(body=document.body, content_type=content_type, headers=headers)
    else:
        response = web.Response(body=document.body, content_type=content_type, charset="utf-8", headers=headers)
    response.etag = document.etag
    return response


def _problem_page(error: TanbiError, *, status: int) -> web.Response:
    """For people: what is wrong, in both languages, as the language may be what is wrong."""
    return web.Response(
        status=status,
        text=problem_page(error.title_zh, error.title, error.detail),
        content_type=HTML,
        headers={**SECURITY, "Content-Security-Policy": POLICY, hdrs.CACHE_CONTROL: "no-store"},
    )
