"""Who owes which months, once something is recorded or withdrawn."""

from collections.abc import Sequence

from schemas.indicator_inputs import DueLine
from service.indicator.kinds import KINDS
from service.managing.running import console

SHOWN_MAX = 20


def show_due(found: Sequence[DueLine], more: int = 0) -> None:
    """`more`: how many there are beside those found."""
    for due in found[:SHOWN_MAX]:
        owing = due.area if due.source is None else f"{due.area} “{due.source}”"
        console.print(
            f"{owing} 还应上报{KINDS[due.kind].name_zh}：{'、'.join(due.months)}，"
            "补录之前这些月份没有比率；没有的录入 0。\n"
            f"{owing} owes {due.kind} of {', '.join(due.months)}: there is no rate of these months until they are"
            " recorded, as 0 where there was none.",
            highlight=False,
            markup=False,
        )
    hidden = len(found[SHOWN_MAX:])
    if hidden + more:
        console.print(f"… 另有 {hidden + more} 项应补录。And {hidden + more} more owe months.", highlight=False)
    if hidden:
        console.print(f"其中前 {hidden} 项见 --json。The first {hidden} of those: --json.", highlight=False)
