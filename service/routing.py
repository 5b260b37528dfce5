"""Routes that know what they take and answer, so that the OpenAPI document is made from them and cannot drift."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar
from uuid import UUID

import pydantic
import pydantic_core
from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from service.errors import BodyTooLarge, BodyTooSlow, MalformedJson, TanbiError, UnsupportedMediaType, ValidationFailed
from service.problems import field_errors, validation_failed
from service.settings import Settings

Caller = Literal["bin", "resident", "merchant", "machine", "operator", "station"]
Model = TypeVar("Model", bound=pydantic.BaseModel)

JSON_CONTENT_TYPE = "application/json"
PART_BYTES = 1 << 18
NO_BODY = "There is no body. Send a JSON object; `{}` where there is nothing to say."


@dataclass(frozen=True)
class Endpoint:
    """One route. Any of `callers` may call it, and anyone where there are none. `takes` maps content types to what
    pydantic validates, `answers` status codes to what is answered."""

    method: str
    path: str
    handler: Handler
    summary: str
    tag: str
    callers: tuple[Caller, ...]
    takes: dict[str, Any]
    answers: dict[int, Any]
    answer_type: str
    query: type[pydantic.BaseModel] | None
    problems: tuple[type[TanbiError], ...]
    idempotent: bool
    description: str


@dataclass
class Routes:
    """The endpoints of one feature, in the order they are declared."""

    tag: str
    endpoints: list[Endpoint] = field(default_factory=list)

    def route(
        self,
        method: str,
        path: str,
        *,
        summary: str,
        caller: Caller | tuple[Caller, ...] = (),
        takes: dict[str, Any] | type[pydantic.BaseModel] | None = None,
        answers: dict[int, Any],
        answer_type: str = JSON_CONTENT_TYPE,
        query: type[pydantic.BaseModel] | None = None,
        problems: Sequence[type[TanbiError]] = (),
        idempotent: bool = False,
    ) -> Callable[[Handler], Handler]:
        """Declare a handler; its docstring becomes the operation's description.

        `caller`: who may call; a tuple where several kinds may. `idempotent`: the call needs an Idempotency-Key.
        """

        def declare(handler: Handler) -> Handler:
            self.endpoints.append(
                Endpoint(
                    method=method,
                    path=path,
                    handler=handler,
                    summary=summary,
                    tag=self.tag,
                    callers=caller if isinstance(caller, tuple) else (caller,),
                    takes={JSON_CONTENT_TYPE: takes} if isinstance(takes, type) else takes or {},
                    answers=answers,
                    answer_type=answer_type,
                    query=query,
                    problems=tuple(problems),
                    idempotent=idempotent,
                    description=" ".join((handler.__doc__ or "").split()),
                )
            )
            return handler

        return declare


async def read_body(request: web.Request, content_types: Sequence[str], settings: Settings) -> bytes:
    """The whole body. Raises UnsupportedMediaType, BodyTooLarge or BodyTooSlow."""
    _check_head(request, content_types, settings.body_bytes_max)
    # Small bodies arrive with their head: no timer is set for them.
    if request.content.is_eof():
        return await request.read()
    try:
        async with asyncio.timeout(settings.body_seconds_max):
            return await request.read()
    except TimeoutError:
        raise _too_slow(settings.body_seconds_max) from None


async def save_body(
    request: web.Request, content_types: Sequence[str], path: Path, *, bytes_max: int, seconds_max: float
) -> None:
    """Write the body to a new file, part by part as it comes. Raises UnsupportedMediaType, BodyTooLarge as soon as it
    is, or BodyTooSlow."""
    _check_head(request, content_types, bytes_max)
    written = 0
    with await asyncio.to_thread(path.open, "xb") as file:
        try:
            async with asyncio.timeout(seconds_max):
                async for part in request.content.iter_chunked(PART_BYTES):
                    written += len(part)
                    if written > bytes_max:
                        raise _too_large("too many", bytes_max)
                    await asyncio.to_thread(file.write, part)
        except TimeoutError:
            raise _too_slow(seconds_max) from None


def _check_head(request: web.Request, content_types: Sequence[str], bytes_max: int) -> None:
    # Usually the header is the bare content type; only otherwise is it taken apart.
    headers = request.headers
    if headers.get(hdrs.CONTENT_TYPE) not in content_types and request.content_type not in content_types:
        # Without the header, aiohttp has a type of its own for what came.
        sent = f", not {request.content_type[:80]}" if hdrs.CONTENT_TYPE in headers else ", and name it as Content-Type"
        raise UnsupportedMediaType(f"Send {' or '.join(content_types)}{sent}.")
    # A digest is of the bytes as they were sent, and the server would hand over what it made of them.
    if hdrs.CONTENT_ENCODING in headers:
        raise UnsupportedMediaType("Send the body as it is, without a Content-Encoding.")
    # The declared length is looked at first: a body that is too large is refused before it is read.
    declared = request.content_length
    if declared is not None and declared > bytes_max:
        raise _too_large(str(declared), bytes_max)


def _too_large(found: str, bytes_max: int) -> BodyTooLarge:
    return BodyTooLarge(f"The body has {found} bytes; {bytes_max} are the most. Split it.")


def _too_slow(seconds_max: float) -> BodyTooSlow:
    return BodyTooSlow(f"The body did not arrive within {seconds_max:g} s. Send it again.")


async def read_model(request: web.Request, model: type[Model], settings: Settings) -> Model:
    """The body as `model`. Raises MalformedJson, ValidationFailed and what read_body raises."""
    body = await read_body(request, (JSON_CONTENT_TYPE,), settings)
    try:
        return model.model_validate_json(body)
    except pydantic.ValidationError as error:
        if not body.strip():
            raise MalformedJson(NO_BODY) from None
        found = field_errors(error, form=model)
        if found[0]["code"] == "json_invalid":
            raise MalformedJson(f"The body is not JSON in UTF-8: {found[0]['detail']}.") from None
        raise validation_failed(found) from None


def read_query(request: web.Request, model: type[Model]) -> Model:
    """The query's parameters as `model`. Raises ValidationFailed; pointers are parameters' names."""
    parameters: dict[str, str] = {}
    for name, value in request.query.items():
        if name in parameters:
            detail = "This parameter is given twice."
            raise ValidationFailed(detail, errors=[{"pointer": f"/{name}", "code": "repeated", "detail": detail}])
        parameters[name] = value
    try:
        return model.model_validate(parameters)
    except pydantic.ValidationError as error:
        raise validation_failed(field_errors(error, form=model)) from None


def json_response(answer: pydantic.BaseModel | dict[str, Any], status: int = 200) -> web.Response:
    body = (
        answer.model_dump_json(exclude_none=False).encode()
        if isinstance(answer, pydantic.BaseModel)
        else pydantic_core.to_json(answer)
    )
    return web.Response(status=status, body=body, headers={hdrs.CONTENT_TYPE: JSON_CONTENT_TYPE})


def path_id(request: web.Request) -> UUID | None:
    """`{id}` of the path; None for what no id is: UUID() alone would take braces, `urn:uuid:` and hyphens anywhere."""
    text = request.match_info["id"]
    try:
        value = UUID(text)
    except ValueError:
        return None
    return value if str(value) == text.lower() else None
