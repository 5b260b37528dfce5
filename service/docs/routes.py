"""The documents of the API: OpenAPI, its viewer, and the list of problems. All of it comes from this service."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from aiohttp import hdrs, web
from swagger_ui_bundle import swagger_ui_path  # type: ignore[import-untyped]

from service.docs.openapi30 import as_openapi30
from service.docs.problems_page import problems_page
from service.docs.start_page import START
from service.docs.viewer import INDEX, INITIALIZER
from service.errors import NotFound
from service.openapi import document_bytes, openapi_document
from service.problem_kinds import every_problem_kind
from service.routing import JSON_CONTENT_TYPE, Endpoint, Routes

HTML: Final = "text/html"
JAVASCRIPT: Final = "text/javascript"
# Swagger UI sets styles of single elements and draws its icons from data: URLs; scripts are files of this service only.
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self';"
    " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
POLICY_WITHOUT_SCRIPTS: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
# Of the package: what the page asks for, and nothing else that lies beside it.
VIEWER_FILES: Final = {
    "swagger-ui.css": "text/css",
    "swagger-ui-bundle.js": JAVASCRIPT,
    "favicon-32x32.png": "image/png",
}


@dataclass(frozen=True, slots=True)
class Page:
    """Bytes that do not change while the service runs."""

    body: bytes
    content_type: str
    policy: str = POLICY

    @property
    def etag(self) -> str:
        return hashlib.sha256(self.body).hexdigest()[:32]


class Documents:
    """Every page, ready to be sent."""

    def __init__(self, endpoints: Sequence[Endpoint]) -> None:
        document = application_document(endpoints)
        self._pages = {
            "/": Page(START.encode(), HTML, POLICY_WITHOUT_SCRIPTS),
            "/openapi.json": Page(document_bytes(document), JSON_CONTENT_TYPE),
            "/docs": Page(INDEX.encode(), HTML),
            "/docs/openapi-3.0.json": Page(document_bytes(as_openapi30(document)), JSON_CONTENT_TYPE),
            "/docs/initializer.js": Page(INITIALIZER.encode(), JAVASCRIPT),
            "/problems": Page(problems_page(every_problem_kind()), HTML, POLICY_WITHOUT_SCRIPTS),
        }
        self._etags = {path: page.etag for path, page in self._pages.items()}

    def answer(self, request: web.Request) -> web.StreamResponse:
        """The page of this path, or 304 where the caller has it. Raises NotFound."""
        page = self._pages.get(request.path)
        if page is None:
            return _viewer_file(request)
        etag = self._etags[request.path]
        # A caller asks again each time, so a new version is seen at once; usually the answer is 304.
        headers = {**_headers(page.policy), hdrs.CACHE_CONTROL: "no-cache"}
        known = request.if_none_match or ()
        unchanged = any(tag.value in (etag, "*") for tag in known)
        response = (
            web.Response(status=304, headers=headers)
            if unchanged
            else web.Response(body=page.body, content_type=page.content_type, charset="utf-8", headers=headers)
        )
        response.etag = etag
        return response


DOCUMENTS = web.AppKey("documents", Documents)

routes = Routes("operations")


def application_document(endpoints: Sequence[Endpoint]) -> dict[str, Any]:
    """The document of the whole application, as it is served and checked in."""
    return openapi_document(endpoints, version=version("tanbi"))


def _viewer_file(request: web.Request) -> web.StreamResponse:
    name = request.match_info.get("file", "")
    if name not in VIEWER_FILES:
        raise NotFound
    headers = {**_headers(POLICY), hdrs.CONTENT_TYPE: VIEWER_FILES[name], hdrs.CACHE_CONTROL: "max-age=86400"}
    return web.FileResponse(Path(swagger_ui_path) / name, headers=headers)


def _headers(policy: str) -> dict[str, str]:
    return {
        "Content-Security-Policy": policy,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
    }


@routes.route("GET", "/", summary="Where to read on", answers={200: str, 304: None}, answer_type=HTML)
async def get_start(request: web.Request) -> web.StreamResponse:
    """For who opens the service's address in a browser."""
    return request.app[DOCUMENTS].answer(request)


@routes.route("GET", "/openapi.json", summary="This document", answers={200: dict[str, Any], 304: None})
async def get_openapi(request: web.Request) -> web.StreamResponse:
    """OpenAPI 3.1, made from the routes and models of the service that answers."""
    return request.app[DOCUMENTS].answer(request)


@routes.route("GET", "/docs", summary="This document, for people", answers={200: str, 304: None}, answer_type=HTML)
async def get_docs(request: web.Request) -> web.StreamResponse:
    """Everything the page needs comes from this service."""
    return request.app[DOCUMENTS].answer(request)


@routes.route(
    "GET",
    "/docs/{file}",
    summary="A file of the page /docs",
    answers={
        200: {JSON_CONTENT_TYPE: dict[str, Any], JAVASCRIPT: str, "text/css": str, "image/png": bytes},
        304: None,
    },
    problems=(NotFound,),
)
async def get_docs_file(request: web.Request) -> web.StreamResponse:
    """Scripts and styles of the viewer, and the document in the version of OpenAPI that it reads."""
    return request.app[DOCUMENTS].answer(request)


@routes.route(
    "GET", "/problems", summary="Every problem code, for people", answers={200: str, 304: None}, answer_type=HTML
)
async def get_problems(request: web.Request) -> web.StreamResponse:
    """What `type` of a problem points into."""
    return request.app[DOCUMENTS].answer(request)
