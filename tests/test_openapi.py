"""The OpenAPI document: valid, complete, and of one piece with the application."""

import json
import re
from collections.abc import Iterator
from typing import Any

import openapi_spec_validator
import pytest
from aiohttp import web
from pydantic import TypeAdapter

from schemas.examples import EXAMPLES
from schemas.imports import XLSX_TYPE
from service.answering import add_endpoints
from service.app import ENDPOINTS
from service.docs.openapi30 import as_openapi30
from service.docs.routes import application_document
from service.errors import TanbiError
from service.metrics import Metrics
from service.openapi import document_bytes
from service.routing import Endpoint
from tests.document import DOCUMENT

by_route = pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: f"{endpoint.method} {endpoint.path}")


def operation_of(endpoint: Endpoint) -> dict[str, Any]:
    operation: dict[str, Any] = DOCUMENT["paths"][endpoint.path][endpoint.method.lower()]
    return operation


def resolved(value: dict[str, Any], document: dict[str, Any] = DOCUMENT) -> dict[str, Any]:
    while "$ref" in value:
        found: Any = document
        for part in value["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        value = found
    return value


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for item in value.values():
            yield from references(item)
    elif isinstance(value, list):
        for item in value:
            yield from references(item)


def test_the_document_is_valid_openapi_31() -> None:
    assert DOCUMENT["openapi"].startswith("3.1.")
    openapi_spec_validator.validate(DOCUMENT)


def test_every_route_of_the_application_is_in_it_and_nothing_else() -> None:
    app = web.Application()
    add_endpoints(app, ENDPOINTS, Metrics())
    routes = {(route.method, route.resource.canonical) for route in app.router.routes() if route.resource}
    # What takes any method answers 405 and 404.
    routes = {(method, path) for method, path in routes if method != "*"}
    documented = {(method.upper(), path) for path, operations in DOCUMENT["paths"].items() for method in operations}
    assert documented == routes
    assert len(documented) == len(ENDPOINTS)


def test_every_reference_leads_somewhere_and_every_component_is_used() -> None:
    used = set(references(DOCUMENT))
    components = {
        f"#/components/{kind}/{name}"
        for kind, named in DOCUMENT["components"].items()
        if kind != "securitySchemes"
        for name in named
    }
    assert used == components


def test_every_schema_has_one_plain_name() -> None:
    # pydantic puts the module before the name where two models share one.
    assert [name for name in DOCUMENT["components"]["schemas"] if not re.fullmatch(r"[A-Z][A-Za-z0-9]+", name)] == []


def test_operations_have_names_of_their_own() -> None:
    names = [operation_of(endpoint)["operationId"] for endpoint in ENDPOINTS]
    assert len(names) == len(set(names))


def test_every_tag_is_explained() -> None:
    assert {endpoint.tag for endpoint in ENDPOINTS} == {tag["name"] for tag in DOCUMENT["tags"]}


@by_route
def test_every_operation_says_what_it_does_and_who_may_call_it(endpoint: Endpoint) -> None:
    operation = operation_of(endpoint)
    assert operation["summary"]
    assert operation["description"].endswith(".")
    schemes = [name for requirement in operation["security"] for name in requirement]
    assert len(schemes) == len(endpoint.callers)
    assert set(schemes) <= set(DOCUMENT["components"]["securitySchemes"])


@by_route
def test_every_problem_that_a_route_names_is_documented_with_its_code(endpoint: Endpoint) -> None:
    responses = operation_of(endpoint)["responses"]
    for error in endpoint.problems:
        problem = resolved(responses[str(error.status)])["content"]["application/problem+json"]
        assert error.code in problem["schema"]["properties"]["code"]["enum"]
        assert f"`{error.code}`" in resolved(responses[str(error.status)])["description"]


@by_route
def test_problems_that_any_caller_or_body_can_meet_are_documented(endpoint: Endpoint) -> None:
    documented = {int(status) for status in operation_of(endpoint)["responses"]}
    expected = {500}
    if endpoint.callers:
        expected |= {401, 503}
    if endpoint.takes:
        expected |= {400, 413, 415, 422}
    if "{" in endpoint.path:
        expected |= {404}
    assert expected <= documented


@by_route
def test_path_parameters_and_idempotency_keys_are_parameters(endpoint: Endpoint) -> None:
    parameters = {(each["in"], each["name"]) for each in operation_of(endpoint).get("parameters", [])}
    assert {name for where, name in parameters if where == "path"} == set(re.findall(r"\{(\w+)\}", endpoint.path))
    assert (("header", "Idempotency-Key") in parameters) == endpoint.idempotent
    assert {name for where, name in parameters if where == "query"} == (
        set() if endpoint.query is None else {of.alias or name for name, of in endpoint.query.model_fields.items()}
    )


@by_route
def test_every_body_has_an_example_that_its_own_schema_takes(endpoint: Endpoint) -> None:
    for content_type, value in endpoint.takes.items():
        media = operation_of(endpoint)["requestBody"]["content"][content_type]
        if content_type == XLSX_TYPE:
            # Bytes, which no JSON holds; there is a template to download.
            continue
        assert media["examples"]
        adapter = value if isinstance(value, TypeAdapter) else TypeAdapter(value)
        for example in media["examples"].values():
            adapter.validate_json(json.dumps(resolved(example)["value"]))


@by_route
def test_an_example_of_an_answer_is_one_that_the_model_gives(endpoint: Endpoint) -> None:
    for status, answer in endpoint.answers.items():
        for media in operation_of(endpoint)["responses"][str(status)].get("content", {}).values():
            for example in media.get("examples", {}).values():
                shown = resolved(example)["value"]
                model = TypeAdapter(answer)
                assert model.dump_python(model.validate_python(shown), mode="json", exclude_none=True) == shown


def test_every_example_is_shown() -> None:
    text = json.dumps(DOCUMENT["paths"])
    assert [name for name in EXAMPLES if json.dumps(EXAMPLES[name]) not in text] == []


def test_a_query_parameter_that_may_be_left_out_is_never_null() -> None:
    parameters = [each for endpoint in ENDPOINTS for each in operation_of(endpoint).get("parameters", [])]
    assert [each["name"] for each in parameters if "null" in json.dumps(each)] == []


def test_examples_of_problems_are_problems() -> None:
    for code, example in DOCUMENT["components"]["examples"].items():
        value = example["value"]
        assert (value["type"], value["code"]) == (f"/problems#{code}", code)
        assert value.keys() == {"type", "title", "status", "detail", "code"}


def test_a_problem_class_that_stands_for_others_is_not_itself_an_answer() -> None:
    assert TanbiError not in {error for endpoint in ENDPOINTS for error in endpoint.problems}


def test_the_document_is_written_the_same_each_time() -> None:
    assert document_bytes(application_document(ENDPOINTS)) == document_bytes(application_document(ENDPOINTS))


def test_the_viewers_document_is_valid_openapi_30_with_the_same_operations() -> None:
    projected = as_openapi30(DOCUMENT)
    openapi_spec_validator.validate(projected)
    assert projected["openapi"].startswith("3.0.")
    assert {(path, method) for path, operations in projected["paths"].items() for method in operations} == {
        (path, method) for path, operations in DOCUMENT["paths"].items() for method in operations
    }
    assert projected["components"]["schemas"].keys() == DOCUMENT["components"]["schemas"].keys()


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, {"type": "string", "nullable": True}),
        ({"anyOf": [{"$ref": "#/a"}, {"type": "null"}]}, {"nullable": True, "allOf": [{"$ref": "#/a"}]}),
        ({"const": "card"}, {"enum": ["card"]}),
        ({"type": "string", "examples": ["2025", "2026"]}, {"type": "string", "example": "2025"}),
        ({"$ref": "#/a", "properties": {}}, {"$ref": "#/a"}),
        (
            {"value": {"const": None, "anyOf": [{"type": "null"}]}},
            {"value": {"const": None, "anyOf": [{"type": "null"}]}},
        ),
    ],
)
def test_what_30_has_no_words_for_is_said_in_its_own(schema: dict[str, Any], expected: dict[str, Any]) -> None:
    assert as_openapi30({"openapi": "3.1.1", "x": schema}) == {"openapi": "3.0.3", "x": expected}
