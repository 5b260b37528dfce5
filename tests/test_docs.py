"""What the documents point at exists."""

import re
from pathlib import Path
from typing import Any

import pytest

from service.app import ENDPOINTS
from tests.document import DOCUMENT

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)")
PLACE = re.compile(r"`((?:docs|service|schemas|loadtest|tests|migrations|decisions)/[\w./-]*)`")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_and_every_place_named_exists(page: Path) -> None:
    text = page.read_text()
    linked = [page.parent / name for name in LINK.findall(text)]
    named = [
        ROOT / name if (ROOT / name.split("/")[0]).is_dir() else ROOT / "docs" / name for name in PLACE.findall(text)
    ]
    missing = [path for path in (*linked, *named) if not path.exists() and not list(path.parent.glob(path.name + "*"))]
    assert missing == []


def test_every_answer_a_machine_can_get_is_told_to_who_builds_one() -> None:
    told = set(re.findall(r"`([a-z_]+)`", (ROOT / "docs" / "machines.md").read_text()))
    for endpoint in ENDPOINTS:
        if "machine" in endpoint.callers:
            responses = DOCUMENT["paths"][endpoint.path][endpoint.method.lower()]["responses"]
            assert set(re.findall(r"^- `([a-z_]+)`", "\n".join(map(description, responses.values())), re.M)) <= told


def description(response: dict[str, Any]) -> str:
    if "$ref" in response:
        response = DOCUMENT["components"]["responses"][response["$ref"].rsplit("/", 1)[1]]
    return str(response["description"])
