"""The service answers as its document says, whatever it is sent: schemathesis against a live service, within bounds.

Every request has a valid credential, and good ones name things that exist: so what is generated gets behind both.
"""

import asyncio
import csv
import itertools
import json
import re
import tempfile
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from pydantic import SecretStr
from requests.auth import AuthBase
from schemathesis import GenerationMode
from schemathesis.checks import CheckContext, CheckFunction, not_a_server_error
from schemathesis.config import (
    CoveragePhaseConfig,
    GenerationConfig,
    PhasesConfig,
    ProjectConfig,
    ProjectsConfig,
    SchemathesisConfig,
)
from schemathesis.core.transport import Response
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from schemas.examples import EXAMPLES
from schemas.imports import CSV_TYPE, XLSX_TYPE
from service.app import ENDPOINTS
from service.embedded import EmbeddedPostgres
from service.routing import Caller, Endpoint
from service.settings import Settings
from tests.conftest import SECRET_KEY, TEMPLATE, admin_execute
from tests.document import DOCUMENT
from tests.indicator.importing.sheets import xlsx_file
from tests.live import MERCHANT, OFFERS_PATH, PUBLISHED_NUMBER, STATEMENT, Live, live_service
from tests.world import CARD

DATABASE = "contract"
EXAMPLES_PER_OPERATION = 25
CHECKS: list[CheckFunction] = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
# How pydantic begins what it says, and how a regular expression does.
JARGON = re.compile(r"Input should|String should|Value error|inputs are not permitted|\^[\[(/]")
# Of its phases, one makes hundreds of cases an operation, which no setting bounds.
CONFIG = ProjectConfig(
    phases=PhasesConfig(coverage=CoveragePhaseConfig(enabled=False)),
    generation=GenerationConfig(with_security_parameters=False),
)
QUERIES = {
    ("GET", "/v1/stations/me/weights"): {"month": "2025-01"},
    ("POST", "/v1/indicator/imports"): {"file_name": "example.csv"},
    ("GET", "/v1/indicator/dossier"): {"area": "nankai", "year": "2025", "format": "html"},
    ("GET", "/v1/indicator/recycling-rate"): {"area": "nankai", "period": "2025"},
    ("GET", "/v1/carbon"): {"area": "nankai", "period": "2025"},
    ("GET", "/v1/indicator/outlook"): {"area": "nankai", "year": "2025"},
    ("GET", "/v1/indicator/volumes"): {"area": "nankai", "period": "2025"},
    ("GET", "/v1/reports/coins-outstanding"): {"from": "2026-01", "to": "2026-11"},
}
# Where several may call, they take turns.
TURNS = {(each.method, each.path): itertools.cycle(each.callers or (None,)) for each in ENDPOINTS}


def _workbook() -> bytes:
    """The example's sheet as Excel has it, which no document of JSON can hold."""
    with tempfile.TemporaryDirectory() as directory:
        titles, *rows = csv.reader(EXAMPLES["CsvSheet"].splitlines())
        return xlsx_file(Path(directory) / "a.xlsx", rows, titles).read_bytes()


WORKBOOK = _workbook()


