"""The programs in docs/examples, run as a reader would run them, against a demo."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient

from service.demo.demo_file import Credentials, write_demo_file
from tests.demo.test_planting import outcome

EXAMPLES = Path(__file__).parent.parent.parent / "docs" / "examples"
Client = TestClient[Any, Any]


@pytest.fixture
def demo_json(demo_client: Client, planted: Credentials, tmp_path: Path) -> Path:
    path = tmp_path / "demo.json"
    write_demo_file(path, str(demo_client.make_url("")).rstrip("/"), planted)
    return path


async def run(program: str, demo_json: Path) -> tuple[int | None, str, str]:
    """Exit status, output and complaints."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-W",
        "error",
        EXAMPLES / program,
        demo_json,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, complaints = await process.communicate()
    return process.returncode, out.decode(), complaints.decode()


async def test_the_machine_captures_what_it_gave_out_and_voids_what_it_did_not(
    demo_client: Client, planted: Credentials, demo_json: Path
) -> None:
    status, _, complaints = await run("machine.py", demo_json)
    assert (status, complaints) == (
        1,
        "nobody has 100 coins yet: wait for the fleet, or run bin_demo.py first\n",
    )
    card = {"kind": "card", "value": planted.residents[4].card}
    await outcome(demo_client, planted.bins[0], credential=card)
    status, out, complaints = await run("machine.py", demo_json)
    assert (status, complaints) == (0, "")
    said = [line.split(": ", 1) for line in out.splitlines()]
    answers = [(what, answer[:3], json.loads(answer[4:])) for what, answer in said]
    assert [(what, status, answer["state"]) for what, status, answer in answers] == [
        ("authorise 50", "201", "authorised"),
        ("capture 30", "200", "captured"),
        ("look up", "200", "captured"),
        ("authorise 50", "201", "authorised"),
        ("void", "200", "voided"),
        ("look up", "200", "voided"),
    ]
    me = await demo_client.get("/v1/me", headers={"Authorization": f"Bearer {planted.residents[4].token}"})
    told = await me.json()
    assert (told["balance_coins"], told["held_coins"]) == (95, 0)


async def test_the_bin_is_credited_once_and_contradicts_itself_once(demo_json: Path) -> None:
    for sequence in (1, 4):
        status, out, complaints = await run("bin_demo.py", demo_json)
        assert (status, complaints) == (0, "")
        said = dict(line.split(": ", 1) for line in out.splitlines() if ": " in line)
        # It goes on counting where it ended.
        assert f'"sequence":{sequence},' in said[f"kept as {sequence}"]
        assert names(json.loads(said["after the outage"])) == ["credited", "credited", "unclaimed"]
        assert names(json.loads(said["same batch again"])["outcomes"]) == ["duplicate"] * 3
        assert names(json.loads(said["another weight, same id"])["outcomes"]) == ["conflict"]


def names(outcomes: list[dict[str, Any]]) -> list[str]:
    return [outcome["outcome"] for outcome in outcomes]


@pytest.mark.parametrize("program", ["machine.py", "bin_demo.py"])
async def test_where_nothing_listens_is_one_sentence(program: str, planted: Credentials, tmp_path: Path) -> None:
    # Port 1 is nobody's.
    write_demo_file(tmp_path / "demo.json", "http://127.0.0.1:1", planted)
    assert await run(program, tmp_path / "demo.json") == (
        1,
        "",
        "nothing answers at http://127.0.0.1:1: start a demo with `make demo`\n",
    )
