"""HTTP of what is public: nobody has to say who they are."""

from collections.abc import Mapping
from functools import wraps
from types import MappingProxyType
from typing import Final

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

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
from service.indicator.public_documents import (
    KEPT_SECONDS,
    RATE_CSV,
    RATE_JSON,
    RECORD_KEPT_SECONDS,
    VOLUMES_CSV,
    Document,
    PublicDocuments,
)
from service.indicator.public_page import LICENSE_URL, POLICY, problem_page
from service.indicator.public_words import WORDS
from service.problems import answer_failure
from service.routing import JSON_CONTENT_TYPE, Routes, read_query

HTML: Final = "text/html"
CSV: Final = "text/csv"
PAGE: Final = "/public/recycling-rate"
NUMBER_MAX: Final = 2**31 - 1
SECURITY: Final[dict[str, str]] = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}
LICENSE_LINK: Final[dict[str, str]] = {hdrs.LINK: f'<{LICENSE_URL}>; rel="license"'}
OF_DATA: Final = (ValidationFailed, AreaUnknown, AreaNotPublic, PublicAreaUnset, DatabaseUnavailable)

PUBLIC: web.AppKey[PublicDocuments] = web.AppKey("public", PublicDocuments)

# Why there is no page, for who reads Chinese.
DETAILS_ZH: Final[dict[type[TanbiError], str]] = {
    PublicAreaUnset: "尚未设置公开哪个区的数据：请用 area 指明一个区，或设置 TANBI_PUBLIC_AREA。",
    AreaNotPublic: "公开的是各区的数据：请用 area 指明一个区，或不填。",
    AreaUnknown: "没有这个编号的区域。",
    ValidationFailed: "请求的参数不对：只可填 area 和 lang，每个最多一次，写法见下。",
}

routes = Routes("public")


def for_scripts(handler: Handler) -> Handler:
    """Scripts of every site may read the answer, also one that says what is wrong."""

    @wraps(handler)
    async def answer(request: web.Request) -> web.StreamResponse:
        try:
            response = await handler(request)
        except Exception as error:  # noqa: BLE001  # each failure has an answer, as it has without this
            response = answer_failure(request, error)
        response.headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = "*"
        return response

    return answer


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
    another host. At most two minutes old."""
    try:
        query = read_query(request, PublicPageQuery)
        documents = await request.app[PUBLIC].of(query.area)
    except PublicAreaUnset as error:
        # Nobody asked for anything wrong: who installs the service is told what to set.
        return _problem_page(error, status=200)
    except (ValidationFailed, AreaUnknown, AreaNotPublic) as error:
        return _problem_page(error, status=error.status)
    headers = {"Content-Security-Policy": POLICY, hdrs.CONTENT_LANGUAGE: WORDS[query.lang].html_lang}
    return _answer(request, documents.pages[query.lang], HTML, headers=headers)


@routes.route(
    "GET",
    RATE_JSON,
    summary="The recycling rate as open data, JSON",
    query=PublicJsonQuery,
    answers={200: PublicRate, 304: None},
    problems=OF_DATA,
)
@for_scripts
async def get_public_rate_json(request: web.Request) -> web.StreamResponse:
    """All that the page shows, under CC BY 4.0. At most two minutes old."""
    query = read_query(request, PublicJsonQuery)
    return _answer(request, (await request.app[PUBLIC].of(query.area)).rate_json, JSON_CONTENT_TYPE)


@routes.route(
    "GET",
    RATE_CSV,
    summary="The recycling rate as open data, CSV",
    query=PublicCsvQuery,
    answers={200: str, 304: None},
    answer_type=CSV,
    problems=OF_DATA,
)
@for_scripts
async def get_public_rate_csv(request: web.Request) -> web.StreamResponse:
    """A figure a row: published rates, the running year's, targets, and masses by month; in UTF-8 with a byte order
    mark, under CC BY 4.0. At most two minutes old."""
    query = read_query(request, PublicCsvQuery)
    return _answer(request, (await request.app[PUBLIC].of(query.area)).rate_csv, CSV)


@routes.route(
    "GET",
    VOLUMES_CSV,
    summary="What bins weighed as open data, CSV",
    query=PublicVolumesQuery,
    answers={200: str, 304: None},
    answer_type=CSV,
    problems=(*OF_DATA, NotFound),
)
@for_scripts
async def get_public_volumes_csv(request: web.Request) -> web.StreamResponse:
    """A volume a row, by month, area and material, as each month was first shown. No figure, and no difference of
    figures, rests on fewer than ten drops. In UTF-8 with a byte order mark, under CC BY 4.0."""
    query = read_query(request, PublicVolumesQuery)
    return _answer(request, await request.app[PUBLIC].volumes(query.area, query.year), CSV)


@routes.route(
    "GET",
    "/public/publications/{number}.json",
    summary="The public record of a published figure",
    answers={200: dict[str, object], 304: None},
    problems=(PublicationUnknown, PublicationWithheld, DatabaseUnavailable),
)
@for_scripts
async def get_public_record(request: web.Request) -> web.StreamResponse:
    """All that a year's figure was computed from: formula, inputs with their documents, coverage and target, with what
    bins weighed as one sum of the year. Exactly the bytes that `public_digest_sha256` is of. Of a district's year, by
    the publication's number; under CC BY 4.0."""
    text = request.match_info["number"]
    # A number is written in one way only.
    if not (text.isascii() and text.isdecimal() and str(int(text[:12])) == text and int(text) <= NUMBER_MAX):
        raise PublicationUnknown(f"{text[:20]} is not the number of a publication.")
    document = await request.app[PUBLIC].record(int(text))
    return _answer(request, document, JSON_CONTENT_TYPE, seconds=RECORD_KEPT_SECONDS)


def _answer(
    request: web.Request,
    document: Document,
    content_type: str,
    *,
    seconds: int = KEPT_SECONDS,
    headers: Mapping[str, str] = MappingProxyType({}),
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
        text=problem_page(error.title_zh, error.title, DETAILS_ZH[type(error)], error.detail),
        content_type=HTML,
        headers={**SECURITY, "Content-Security-Policy": POLICY, hdrs.CACHE_CONTROL: "no-store"},
    )