@schemathesis.serializer(CSV_TYPE, XLSX_TYPE)
def send_as_it_is(_context: Any, value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()


schema = schemathesis.openapi.from_dict(DOCUMENT, config=SchemathesisConfig(projects=ProjectsConfig(default=CONFIG)))


@pytest.fixture(scope="module")
def live(postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    asyncio.run(admin_execute(postgres, f"CREATE DATABASE {DATABASE} TEMPLATE {TEMPLATE}"))
    settings = Settings(
        data_dir=tmp_path_factory.mktemp("contract"),
        database_url=postgres.app_url(DATABASE),
        secret_key=SecretStr(SECRET_KEY),
        # No name of an example is looked up.
        webhook_private_addresses=True,
        claim_failures_per_minute_max=0,
    )
    with live_service(settings) as live:
        live.earn(10_000)
        yield live
    asyncio.run(admin_execute(postgres, f"DROP DATABASE {DATABASE} WITH (FORCE)"))


def endpoint_of(method: str, path: str) -> Endpoint:
    return next(each for each in ENDPOINTS if (each.method, each.path) == (method, path))


def credential_for(endpoint: Endpoint, caller: Caller | None, live: Live) -> AuthBase | None:
    if endpoint.path.startswith(("/v1/bins/me/keys", "/v1/bins/claim")):
        return live.bins.credential()
    return live.leaving() if endpoint.path == "/v1/sessions/current" else live.credentials[caller]


def of_this_world(body: Any, live: Live) -> Any:
    """A good body with the ids of things that exist, or every answer would be that they do not."""
    if isinstance(body, list):
        return [of_this_world(each, live) for each in body]
    known: dict[str, Any] = {"area": "nankai", "merchant_id": MERCHANT, "value": CARD}
    if "specversion" in body:
        known = {
            "source": "/bins/NK-0001",
            "time": datetime.now(UTC).isoformat(),
        }
        if body.get("data", {}).keys() & {"weight_grams", "mass_before_grams"}:
            known["data"] = {**body["data"], "material": "paper"}
    elif body.keys() & {"claim_code", "keyid", "site_id"}:
        known = live.bins.named_in(body)
    elif "pay_code" in body:
        known = {"pay_code": live.pay_code()}
    elif {"id", "unit"} <= body.keys():
        known = {"id": f"o-{uuid.uuid4()}"}
    elif body.keys() & {"restates", "counted_at"} or body.keys() == {"area", "period"}:
        known |= {"period": live.recorded_month()}
    elif "weights" in body:
        known = {"weights": [{**each, "material": "paper"} for each in body["weights"][:1]], "month": "2025-01"}
    elif "resident_id" in body:
        known = dict(zip(("resident_id", "corrects_id"), live.resident_and_transfer(), strict=True))
    return {name: known.get(name, value) for name, value in body.items()}


# What {id} of a path is, by how the path begins.
IDS: dict[str, Callable[[Live], object]] = {
    OFFERS_PATH: Live.offer_id,
    "/v1/merchants/me/webhooks/": Live.webhook_id,
    "/v1/webhook-messages/": Live.webhook_message_id,
    "/v1/adjustments/": Live.adjustment_id,
    "/v1/indicator/imports/": Live.import_id,
    "/v1/residents/": lambda live: live.resident_and_transfer()[0],
    "/v1/reviews/": Live.review_id,
    "/v1/me/held-drops/": Live.review_id,
}


def encoded(body: Any, live: Live) -> bytes:
    """As it is sent: a sheet is not JSON."""
    if isinstance(body, bytes):
        return body
    return body.encode() if isinstance(body, str) else json.dumps(of_this_world(body, live)).encode()


def path_parameters_of(endpoint: Endpoint, caller: Caller | None, live: Live) -> dict[str, str]:
    path = endpoint.path
    if path.startswith("/v1/bins"):
        return live.bins.made_for(path)
    if path.startswith("/v1/redemptions/"):
        return {"id": live.redemption_id(caller, capture=not path.endswith(("/capture", "/void")))}
    if path.startswith("/v1/indicator/publications/"):
        return {"id": live.publication_id(published=path.endswith("/recomputation"))}
    if "{bin_id}" in path:
        return {"bin_id": "NK-0001"}
    if path.startswith("/public/publications/"):
        return {"number": PUBLISHED_NUMBER}
    if "{number}" in path:
        return {"number": str(STATEMENT["number"])}
    for begins, new_id in IDS.items():
        if path.startswith(begins):
            return {"id": str(new_id(live))}
    return {"id": str(uuid.uuid4())} if "{id}" in path else {"file": "swagger-ui.css"}


def told_in_plain_words(_context: CheckContext, response: Response, _case: schemathesis.Case[Any]) -> None:
    if "problem+json" in response.headers.get("content-type", [""])[0]:
        problem = response.json()
        told = [problem["detail"], *(error["detail"] for error in problem.get("errors", []))]
        assert not [words for words in told if JARGON.search(words)]


@schema.parametrize()
@hypothesis_settings(
    max_examples=EXAMPLES_PER_OPERATION,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
def test_answers_are_as_documented(case: schemathesis.Case[Any], live: Live) -> None:
    endpoint = endpoint_of(case.method, case.path)
    caller = next(TURNS[endpoint.method, endpoint.path])
    if case.meta is not None and case.meta.generation.mode is GenerationMode.POSITIVE:
        parameters = path_parameters_of(endpoint, caller, live)
        if case.path_parameters:
            case.path_parameters = parameters
        if isinstance(case.body, dict | list):
            case.body = of_this_world(case.body, live)
        if "area" in case.query:
            case.query = {**case.query, "area": "nankai"}
    case.call_and_validate(
        base_url=live.base_url, checks=[*CHECKS, told_in_plain_words], auth=credential_for(endpoint, caller, live)
    )


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: f"{endpoint.method} {endpoint.path}")
def test_a_request_made_of_the_documents_examples_succeeds(endpoint: Endpoint, live: Live) -> None:
    # What was generated before may have spent all there was.
    live.earn(1_000)
    operation = DOCUMENT["paths"][endpoint.path][endpoint.method.lower()]
    bodies: list[tuple[str | None, Any]] = [
        (content_type, example["value"])
        for content_type, media in operation.get("requestBody", {"content": {}})["content"].items()
        for example in media.get("examples", {"": {"value": WORKBOOK}}).values()
    ]
    for caller, (content_type, body) in itertools.product(endpoint.callers or (None,), bodies or [(None, None)]):
        response = requests.request(
            endpoint.method,
            live.base_url + endpoint.path.format_map(path_parameters_of(endpoint, caller, live)),
            params=QUERIES.get((endpoint.method, endpoint.path)),
            data=None if body is None else encoded(body, live),
            headers={"Idempotency-Key": str(uuid.uuid4())} | ({"Content-Type": content_type} if content_type else {}),
            auth=credential_for(endpoint, caller, live),
            timeout=60,
        )
        assert response.status_code in endpoint.answers, response.text
        assert response.status_code < 300, response.text
        if endpoint.callers == ("bin",):
            assert "rejected" not in response.text
