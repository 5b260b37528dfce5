"""A year of Nankai as a district has it: twelve subdistricts, recyclables of three kinds, months reported one by one,
and a last quarter of which only the sum is known."""

from collections.abc import Iterator
from datetime import date
from hashlib import sha256
from itertools import product
from typing import Any
from uuid import uuid4

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from service.db import transaction
from service.periods import Period
from service.tables.indicator import indicator_input
from service.tables.places import area, site
from tests.indicator.calls import TONNE, weigh

YEAR = 2025
# Beside 学府街道 and 鼓楼街道 of the world.
OTHER_SUBDISTRICTS = {
    "changhong": "长虹街道",
    "guangkai": "广开街道",
    "huayuan": "华苑街道",
    "jialingdao": "嘉陵道街道",
    "shuishang": "水上公园街道",
    "tiyu": "体育中心街道",
    "wangdingdi": "王顶堤街道",
    "wanxing": "万兴街道",
    "xiangyang": "向阳路街道",
    "xingnan": "兴南街道",
}
SUBDISTRICTS = ("gulou", "xuefu", *OTHER_SUBDISTRICTS)
WEIGHING_SITES = ("site-1", "site-2", "changhong-1", "huayuan-1")
# The months that are reported one by one; of the others only the quarter is known.
MONTHS = 9
CLEARED_GRAMS, KITCHEN_GRAMS, PICKUP_GRAMS, STATION_GRAMS = 1450 * TONNE, 310 * TONNE, 12_345_678, 260 * TONNE


async def plant_year(engine: AsyncEngine, *, communities_each: int = 1) -> None:
    """Of the world's district; who recorded it is nobody who has a key."""
    async with transaction(engine) as connection:
        for area_id, name in OTHER_SUBDISTRICTS.items():
            names = {"name": name, "name_en": area_id.title()}
            await connection.execute(
                sa.insert(area).values(id=area_id, parent_id="nankai", kind="subdistrict", **names)
            )
            for number in range(1, communities_each + 1):
                place = f"{area_id}-{number}"
                await connection.execute(
                    sa.insert(area).values(
                        id=place, parent_id=area_id, kind="community", name=f"{name}{number}社区", name_en=place
                    )
                )
                await connection.execute(
                    sa.insert(site).values(id=place, area_id=place, kind="community", name=place, name_en=place)
                )
        await connection.execute(sa.insert(indicator_input), list(_inputs()))
        for number, (month, site_id) in enumerate(product(range(1, 13), WEIGHING_SITES)):
            await weigh(connection, date(YEAR, month, 5), 9_000_000 + 37 * number, site_id)


def _inputs() -> Iterator[dict[str, Any]]:
    periods = [Period.of_month(YEAR, month) for month in range(1, MONTHS + 1)] + [Period.of_quarter(YEAR, 4)]
    for number, area_id in enumerate(SUBDISTRICTS):
        for period in periods:
            months = len(period.months)
            # Each month and place has another amount.
            varied = 100 + 3 * number + 2 * period.first_month
            for kind, source, grams in (
                ("cleared", "区城管委", CLEARED_GRAMS),
                ("kitchen_treated", "区城管委", KITCHEN_GRAMS),
                ("scrap_station_recyclables", "供销社回收站", STATION_GRAMS),
                ("pickup_recyclables", "上门回收服务商", PICKUP_GRAMS),
            ):
                amount = grams * months * varied // 100
                yield an_input_row(
                    area_id, period, kind, source, amount, f"{kind}台账 {YEAR}-{period.last_month:02}.xlsx"
                )


def an_input_row(
    area_id: str, period: Period, kind: str, source: str, amount: int | None, document: str, **changes: Any
) -> dict[str, Any]:
    """A row of `indicator_input`, of a mass."""
    return {
        "area_id": area_id,
        "first_day": period.first_day,
        "last_day": period.last_day,
        "kind": kind,
        "source": source,
        "version": 1,
        "grams": amount,
        "document": document,
        "document_date": period.last_day,
        "document_sha256": sha256(document.encode()).digest(),
        "recorded_by": uuid4(),
    } | changes
