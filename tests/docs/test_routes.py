"""The documents as a browser or a client gets them."""

import json
import re
from typing import Any

import pytest
from aiohttp.test_utils import TestClient

from schemas.outcome_codes import OutcomeCode
from service.app import ENDPOINTS
from service.docs.routes import VIEWER_FILES, application_document
from service.problem_kinds import every_problem_kind

Client = TestClient[Any, Any]

PAGES = ("/", "/openapi.json", "/docs", "/docs/openapi-3.0.json", "/docs/initializer.js", "/problems")
FILES = tuple(f"/docs/{name}" for name in VIEWER_FILES)


async def test_the_document_that_is_served_is_the_applications(client: Client) -> None:
    response = await client.get("/openapi.json")
    assert response.status == 200
    assert response.content_type == "application/json"
    assert await response.json() == application_document(ENDPOINTS)


@pytest.mark.parametrize("path", [*PAGES, *FILES])
async def test_who_has_a_page_already_is_told_so(client: Client, path: str) -> None:
    first = await client.get(path)
    assert first.status == 200, path
    etag = first.headers["ETag"]
    again = await client.get(path, headers={"If-None-Match": etag})
    assert (again.status, await again.read()) == (304, b"")
    assert (await client.get(path, headers={"If-None-Match": '"another"'})).status == 200


@pytest.mark.parametrize("path", [*PAGES, *FILES])
async def test_pages_ask_no_other_host_and_run_no_script_but_ours(client: Client, path: str) -> None:
    response = await client.get(path)
    policy = response.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "http" not in policy
    assert "unsafe-eval" not in policy
    assert not re.search(r"script-src[^;]*unsafe", policy)
    assert response.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("path", ["/", "/docs", "/problems"])
async def test_whatever_a_page_names_is_served_here(client: Client, path: str) -> None:
    html = await (await client.get(path)).text()
    named = re.findall(r'(?:src|href)="([^"#]+)"', html)
    assert named
    for target in named:
        assert target.startswith("/")
        assert (await client.get(target)).status == 200, target
    assert '<html lang="zh">' in html
    assert '<meta name="viewport" content="width=device-width' in html


async def test_the_viewer_reads_a_document_that_is_served_here(client: Client) -> None:
    script = await (await client.get("/docs/initializer.js")).text()
    [url] = re.findall(r'url: "([^"]+)"', script)
    document = await (await client.get(url)).json()
    assert document["openapi"].startswith("3.0.")
    # The badge of a validator would send this service's address to another host.
    assert "validatorUrl: null" in script


@pytest.mark.parametrize("path", ["/docs/", "/docs/index.html", "/docs/..%2f__init__.py", "/docs/swagger-ui.js"])
async def test_nothing_else_of_the_viewers_package_is_served(client: Client, path: str) -> None:
    response = await client.get(path)
    assert response.status == 404
    assert (await response.json())["code"] == "not_found"


async def test_every_code_has_its_place_on_the_page_of_problems(client: Client) -> None:
    html = await (await client.get("/problems")).text()
    anchors = re.findall(r'<article id="(\w+)">', html)
    kinds = every_problem_kind()
    assert anchors == [kind.code for kind in kinds] + [code.value for code in OutcomeCode]
    for kind in kinds:
        assert kind.title_zh in html
    assert "<script" not in html


async def test_a_problem_points_to_its_place(client: Client) -> None:
    problem = json.loads(await (await client.get("/nowhere")).read())
    page, anchor = problem["type"].split("#")
    assert f'<article id="{anchor}">' in await (await client.get(page)).text()
