"""What the demo shows while it runs: a panel that is drawn anew each second, or a line now and then. No I/O."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from service.demo.meter import Rate, Reading

OUTCOMES: Final = {
    "credited": "入账",
    "unclaimed": "待认领",
    "duplicate": "重复",
    "conflict": "冲突",
    "held": "待审",
    "rejected": "拒收",
}
# Shown also while they are 0; the others only where there are any.
USUAL_OUTCOMES: Final = ("credited", "unclaimed", "duplicate")


@dataclass(frozen=True, slots=True)
class Place:
    """Where to find what the demo made."""

    base_url: str
    demo_file: Path
    log_file: Path


def panel(place: Place, reading: Reading | None, ran: timedelta, warnings: int) -> RenderableType:
    """At most 80 columns wide, if the paths are short enough."""
    parts: list[RenderableType] = [
        Text("服务暂时没有回答 the service does not answer now", style="yellow")
        if reading is None
        else _reading_table(reading),
        Text(),
        _places_table(place),
    ]
    if warnings:
        parts.append(Text(f"{warnings} 条警告 warnings: {place.log_file}", style="yellow", overflow="fold"))
    return Panel(
        Group(*parts),
        title="[bold]碳币 Tanbi[/bold]",
        subtitle=f"{clock(ran)} · 按 Ctrl-C 停止 stops everything",
        border_style="green",
        padding=(1, 2),
        width=80,
    )


def line(reading: Reading | None) -> str:
    """The same in one line, for logs and pipes."""
    if reading is None:
        return "服务暂时没有回答 the service does not answer now"
    counts = " ".join(f"{name} {count:,}" for name, count in shown_outcomes(reading))
    other = f" other {reading.other_coins:+,}" if reading.other_coins else ""
    return (
        f"事件 events {reading.events:,} ({counts}) · 碳币 coins issued {reading.issued_coins:,}"
        f" redeemed {reading.redeemed_coins:,} refunded {reading.refunded_coins:,}{other}"
        f" outstanding {reading.outstanding_coins:,}"
        f" · 兑换 redemptions {reading.captured:,}"
        f" · 待审 to review {reading.reviews:,} alarms {reading.alarms:,} gaps {reading.gaps:,}"
        f" · 回收利用率 rate {rate_text(reading.rate)}"
    )


def shown_outcomes(reading: Reading) -> Iterator[tuple[str, int]]:
    """Outcomes with their counts, in the order of OUTCOMES."""
    for name in OUTCOMES:
        count = reading.outcomes.get(name, 0)
        if count or name in USUAL_OUTCOMES:
            yield name, count


def rate_text(rate: Rate | None) -> str:
    """With so many digits that a single drop is seen."""
    return "–" if rate is None or rate.percent is None else f"{rate.percent:.4f} %"


def clock(ran: timedelta) -> str:
    minutes, seconds = divmod(int(ran.total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}"


def _reading_table(reading: Reading) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(justify="right", style="bold", no_wrap=True)
    table.add_column()
    table.add_row("投放 weigh events", f"{reading.events:,}", f"{reading.events_per_second:.1f}/s，本次 in this run")
    for name, count in shown_outcomes(reading):
        table.add_row(f"  {OUTCOMES[name]} {name}", f"{count:,}")
    table.add_row("碳币 coins", "", "")
    table.add_row("  发放 issued", f"{reading.issued_coins:,}", "累计 in all")
    table.add_row("  核销 redeemed", f"{reading.redeemed_coins:,}")
    table.add_row("  退回 refunded", f"{reading.refunded_coins:,}")
    if reading.other_coins:
        table.add_row("  其他 other", f"{reading.other_coins:+,}")
    table.add_row("  流通 outstanding", f"{reading.outstanding_coins:,}")
    table.add_row("兑换 redemptions", f"{reading.captured:,}", f"未成 declined {reading.declined:,}")
    table.add_row(
        "待审 to review", f"{reading.reviews:,}", f"告警 alarms {reading.alarms:,}，缺号 gaps {reading.gaps:,}"
    )
    table.add_row("回收利用率 rate", Text(rate_text(reading.rate), style="green"), _rate_note(reading.rate))
    table.add_row("汇总延迟 fold lag", f"{reading.fold_lag_seconds:.1f} s")
    return table


def _rate_note(rate: Rate | None) -> str:
    if rate is None:
        return ""
    target = "" if rate.target_percent is None else f"，目标 target {rate.target_percent} %"
    return f"南开 Nankai {rate.period}{target}"


def _places_table(place: Place) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row("接口文档 API", f"{place.base_url}/docs")
    table.add_row("OpenAPI 3.1", f"{place.base_url}/openapi.json")
    table.add_row("指标 metrics", f"{place.base_url}/metrics")
    table.add_row("密钥 keys, to try it", str(place.demo_file))
    return table
