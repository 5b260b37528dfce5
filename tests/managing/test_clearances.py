"""The commands that show emptyings and gaps, as an operator types them."""

import asyncio
import time

import pytest

from service.db import Writers
from service.errors import BinUnknown
from service.plausibility.rule_book import RuleBook
from service.settings import Settings
from service.weighing.clearance_deciding import PendingClearance
from service.weighing.clearing import Clearing
from tests.managing.conftest import Tanbi


def empty(settings: Settings, *sequences: int) -> None:
    """As if NK-0001 had told of it, an emptying a minute."""

    async def record() -> None:
        writers = Writers(settings)
        begin = time.time() - 86_400
        await Clearing(writers, lambda: RuleBook([]), "Asia/Shanghai").commit(
            [
                PendingClearance(
                    *("NK-0001", f"e-{sequence}", b"", sequence, "paper", "V-07"),
                    *(5000 + sequence, sequence, begin + 60 * sequence, 0),
                )
                for sequence in sequences
            ]
        )
        writers.close()

    asyncio.run(record())


def test_emptyings_and_gaps_are_shown(tanbi: Tanbi, settings: Settings) -> None:
    tanbi("bin", "add", "NK-0001", "--site", "s1")
    empty(settings, 1, 2, 9)
    listed = tanbi("clearance", "list", "--bin", "NK-0001", "--material", "paper", "--since", "2020-01-01")
    assert "│ V-07 │ 5002 │ 5000 │ 1 │ 5001 │ 30 (beyond) │ │" in listed
    # Of the last one nobody knows.
    assert "│ V-07 │ 5009 │ 5000 │ │ │ │ │" in listed
    assert "V-07" not in tanbi("clearance", "list", "--code", "any")
    for shown in (tanbi("bin", "gaps"), tanbi("bin", "gaps", "NK-0001")):
        assert "│ NK-0001 │ s1 │ 0 │ 3 │ 8 │ 6 │ 20" in shown
    assert "NK-0001" not in tanbi("bin", "gaps", "--over")
    with pytest.raises(BinUnknown):
        tanbi("bin", "gaps", "NK-0002")
