"""RFC 9457 problem documents: the one place where a failure becomes an answer."""

import logging
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

import pydantic
import pydantic_core
import sqlalchemy.exc
from aiohttp import hdrs, web

from service.db import hide_rows, is_retryable
from service.errors import (
    BodyIncomplete,
    BodyTooLarge,
    DatabaseUnavailable,
    InternalError,
    TanbiError,
    ValidationFailed,
)
from service.field_words import Form, in_plain_words

logger = logging.getLogger(__name__)

PROBLEM_CONTENT_TYPE = "application/problem+json"
FIELD_ERRORS_MAX = 20
POINTER_SHOWN_MAX = 80


def problem_document(error: TanbiError, *, chinese: bool = False) -> dict[str, Any]:
    """The members of RFC 9457, our `code`, and `errors[]` with JSON Pointers."""
    document: dict[str, Any] = {
        "type": f"/problems#{error.code}",
        "title": error.title_zh if chinese else error.title,
        "status": error.status,
        "detail": error.detail_zh if chinese and error.detail_zh is not None else error.detail,
        "code": error.code,
        **error.members,
    }
    if error.errors:
        document["errors"] = error.errors
    return document


def problem_response(error: TanbiError, *, chinese: bool = False) -> web.Response:
    return web.Response(
        status=error.status,
        body=pydantic_core.to_json(problem_document(error, chinese=chinese)),
        headers={**error.headers, hdrs.CONTENT_TYPE: PROBLEM_CONTENT_TYPE},
    )


def field_errors(
    error: pydantic.ValidationError, prefix: str = "", *, form: Form | None = None
) -> list[dict[str, str]]:
    """What pydantic found, as {pointer, code, detail}; never the value sent, which may be personal.

    `form` is what was validated: it tells which fields there are to who sent another.
    """
    found = error.errors(include_url=False, include_input=False)
    return [
        {"pointer": prefix + json_pointer(item["loc"]), "code": item["type"], "detail": in_plain_words(item, form)}
        for item in found[:FIELD_ERRORS_MAX]
    ]


def validation_failed(errors: Sequence[Mapping[str, str]]) -> ValidationFailed:
    """What field_errors found, as a problem whose detail says the first of it."""
    first = errors[0]
    # A field's name is the sender's own, and as long as they like.
    where = f"{first['pointer'][:POINTER_SHOWN_MAX]}: " if first["pointer"] else ""
    more = f" ({len(errors) - 1} more in `errors`)" if len(errors) > 1 else ""
    return ValidationFailed(f"{where}{first['detail'].rstrip('.')}{more}.", errors=errors)


def json_pointer(location: Sequence[int | str]) -> str:
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in location)


def prefers_chinese(request: web.BaseRequest) -> bool:
    return request.headers.get(hdrs.ACCEPT_LANGUAGE, "").lower().startswith("zh")


def answer_failure(request: web.Request, error: Exception) -> web.StreamResponse:
    """Any failure as a problem; only what was not expected is logged, with a number that the answer names too."""
    failure: TanbiError
    if isinstance(error, TanbiError):
        failure = error
    elif isinstance(error, web.HTTPRequestEntityTooLarge):
        failure = BodyTooLarge()
    elif isinstance(error, web.HTTPException):
        return error
    elif isinstance(error, ConnectionResetError | web.RequestPayloadError):
        failure = BodyIncomplete()
    elif isinstance(error, pydantic.ValidationError):
        failure = validation_failed(field_errors(error))
    elif isinstance(error, sqlalchemy.exc.TimeoutError) or is_retryable(error):
        # A lock that was waited for too long is in here too: under such a load the caller is to come back later.
        logger.warning("database unavailable: %s", type(error).__name__)
        failure = DatabaseUnavailable()
    else:
        failure = _incident(request, error)
    return problem_response(failure, chinese=prefers_chinese(request))


def _incident(request: web.Request, error: Exception) -> InternalError:
    incident = secrets.token_hex(8)
    resource = request.match_info.route.resource
    path = resource.canonical if resource else "?"
    hide_rows(error)
    logger.error("incident %s in %s %s", incident, request.method, path, exc_info=error)
    return InternalError(incident=incident)
