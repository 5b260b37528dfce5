"""The OpenAPI 3.1 document, made from the declared routes and the models of `schemas/`."""

import json
import re
from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import Any, Final

import pydantic
from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode

from schemas.common import IDEMPOTENCY_KEY_PATTERN, Problem
from schemas.examples import EXAMPLES
from service.errors import (
    BodyIncomplete,
    BodyTooLarge,
    BodyTooSlow,
    DatabaseUnavailable,
    InternalError,
    KeyUnknown,
    KeyUnreadable,
    NotFound,
    SignatureRefused,
    TanbiError,
    TokenInvalid,
    TwoCredentials,
    Unavailable,
    UnsupportedMediaType,
)
from service.openapi_words import DESCRIPTION, SECURITY_SCHEMES, TAGS
from service.problem_kinds import ProblemKind, problem_kinds
from service.problems import PROBLEM_CONTENT_TYPE
from service.routing import Endpoint

Json = dict[str, Any]

SCHEMAS: Final = "#/components/schemas/"
SECURITY_OF_CALLER: Final = {
    "bin": "bin_signature",
    "resident": "resident_token",
    "merchant": "merchant_key",
    "machine": "machine_signature",
    "operator": "operator_key",
    "station": "station_key",
}
PATH_PARAMETER: Final = re.compile(r"\{(\w+)\}")
IDEMPOTENCY_KEY: Final[Json] = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": True,
    "description": "New for each new intent, the same for each retry of it. A retry sends the same bytes.",
    "schema": {
        "type": "string",
        "pattern": IDEMPOTENCY_KEY_PATTERN,
        "examples": ["018f6b1e-5d1c-7d4a-9f31-0c7a2b6e4d10"],
    },
}
RETRY_AFTER: Final[Json] = {
    "description": "Seconds to wait before the same request is sent again",
    "schema": {"type": "integer", "minimum": 0},
}
WWW_AUTHENTICATE: Final[Json] = {"description": "Which credential is wanted (RFC 9110)", "schema": {"type": "string"}}
REPLAYED: Final[Json] = {
    "description": "true: this answer was stored when the same request was first sent",
    "schema": {"type": "string", "enum": ["true"]},
}


class _Schemas(GenerateJsonSchema):
    """JSON Schema without the titles that pydantic makes of field names: they say nothing the name does not."""

    def field_title_should_be_set(self, _schema: Any) -> bool:
        return False


class _Components:
    """Every schema of the document under the one name it has in `components`."""

    def __init__(self, endpoints: Sequence[Endpoint]) -> None:
        wanted: dict[tuple[str, JsonSchemaMode], tuple[Any, JsonSchemaMode, TypeAdapter[Any]]] = {}
        for value, mode in _types(endpoints):
            adapter = value if isinstance(value, TypeAdapter) else TypeAdapter(value)
            wanted[_key(value), mode] = (_key(value), mode, adapter)
        self._by_key, rest = TypeAdapter.json_schemas(
            wanted.values(), ref_template=SCHEMAS + "{model}", schema_generator=_Schemas
        )
        self.schemas: Json = rest.get("$defs", {})
        self.responses: Json = {}
        self.examples: Json = {}

    def of(self, value: Any, mode: JsonSchemaMode) -> Json:
        return dict(self._by_key[_key(value), mode])

    def take(self, model: type[pydantic.BaseModel]) -> Json:
        """The schema itself, which no one refers to then: a query's parameters stand one by one."""
        schema: Json = self.schemas.pop(model.__name__)
        return schema


def openapi_document(endpoints: Sequence[Endpoint], *, version: str) -> Json:
    """What is served at /openapi.json. `version` is the software's; the contract's is in every path."""
    components = _Components(endpoints)
    paths: Json = {}
    for endpoint in endpoints:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint, components)
    used = {endpoint.tag for endpoint in endpoints}
    return {
        "openapi": "3.1.1",
        "info": {"title": "Tanbi 碳币 API", "version": version, "description": DESCRIPTION},
        "servers": [{"url": "/", "description": "Where this document was read"}],
        "tags": [tag for tag in TAGS if tag["name"] in used],
        "paths": paths,
        "components": {
            "schemas": dict(sorted(components.schemas.items())),
            "responses": dict(sorted(components.responses.items())),
            "examples": dict(sorted(components.examples.items())),
            "securitySchemes": SECURITY_SCHEMES,
        },
    }


def document_bytes(document: Json) -> bytes:
    """As it is served and checked in: UTF-8, indented, so that a change can be read line by line."""
    return (json.dumps(document, ensure_ascii=False, indent=1) + "\n").encode()


def _types(endpoints: Sequence[Endpoint]) -> Iterable[tuple[Any, JsonSchemaMode]]:
    """What is taken and answered anywhere, each with the side it is seen from."""
    yield Problem, "serialization"
    for endpoint in endpoints:
        for value in endpoint.takes.values():
            yield value, "validation"
        if endpoint.query is not None:
            yield endpoint.query, "validation"
        for answer in endpoint.answers.values():
            for value in _by_content_type(answer, endpoint.answer_type).values():
                yield value, "serialization"


def _key(value: Any) -> str:
    return str(id(value))


def _by_content_type(answer: Any, answer_type: str) -> dict[str, Any]:
    """An endpoint's answer as {content type: what}; nothing where there is no body."""
    if answer is None:
        return {}
    return answer if isinstance(answer, dict) else {answer_type: answer}


