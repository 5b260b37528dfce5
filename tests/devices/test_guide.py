"""docs/devices.md tells of every code that a bin can receive, and the reference clients do what it says."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from schemas.clearances import ClearanceData, ClearanceOutcome, clearance_adapter
from schemas.outcome_codes import OutcomeCode
from schemas.signatures import TOLERANCE_SECONDS
from schemas.telemetry import TelemetryCode, TelemetryData, TelemetryOutcome, telemetry_adapter
from schemas.weigh_events import BATCH_EVENTS_MAX, Outcome, WeighEventData, weigh_event_adapter
from service.app import ENDPOINTS
from service.bridge.topics import PATHS, ROOT, Origin, answer_topic
from service.errors import MethodNotAllowed, NotFound
from service.plausibility.rules import RULES
from service.problem_kinds import every_problem_kind
from service.routing import Endpoint
from service.settings import Settings
from tests.devices.checking import Check
from tests.devices.compiling import needs_compiler
from tests.devices.examples import reference_client
from tests.document import DOCUMENT

PAGE = (Path(__file__).parent.parent.parent / "docs" / "devices.md").read_text()
CLIENT = reference_client()
STATUS = {kind.code: kind.status for kind in every_problem_kind()}
# A claim is not signed by a bin that is known: its key is made by it.
BINS = [endpoint for endpoint in ENDPOINTS if "bin" in endpoint.callers or endpoint.path == "/v1/bins/claim"]
OF_CLEARANCES = {rule.code for rule in RULES.values() if rule.of == "clearance"}
GUARDS = {"time_in_future", "time_before_visit", "time_too_old", "sequence_reused"}
# Of any path, so of none in the document.
OF_ANY_PATH = {NotFound.code, MethodNotAllowed.code}


class Row(NamedTuple):
    """A row of a table of the page: what its first cell says, the codes in its second, what to do."""

    first: str
    codes: list[str]
    do: str


def rows(heading: str) -> Iterator[Row]:
    """Of the first table under this heading."""
    [text] = re.findall(rf"^### {re.escape(heading)}\n(.*?)(?=^##|\Z)", PAGE, re.MULTILINE | re.DOTALL)
    for line in re.findall(r"^\| (?!-)(.*) \|$", text, re.MULTILINE)[1:]:
        first, codes, do, *_ = [cell.strip() for cell in f"{line} |".split("|")]
        yield Row(first, re.findall(r"`([a-z_]+)`", codes), do)


def codes_of(endpoint: Endpoint) -> set[str]:
    """Of every problem that this endpoint answers, as the API's document names them."""
    responses = DOCUMENT["paths"][endpoint.path][endpoint.method.lower()]["responses"].values()
    return set(re.findall(r"^- `([a-z_]+)`", "\n".join(map(description, responses)), re.MULTILINE))


def description(response: dict[str, Any]) -> str:
    if "$ref" in response:
        response = DOCUMENT["components"]["responses"][response["$ref"].rsplit("/", 1)[1]]
    return str(response["description"])


REQUESTS = list(rows("To a request"))
OF_KEYS = list(rows("To a claim or a change of keys"))


def test_the_page_tells_of_every_problem_of_a_bins_request_and_of_no_other() -> None:
    told = [code for row in REQUESTS + OF_KEYS for code in row.codes]
    assert len(told) == len(set(told))
    assert set(told) == OF_ANY_PATH.union(*map(codes_of, BINS))


@pytest.mark.parametrize("row", [row for row in REQUESTS + OF_KEYS if row.codes], ids=lambda row: row.codes[0])
def test_a_problem_is_told_with_its_status(row: Row) -> None:
    assert {STATUS[code] for code in row.codes} == {int(status) for status in row.first.split(", ")}


def answers() -> Iterator[tuple[int, str, str]]:
    """Status, code and what to do: of each code of the page, and of answers without one or with one from later on."""
    for row in REQUESTS:
        yield from ((STATUS[code], code, row.do.strip("*")) for code in row.codes)
    yield 200, "", "outcomes"
    for code in ("", "not_known_yet"):
        yield from ((status, code, "again") for status in (408, 425, 429, 500, 502, 503, 504))
        yield from ((status, code, "wait") for status in (301, 400, 401, 403, 404, 409, 422))
        yield 413, code, "split"


