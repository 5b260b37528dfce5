"""The commands for scrap stations, as an operator types them."""

import json

import pytest

from service.errors import AreaUnknown, StationExists, StationUnknown, TanbiError, ValidationFailed
from tests.managing.conftest import Tanbi

ADD = ("station", "add", "S1", "--area", "c", "--name", "废品站", "--name-en", "Scrap", "--from")


def test_a_station_is_added_given_a_key_listed_and_closed(tanbi: Tanbi) -> None:
    assert "回收站 station S1: 已添加 added, 自 2025-11 起填报 reports from 2025-11 on." in tanbi(*ADD, "2025-11")
    made = tanbi("key", "create", "--role", "station", "--station", "S1", "--name", "王老板")
    assert json.loads(made.partition("}")[0] + "}")["role"] == "station"
    assert "station │ 王老板 │ S1" in tanbi("key", "list")
    assert "2025-11, 2025-12" in tanbi("station", "list")
    assert tanbi("station", "close", "S1", "--until", "2025-12") == (
        "回收站 station S1: 填报至 2025-12 为止 reports up to 2025-12."
    )
    assert "S1 │ 废品站 Scrap │ c │ 2025-11 │ 2025-12 │ 0 of 2 │ 2025-11, 2025-12" in tanbi("station", "list")


def test_mistakes_are_told(tanbi: Tanbi) -> None:
    with pytest.raises(ValidationFailed, match="reports_from"):
        tanbi(*ADD, "2025")
    tanbi(*ADD, "2025-11")
    with pytest.raises(StationExists):
        tanbi(*ADD, "2025-11")
    with pytest.raises(AreaUnknown):
        tanbi("station", "add", "S2", "--area", "x", "--name", "站", "--name-en", "S", "--from", "2025-11")
    with pytest.raises(ValidationFailed, match="from 2025-11 on"):
        tanbi("station", "close", "S1", "--until", "2025-10")
    with pytest.raises(StationUnknown):
        tanbi("station", "close", "S9", "--until", "2025-12")
    with pytest.raises(StationUnknown):
        tanbi("key", "create", "--role", "station", "--station", "S9", "--name", "x")
    for wrong in (("--role", "station"), ("--role", "viewer", "--station", "S1")):
        with pytest.raises(ValidationFailed, match="names its station") as error:
            tanbi("key", "create", *wrong, "--name", "x")
        assert "角色为 station 的密钥须指明回收站（--station）" in str(error.value.detail_zh)
    for typed, zh in (
        (("--role", "merchant", "--name", "x"), "须指明商户（--merchant）"),
        (("--role", "viewer", "--name", " "), "没有填写密钥名称"),
        (("--role", "viewer", "--name", "…"), "密钥名称须含文字或数字"),
        (("--role", "station", "--station", "S9", "--name", "x"), "没有回收站“S9”"),
        (("--role", "merchant", "--merchant", "M9", "--name", "x"), "没有商户“M9”"),
        (("--role", "viewer", "--name", "x", "--station", "S1"), "其他角色的密钥不能指明回收站"),
    ):
        with pytest.raises(TanbiError) as told:
            tanbi("key", "create", *typed)
        assert zh in str(told.value.detail_zh)
