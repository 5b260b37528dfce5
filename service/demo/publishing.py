"""Figures that the demo's district has published: of two years that are over, the earlier one restated. By the
functions that operators call, so that all of it can be computed again."""

from dataclasses import replace
from datetime import date
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.indicator import FormulaId
from schemas.publications import PublicationProposal
from service.api_keys import create_api_key
from service.auth import Operator
from service.demo import nankai, queries
from service.demo.sample import draw_inputs
from service.indicator.publishing import propose, publish
from service.secrets import token_hash

FORMULA: Final[FormulaId] = "cn.cleared_plus_recovered"
# Who proposes, and who publishes: nobody has their keys.
OPERATORS: Final = ("示例：统计员 sample statistician", "示例：审核员 sample reviewer")
REASON: Final = "示例：厨余垃圾处理厂更正 12 月数据 sample: the kitchen waste plant corrected its December"
# Of what was reported at first, per cent.
CORRECTED_PERCENT: Final = 130


async def publish_past_years(connection: AsyncConnection, seed: int, today: date) -> None:
    """Whatever these figures need is recorded."""
    proposer, publisher = [await _operator(connection, name) for name in OPERATORS]

    async def published(year: int, restates: int | None = None) -> int | None:
        wanted = PublicationProposal(
            area=nankai.DISTRICT[0],
            period=str(year),
            restates=restates,
            reason=None if restates is None else REASON,
        )
        proposed = await propose(connection, proposer, wanted, formula_id=FORMULA, today=today)
        return (await publish(connection, publisher, proposed.id, today=today)).number

    first = await published(today.year - 2)
    wrong = next(each for each in reversed(draw_inputs(seed, today.year - 2, 12)) if each.kind == "kitchen_treated")
    corrected = replace(wrong, grams=wrong.grams * CORRECTED_PERCENT // 100)
    await queries.insert_inputs(connection, [corrected], proposer.key_id, version=2)
    await published(today.year - 2, first)
    await published(today.year - 1)


async def _operator(connection: AsyncConnection, name: str) -> Operator:
    secret = await create_api_key(connection, role="operator", name=name, demo=True)
    key_id = await queries.operator_key_id(connection, token_hash(secret))
    if key_id is None:
        raise RuntimeError("the key was just made")
    return Operator(key_id, "operator")
