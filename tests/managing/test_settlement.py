"""The commands of settlement, as an operator types them."""

import asyncio
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from typer.testing import CliRunner

from service.business_days import business_day
from service.cli import app
from service.db import create_engine, transaction
from service.errors import MerchantUnknown, MonthNotOver, RateInThePast, StatementUnknown, ValidationFailed
from service.residents.residents import register_resident
from service.settings import Settings
from service.settlement.months import Month
from tests.managing.conftest import Tanbi
from tests.settlement import history

ZONE = "Asia/Shanghai"


def last_month() -> Month:
    return Month.of(business_day(datetime.now(UTC), ZONE).replace(day=1) - timedelta(days=1))


def take(settings: Settings, coins: int, at: datetime) -> None:
    """A capture of the one merchant there is."""

    async def run() -> None:
        engine = create_engine(settings)
        async with transaction(engine) as connection:
            await history.capture(connection, await register_resident(connection), coins, at)
        await engine.dispose()

    asyncio.run(run())


def test_a_month_is_settled_once_its_captures_have_a_rate(tanbi: Tanbi, settings: Settings, tmp_path: Path) -> None:
    month = last_month()
    assert tanbi("settle", "--month", str(month)) == f"No merchant has anything to settle in {month}."
    taken_at = month.begins_at(ZONE) + timedelta(days=3, microseconds=5)
    take(settings, 1500, taken_at)
    with pytest.raises(SystemExit) as ended:
        tanbi("settle", "--month", str(month))
    assert ended.value.code == 1
    begins_at = taken_at.strftime("%Y-%m-%dT%H:%M:%S%z")
    assert "M1: 900 fen" in tanbi("rate", "set", "M1", "900", "--from", begins_at)
    assert taken_at.astimezone(ZoneInfo(ZONE)).isoformat(timespec="seconds") in tanbi("rate", "list")
    with pytest.raises(RateInThePast):
        tanbi("rate", "set", "M1", "901", "--from", begins_at)
    said = tanbi("settle", "--month", str(month), "--output", str(tmp_path / "out"))
    number = f"M1-{month.year}{month.number:02}"
    assert f"M1 │ {number} │ 1,500 │ 13.50 │ issued " in said
    assert "issued before" in tanbi("settle", "--month", str(month), "--merchant", "M1")
    written = {path.name for path in (tmp_path / "out").iterdir()}
    assert written == {f"{number}.{ending}" for ending in ("csv", "xlsx", "html")}
    assert number in tanbi("statement", "list", "--month", str(month))
    assert number in tanbi("statement", "list", "--merchant", "M1")
    again = tmp_path / "again"
    assert str(again) in tanbi("statement", "export", number, "--output", str(again))
    assert (again / f"{number}.csv").read_bytes() == (tmp_path / "out" / f"{number}.csv").read_bytes()
    assert "人民币大写：壹拾叁元伍角整" in (again / f"{number}.html").read_text(encoding="utf-8")


def test_a_merchant_that_has_no_rate_is_told_with_what_to_type(tanbi: Tanbi, settings: Settings) -> None:
    month = last_month()
    taken_at = month.begins_at(ZONE) + timedelta(days=1)
    take(settings, 10, taken_at)
    done = CliRunner().invoke(app, ["settle", "--month", str(month)])
    assert done.exit_code == 1
    [command] = re.findall(r"tanbi (rate set M1) FEN (--from \S+)", done.output)
    tanbi(*command[0].split(), "1000", *command[1].split())
    assert "issued" in tanbi("settle", "--month", str(month))


def test_what_cannot_be_settled_is_said(tanbi: Tanbi) -> None:
    this_month = Month.of(business_day(datetime.now(UTC), ZONE))
    with pytest.raises(MonthNotOver, match="00:02"):
        tanbi("settle", "--month", str(this_month))
    for month in ("2026-13", "2026", "november", "２０２６-01"):
        with pytest.raises(ValidationFailed, match="write it as"):
            tanbi("settle", "--month", month)
    with pytest.raises(MerchantUnknown):
        tanbi("settle", "--month", str(last_month()), "--merchant", "M9")
    with pytest.raises(MerchantUnknown):
        tanbi("rate", "set", "M9", "1")
    with pytest.raises(StatementUnknown):
        tanbi("statement", "export", "M1-202601")


def test_coins_outstanding_are_reported_by_month(tanbi: Tanbi, settings: Settings) -> None:
    month = last_month()
    take(settings, 40, month.begins_at(ZONE))
    assert f"{month} │ 40 │ 40 │ 0 │ 0 │ 0 │ 0 │" in tanbi("report", "coins", "--from", str(month), "--to", str(month))
    with pytest.raises(ValidationFailed, match="not be before"):
        tanbi("report", "coins", "--from", "2026-02", "--to", "2026-01")
