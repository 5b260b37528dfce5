"""The proof that nothing is lost, at a size for every day; `python -m loadtest crash` runs it larger."""

import json
import subprocess
import sys
from pathlib import Path

KILLS = 2


def test_nothing_acknowledged_is_lost_by_kill_9_or_cut_sockets(tmp_path: Path) -> None:
    output = tmp_path / "crash.json"
    done = subprocess.run(
        [
            *(sys.executable, "-m", "loadtest", "crash"),
            *("--seconds", "5", "--kills", str(KILLS), "--replicas", "2", "--output", str(output)),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(output.read_text())
    assert (result["passed"], result["findings"]) == (True, [])
    # That the run put the service through what it claims to have.
    assert {fault["kind"] for fault in result["faults"]} == {"service", "postgres"}
    assert len(result["faults"]) == KILLS
    assert result["cuts"] > 0
    assert result["requests"]["repeated"] > 0
    assert result["events"]["sent"] == result["events"]["acknowledged"] > 0
    assert result["events"]["answers_duplicate"] > 0
    assert result["events"]["known_only_by_a_duplicate"] > 0
    # Redemptions in every phase: some of each were granted, declined for a reason, broken off, and under way at a kill.
    for phase in result["phases"]:
        assert phase["sent"] == phase["done"] + phase["declined"], phase
        assert min(phase["done"], phase["declined"], phase["broken"], phase["kills"]) > 0, phase
    assert {phase["phase"] for phase in result["phases"]} == {"redeem", "authorise", "capture", "void", "refund"}
    for life in ("at_once", "held", "captured", "captured_late", "captured_too_late", "voided", "expired", "refunded"):
        assert result["redemptions"][life] > 0, life
    assert result["kept"] is None