def _operation(endpoint: Endpoint, components: _Components) -> Json:
    operation: Json = {
        "operationId": endpoint.handler.__name__,
        "tags": [endpoint.tag],
        "summary": endpoint.summary,
        "description": endpoint.description,
        # Alternatives: one of them is enough.
        "security": [{SECURITY_OF_CALLER[caller]: []} for caller in endpoint.callers],
    }
    parameters = _parameters(endpoint, components)
    if parameters:
        operation["parameters"] = parameters
    if endpoint.takes:
        content = {name: _media(value, "validation", components) for name, value in endpoint.takes.items()}
        operation["requestBody"] = {"required": True, "content": content}
    operation["responses"] = {
        str(status): response
        for status, response in sorted([*_answers(endpoint, components), *_problems(endpoint, components)])
    }
    return operation


def _parameters(endpoint: Endpoint, components: _Components) -> list[Json]:
    parameters: list[Json] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        for name in PATH_PARAMETER.findall(endpoint.path)
    ]
    if endpoint.query is not None:
        model = components.take(endpoint.query)
        for name, schema in model["properties"].items():
            parameters.append(_query_parameter(name, dict(schema), required=name in model.get("required", ())))
    if endpoint.idempotent:
        parameters.append(IDEMPOTENCY_KEY)
    return parameters


def _query_parameter(name: str, schema: Json, *, required: bool) -> Json:
    if not required and schema.get("default", ...) is None:
        del schema["default"]
        # A query cannot say null: to leave a parameter out is how to say it.
        [given] = [choice for choice in schema.pop("anyOf") if choice != {"type": "null"}]
        schema = {**given, **schema}
    parameter: Json = {"name": name, "in": "query", "required": required}
    if "description" in schema:
        parameter["description"] = schema.pop("description")
    return {**parameter, "schema": schema}


def _media(value: Any, mode: JsonSchemaMode, components: _Components) -> Json:
    schema = components.of(value, mode)
    media: Json = {"schema": schema}
    name = str(schema.get("$ref", schema.get("title", ""))).removeprefix(SCHEMAS)
    if name in EXAMPLES:
        media["examples"] = {name: {"value": EXAMPLES[name]}}
    return media


def _answers(endpoint: Endpoint, components: _Components) -> Iterable[tuple[int, Json]]:
    for status, answer in endpoint.answers.items():
        response: Json = {"description": _meaning(answer) or HTTPStatus(status).phrase}
        if endpoint.idempotent:
            response["headers"] = {"Idempotent-Replayed": REPLAYED}
        by_content_type = _by_content_type(answer, endpoint.answer_type)
        if by_content_type:
            response["content"] = {
                name: _media(value, "serialization", components) for name, value in by_content_type.items()
            }
        yield status, response


def _meaning(answer: Any) -> str:
    """What the model says of itself, if anything."""
    is_model = isinstance(answer, type) and issubclass(answer, pydantic.BaseModel)
    return " ".join((answer.__doc__ or "").split()) if is_model else ""


def _problems(endpoint: Endpoint, components: _Components) -> Iterable[tuple[int, Json]]:
    by_status: dict[int, list[type[TanbiError]]] = {}
    for error in dict.fromkeys((*endpoint.problems, *_everywhere(endpoint))):
        by_status.setdefault(error.status, []).append(error)
    for status, errors in by_status.items():
        response = _problem_response(status, errors, components)
        if len(errors) > 1:
            yield status, response
        else:
            name = errors[0].__name__
            components.responses[name] = response
            yield status, {"$ref": f"#/components/responses/{name}"}


def _everywhere(endpoint: Endpoint) -> Iterable[type[TanbiError]]:
    """Problems that no handler needs to name: they follow from what the route takes, or can happen to any."""
    if endpoint.takes:
        yield from (BodyIncomplete, BodyTooLarge, BodyTooSlow, UnsupportedMediaType)
    if PATH_PARAMETER.search(endpoint.path):
        yield NotFound
    if endpoint.callers:
        yield DatabaseUnavailable
    if "machine" in endpoint.callers:
        yield from (SignatureRefused, KeyUnknown, KeyUnreadable)
        if len(endpoint.callers) > 1:
            yield TwoCredentials
    yield InternalError


def _problem_response(status: int, errors: list[type[TanbiError]], components: _Components) -> Json:
    kinds = list(problem_kinds(errors))
    for kind in kinds:
        components.examples[kind.code] = {"summary": f"{kind.code} {kind.title_zh}", "value": kind.document()}
    response: Json = {
        "description": f"{HTTPStatus(status).phrase}\n\n" + "\n".join(_line(kind) for kind in kinds),
        "content": {
            PROBLEM_CONTENT_TYPE: {
                "schema": {
                    "$ref": SCHEMAS + Problem.__name__,
                    "properties": {"status": {"const": status}, "code": {"enum": [kind.code for kind in kinds]}},
                },
                "examples": {kind.code: {"$ref": f"#/components/examples/{kind.code}"} for kind in kinds},
            }
        },
    }
    headers: Json = {}
    if any(issubclass(error, Unavailable) for error in errors):
        headers["Retry-After"] = RETRY_AFTER
    if TokenInvalid in errors:
        headers["WWW-Authenticate"] = WWW_AUTHENTICATE
    return {**response, "headers": headers} if headers else response


def _line(kind: ProblemKind) -> str:
    return f"- `{kind.code}` {kind.meaning}"
