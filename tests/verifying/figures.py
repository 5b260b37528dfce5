"""A city's published figures: one by each formula, a restatement, a stand-in, and one that waits."""

from datetime import date
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from schemas.indicator_inputs import IndicatorInput
from schemas.publications import PublicationProposal
from schemas.targets import NewTarget
from service.api_keys import create_api_key
from service.auth import Operator, authenticate_operator
from service.db import transaction
from service.indicator.inputs import record_input
from service.indicator.publishing import propose, publish
from service.indicator.setting_targets import set_target
from service.tables.indicator import indicator_import, scrap_station
from service.tables.volumes import public_volume

TODAY = date(2026, 11, 21)
FORMULA = "cn.cleared_plus_recovered"
OTHER_INPUTS: Final = (
    ("yard_recyclables", "2023", {"grams": 5_000_000}),
    ("yard_rejects", "2023", {"grams": 123_000}),
    ("generated", "2023", {"grams": 90_000_000}),
    ("burned", "2024", {"grams": 70_000_000}),
    ("landfilled", "2024", {"grams": 9_000_000}),
    ("burned_factor", "2024", {"ppm": 300_001}),
    ("kitchen_factor", "2024", {"ppm": 800_001}),
    ("landfilled_factor", "2024", {"ppm": 50_001}),
    ("disposed", "2024", {"grams": 80_000_000}),
    ("exported", "2024", {"grams": 6_000_000}),
    ("imported", "2024", {"grams": 500_000}),
)
OTHER_FIGURES: Final = (
    {"formula": "eu.2019_1004", "counted_at": "yard", "period": "2023"},
    {"formula": "cn.generated"},
    {"formula": "cn.resource_utilisation"},
    {"formula": "us.epa1997"},
)


async def publish_figures(engine: AsyncEngine) -> None:
    """Of 2024: 1, restated by 2; and 3, net of residue, of its first quarter. Of 2023: 4, at the yard and less what was
    rejected there. Of 2024 again: 5, with C in place of G; 6, with the conversion factors; and 7, as recycled and
    disposed of."""
    async with transaction(engine) as connection:
        proposer, publisher = [await _operator(connection, name) for name in ("提出人", "发布人")]
        await connection.execute(
            sa.insert(scrap_station).values(
                id="ST-1", area_id="xuefu", name="站", name_en="Station", reports_from=date(2024, 1, 1)
            )
        )
        await connection.execute(
            sa.insert(indicator_import).values(
                id="6b0d4c1e-8a53-4a6f-9c1d-2f7e5a9b3c10",
                sha256=b"\1" * 32,
                file_name="a.csv",
                file_bytes=1,
                rows=1,
                imported_by=proposer.key_id,
            )
        )
        await connection.execute(
            sa.insert(public_volume).values(
                district_id="nankai", month=date(2024, 1, 1), area_id="nankai", material_id="paper", grams=100_000
            )
        )

        for per_mille in (380, 385):
            wanted = NewTarget(area="nankai", year=TODAY.year, rate_per_mille=per_mille)
            await set_target(connection, wanted, set_by=proposer.key_id)

        async def record(kind: str, **amount: Any) -> None:
            await record_input(connection, _input(kind, **amount), recorded_by=proposer.key_id, today=TODAY)

        for month in range(1, 13):
            period = f"2024-{month:02}"
            await record("cleared", grams=10_000_000 + month, period=period)
            await record("kitchen_treated", grams=2_000_000 + month, period=period)
        await record("residue_share", ppm=123_456, period="2024")
        for material in ("paper", "plastic"):
            await record("scrap_station_recyclables", grams=777_777, source="ST-1", area="xuefu", material=material)
        await record("yard_recyclables", grams=999)
        await record("yard_recyclables", withdraw=True, document="wrong")

        async def proposed(**wanted: Any) -> Any:
            proposal = PublicationProposal.model_validate({"area": "nankai", "period": "2024"} | wanted)
            found = await propose(connection, proposer, proposal, formula_id=FORMULA, today=TODAY)
            return found.id

        await publish(connection, publisher, await proposed(), today=TODAY)
        await record("cleared", grams=11_000_000, period="2024-05", document="corrected")
        await publish(connection, publisher, await proposed(restates=1, reason="更正"), today=TODAY)
        net = await proposed(period="2024-Q1", formula="cn.net_residue")
        await publish(connection, publisher, net, today=TODAY)
        for kind, period, amount in OTHER_INPUTS:
            await record(kind, period=period, **amount)
        for asked in OTHER_FIGURES:
            await publish(connection, publisher, await proposed(**asked), today=TODAY)
        await proposed(period="2024-Q2")


def _input(kind: str, *, period: str = "2024", document: str = "report", **values: Any) -> IndicatorInput:
    paper = {"name": document, "date": "2025-01-15", "sha256": document.encode().hex().ljust(64, "0")}
    wanted = {"area": "nankai", "period": period, "kind": kind, "source": "office", "document": paper}
    return IndicatorInput.model_validate(wanted | values)


async def _operator(connection: AsyncConnection, name: str) -> Operator:
    key = await create_api_key(connection, role="operator", name=name)
    return await authenticate_operator(connection, key, demo=False)