def test_the_client_in_python_does_what_the_page_says() -> None:
    assert [(status, code, CLIENT.action(status, code)) for status, code, _ in answers()] == list(answers())
    [do] = [row.do for row in REQUESTS if row.first == "none"]
    assert do == f"**{CLIENT.action(0, '')}**"


@needs_compiler
def test_the_client_in_c_does_what_the_page_says(check: Check) -> None:
    said = check([("action", status, code) for status, code, _ in answers()])
    assert [do for [do] in said] == [do for _, _, do in answers()]


def outcomes(heading: str) -> tuple[set[str], list[tuple[str, str]]]:
    """The outcomes of a table, and each of its codes with its outcome."""
    table = [(row.first.strip("`"), row.codes) for row in rows(heading)]
    return {outcome for outcome, _ in table}, sorted((outcome, code) for outcome, codes in table for code in codes)


def test_the_page_tells_of_every_outcome_of_a_weigh_event_and_its_codes() -> None:
    codes = sorted((code.outcome, code.value) for code in OutcomeCode if code not in OF_CLEARANCES)
    assert outcomes("To a weigh event") == (set(Outcome), codes)


def test_the_page_tells_of_every_outcome_of_an_emptying_and_of_what_may_be_doubtful_about_it() -> None:
    told, codes = outcomes("To an emptying")
    assert told == set(ClearanceOutcome)
    recorded = {code for outcome, code in codes if outcome == ClearanceOutcome.RECORDED}
    # The guards that hold a drop, and the rules of emptyings.
    assert recorded == {code.value for code in OutcomeCode if code in GUARDS | OF_CLEARANCES}
    by_value = {code.value: code for code in OutcomeCode}
    assert all(by_value[code].outcome == outcome for outcome, code in codes if code not in recorded)


def test_the_page_tells_of_every_outcome_of_telemetry_and_its_codes() -> None:
    assert outcomes("To telemetry") == (
        set(TelemetryOutcome),
        sorted(("rejected", code.value) for code in TelemetryCode),
    )


def test_the_events_of_the_page_are_events() -> None:
    drop, emptying, telemetry = re.findall(r"^```json\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert set(weigh_event_adapter.validate_json(drop)["data"]) == set(WeighEventData.__annotations__)
    assert set(clearance_adapter.validate_json(emptying)["data"]) == set(ClearanceData.__annotations__)
    assert set(telemetry_adapter.validate_json(telemetry)["data"]) == set(TelemetryData.__annotations__)


def test_the_page_tells_of_every_topic_and_of_no_other() -> None:
    [text] = re.findall(r"^## Over MQTT.*?(?=^##)", PAGE, re.MULTILINE | re.DOTALL)
    assert set(re.findall(rf"`(?:{ROOT}/<bin id>|…)/([a-z-]+)`", text)) == set(PATHS)
    assert [PATHS[kind] for kind in PATHS] == [f"/v1/{kind}" for kind in PATHS]
    bin_id = Origin("<bin id>", next(iter(PATHS)))
    assert answer_topic(bin_id, None) == f"{ROOT}/<bin id>/{bin_id.kind}/outcomes"


def test_the_page_tells_of_every_path_for_bins_and_of_no_other() -> None:
    told = {
        (method, path.replace("{id}", "{bin_id}"))
        for method, path in re.findall(r"`(GET|POST|DELETE) (/v1/[^` ]+)`", PAGE)
    }
    assert told >= {(endpoint.method, endpoint.path) for endpoint in BINS}
    assert told <= {(endpoint.method, endpoint.path) for endpoint in ENDPOINTS}


def test_the_figures_of_the_page_are_the_services() -> None:
    assert f"may be {TOLERANCE_SECONDS} s off" in PAGE
    assert Settings.model_fields["signature_tolerance_seconds"].default == TOLERANCE_SECONDS
    assert f"2 to {BATCH_EVENTS_MAX} in an array" in PAGE
    assert BATCH_EVENTS_MAX == CLIENT.BATCH_EVENTS_MAX
    assert Settings.model_fields["body_bytes_max"].default == 1024 * 1024
    assert "at most 1 MiB" in PAGE
    assert f"good for {Settings.model_fields['key_overlap_days'].default} days" in PAGE
    assert f"Every {Settings.model_fields['telemetry_interval_seconds'].default} s" in PAGE
    assert f"not heard of for {Settings.model_fields['bin_offline_seconds'].default // 60} minutes" in PAGE
