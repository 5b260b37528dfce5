"""What is shown of modes that were played, and of those that there are. No I/O."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Final

from rich.table import Column, Table
from rich.text import Text

from service.demo.modes.catalogue import Mode
from service.demo.modes.playing import Played

YES: Final = Text("是 yes", style="green")
NO: Final = Text("否 no", style="bold red")


def listing(modes: Iterable[Mode]) -> Table:
    table = Table("模式 Mode", Column("演示 What is simulated", overflow="fold"))
    for mode in modes:
        table.add_row(mode.name, f"{mode.zh}\n{mode.en}")
    return table


def report(played: Sequence[Played]) -> Table:
    """A row a mode."""
    table = Table(
        Column("模式 Mode", no_wrap=True),
        Column("演示 What is simulated", overflow="fold"),
        Column("应答 What the service answered", overflow="fold"),
        Column("如设计 As designed", no_wrap=True),
        show_lines=True,
    )
    for mode, answers, difference in played:
        answered = " → ".join(in_runs(answers))
        table.add_row(mode.name, f"{mode.zh}\n{mode.en}", answered, YES if difference is None else NO)
    return table


def differences(played: Iterable[Played]) -> Iterator[str]:
    """A sentence on each mode that was not as designed."""
    for mode, _, difference in played:
        if difference is not None:
            yield f"{mode.name}: {difference}"


def in_runs(answers: Iterable[str]) -> Iterator[str]:
    """The same answer several times in a row as one, with how often."""
    for answer, same in groupby(answers):
        times = len(list(same))
        yield answer if times == 1 else f"{times} × {answer}"
