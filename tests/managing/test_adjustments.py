"""The commands for corrections of wallets, as two operators type them."""

import asyncio
import json
import re
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from service.api_keys import create_api_key
from service.db import create_engine, transaction
from service.errors import (
    AdjustmentDecided,
    CoinLifeExists,
    CoinLifeInThePast,
    Forbidden,
    OwnAdjustment,
    ResidentUnknown,
    TokenInvalid,
    ValidationFailed,
)
from service.ledger.book import Wallet
from service.ledger.queries import read_wallet
from service.residents.residents import register_resident
from service.settings import Settings
from tests.managing.conftest import Tanbi
from tests.world import add_due_hold, adjust

Value = TypeVar("Value")

WHY = ("--reason", "weighed twice", "--reference", "case 7")


def in_database(settings: Settings, work: Callable[[AsyncConnection], Awaitable[Value]]) -> Value:
    async def run() -> Value:
        engine = create_engine(settings)
        try:
            async with transaction(engine) as connection:
                return await work(connection)
        finally:
            await engine.dispose()

    return asyncio.run(run())


async def make_keys(connection: AsyncConnection) -> tuple[str, str, str]:
    return (
        await create_api_key(connection, role="operator", name="李工"),
        await create_api_key(connection, role="admin", name="王工"),
        await create_api_key(connection, role="auditor", name="审计"),
    )


def test_one_operator_asks_and_another_decides(
    tanbi: Tanbi, settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    resident = in_database(settings, register_resident)
    li, wang, auditor = in_database(settings, make_keys)
    wangs = tmp_path / "wang.key"
    wangs.write_text(json.dumps({"role": "admin", "name": "王工", "api_key": wang}))

    def request(*arguments: str) -> str:
        asked = tanbi("adjustment", "request", str(resident), *arguments, *WHY)
        found = re.search(r"Adjustment (\S+) waits", asked)
        assert found, asked
        return found[1]

    with pytest.raises(TokenInvalid, match="TANBI_OPERATOR_KEY"):
        tanbi("adjustment", "list")
    monkeypatch.setenv("TANBI_OPERATOR_KEY", "tbk_mistyped")
    with pytest.raises(TokenInvalid, match="key in TANBI_OPERATOR_KEY is no API key"):
        tanbi("adjustment", "list")
    monkeypatch.setenv("TANBI_OPERATOR_KEY", auditor)
    with pytest.raises(Forbidden, match="admin or operator"):
        request("credit", "5")
    monkeypatch.setenv("TANBI_OPERATOR_KEY", li)
    with pytest.raises(ValidationFailed, match=r"^coins: "):
        request("credit", "1000000001")
    for coins in ("0", "-5"):
        with pytest.raises(SystemExit):
            request("credit", coins)
    given, wrong = request("credit", "70"), request("debit", "5")
    with pytest.raises(OwnAdjustment):
        tanbi("adjustment", "approve", given)
    assert f"{given} is approved" in tanbi("adjustment", "approve", given, "--key-file", str(wangs))
    assert in_database(settings, lambda connection: read_wallet(connection, resident)).posted == 70
    assert f"Resident {resident}: 70 coins to spend, 0 held; none expire." in tanbi("wallet", "show", str(resident))
    with pytest.raises(AdjustmentDecided):
        tanbi("adjustment", "reject", given, "--reason", "no")
    assert tanbi("adjustment", "reject", wrong, "--reason", "mine was wrong").endswith("is rejected.")
    monkeypatch.setenv("TANBI_OPERATOR_KEY", auditor)
    listed = tanbi("adjustment", "list")
    assert listed.index(wrong) < listed.index(given)
    assert "+70" in listed
    assert re.search(r"approved │ 20\d\d-\S+:\d\d\+08:00 │ 李工 │ weighed twice │ case 7 │ 王工", listed)
    assert given not in tanbi("adjustment", "list", "--state", "rejected")
    with pytest.raises(ValidationFailed, match="begin without one"):
        tanbi("adjustment", "list", "--cursor", str(uuid.uuid4()))
    shown = json.loads(tanbi("adjustment", "show", given))
    assert (shown["requested_by"]["name"], shown["decided_by"]["name"]) == ("李工", "王工")


def test_a_debit_takes_what_was_held_when_no_service_runs(
    tanbi: Tanbi, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    resident = in_database(settings, register_resident)
    li, wang, _ = in_database(settings, make_keys)
    in_database(settings, lambda connection: adjust(connection, resident, 100))
    in_database(
        settings.model_copy(update={"database_url": settings.migration_database_url}),
        lambda connection: add_due_hold(connection, resident, merchant_id="M1", coins=100),
    )
    monkeypatch.setenv("TANBI_OPERATOR_KEY", li)
    [wanted] = re.findall(r"Adjustment (\S+) waits", tanbi("adjustment", "request", str(resident), "debit", "60", *WHY))
    monkeypatch.setenv("TANBI_OPERATOR_KEY", wang)
    assert f"{wanted} is approved" in tanbi("adjustment", "approve", wanted)
    assert in_database(settings, lambda connection: read_wallet(connection, resident)) == Wallet(40, 0)


def test_a_wallet_is_shown_with_the_transfers_that_a_correction_may_name(tanbi: Tanbi, settings: Settings) -> None:
    resident = in_database(settings, register_resident)
    given = in_database(settings, lambda connection: adjust(connection, resident, 100))
    in_database(settings, lambda connection: adjust(connection, resident, -30, corrects_id=given))
    shown = tanbi("wallet", "show", str(resident))
    assert f"Resident {resident}: 70 coins to spend, 0 held; none expire." in shown
    [newer, older] = re.findall(r"│ (\d+) │ 20\S+\+08:00 │ adjustment │ [+-]\d+ │", shown)
    assert older == str(given)
    assert f"│ {newer} │" in shown
    assert f"│ -30 │ transfer {given}, test │" in shown
    assert f"More: --before {newer}" in tanbi("wallet", "show", str(resident), "--limit", "1")
    second = tanbi("wallet", "show", str(resident), "--limit", "1", "--before", newer)
    assert f"│ {older} │" in second
    assert "More" not in second
    with pytest.raises(ResidentUnknown):
        tanbi("wallet", "show", str(resident + 99))


def test_how_long_coins_live_is_set_and_shown(tanbi: Tanbi) -> None:
    assert "expire at the end of the day 24 months later" in tanbi("coins", "life", "set", "24")
    assert "on never expire" in tanbi("coins", "life", "set", "never", "--from", "2099-01-01T00:00:00+0800")
    listed = tanbi("coins", "life", "list")
    assert listed.index("24 months later") < listed.index("2099-01-01T00:00:00+08:00 │ never expire")
    with pytest.raises(CoinLifeExists, match=r"Choose 2099-01-01T00:00:01\+08:00"):
        tanbi("coins", "life", "set", "12", "--from", "2099-01-01")
    with pytest.raises(CoinLifeInThePast, match=r"\+08:00 at the earliest"):
        tanbi("coins", "life", "set", "12", "--from", "2020-01-01")
    for months in ("0", "1201", "-3", "soon", "１２"):
        with pytest.raises(SystemExit):
            tanbi("coins", "life", "set", months)
