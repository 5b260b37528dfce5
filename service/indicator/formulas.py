"""The formulas a recycling rate can be computed by: pure functions of exact masses, each with its definition.

Which one is the district's is for the district to confirm (FACTS.md), so every answer names its formula and version. A
formula that was published by is never edited: a change is a new version beside it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from types import MappingProxyType
from typing import Final, TypeAlias

from service.indicator.kinds import CountedAt

RATE_DIGITS: Final = 6
PERCENT_DIGITS: Final = 2
# A mass times a share of six digits has no more.
GRAMS_DIGITS: Final = 6


@dataclass(frozen=True, slots=True)
class Quantity:
    """What a formula is made of, in grams: the sum of a kind's inputs, each times its share where it has one.

    `mass` is None for the recyclables, whose kinds follow from the way of counting.
    """

    id: str
    symbol: str
    name_zh: str
    name_en: str
    mass: str | None
    share: str | None = None


QUANTITIES: Final = MappingProxyType(
    {
        each.id: each
        for each in (
            Quantity("recovered", "R", "可回收物回收量", "recyclables recovered", None),
            Quantity("kitchen_treated", "K", "厨余垃圾处理量", "kitchen waste treated", "kitchen_treated"),
            Quantity("cleared", "C", "生活垃圾清运量", "waste cleared", "cleared"),
            Quantity("generated", "G", "生活垃圾产生量", "waste generated", "generated"),
            Quantity("disposed", "D", "生活垃圾处置量", "waste disposed of", "disposed"),
            Quantity("exported", "X", "生活垃圾运出量", "waste exported", "exported"),
            Quantity("imported", "M", "生活垃圾运入量", "waste imported", "imported"),
            Quantity("yard_rejects", "J", "分拣后弃除量", "rejects after sorting", "yard_rejects"),
            Quantity(
                "kitchen_residue",
                "K×r",
                "厨余处理残渣量",
                "residue of kitchen waste plants",
                "kitchen_treated",
                "residue_share",
            ),
            Quantity("burned_used", "B×f", "焚烧折算利用量", "waste burned, converted", "burned", "burned_factor"),
            Quantity(
                "kitchen_used",
                "K×f",
                "厨余折算利用量",
                "kitchen waste treated, converted",
                "kitchen_treated",
                "kitchen_factor",
            ),
            Quantity(
                "landfilled_used",
                "L×f",
                "填埋折算利用量",
                "waste landfilled, converted",
                "landfilled",
                "landfilled_factor",
            ),
        )
    }
)

# Grams by quantity.
Amounts: TypeAlias = Mapping[str, Fraction]


@dataclass(frozen=True, slots=True)
class Quotient:
    """A rate before it is divided, so that it can be recomputed to the last digit. Grams."""

    numerator_grams: Fraction
    denominator_grams: Fraction


@dataclass(frozen=True, slots=True)
class Formula:
    """`needs`: the quantities without which there is no rate; of `ways` of counting recyclables, the first is usual.

    `stand_ins`: the quantity that may stand in for another that is not recorded. `also_needs`: by way of counting.
    `valid_from`: the first year it is defined for; None where no source says.
    """

    id: str
    version: int
    definition_zh: str
    definition_en: str
    source: str
    standing_zh: str
    standing_en: str
    needs: tuple[str, ...]
    quotient: Callable[[Amounts], Quotient]
    ways: tuple[CountedAt, ...] = ("origin", "station", "yard", "plant")
    also_needs: Mapping[CountedAt, tuple[str, ...]] = field(default_factory=dict)
    stand_ins: Mapping[str, str] = field(default_factory=dict)
    valid_from: int | None = None

    def needed(self, counted_at: CountedAt) -> tuple[str, ...]:
        return (*self.needs, *self.also_needs.get(counted_at, ()))


def cleared_plus_recovered(amounts: Amounts) -> Quotient:
    """(R + K) ÷ (C + R): what arose is what was cleared and what was recovered."""
    recovered = amounts["recovered"]
    return Quotient(recovered + amounts["kitchen_treated"], amounts["cleared"] + recovered)


def generated(amounts: Amounts) -> Quotient:
    """(R + K) ÷ G."""
    return Quotient(amounts["recovered"] + amounts["kitchen_treated"], amounts["generated"])


def net_residue(amounts: Amounts) -> Quotient:
    """(R + K × (1 − residue)) ÷ (C + R)."""
    recovered = amounts["recovered"]
    net = amounts["kitchen_treated"] - amounts["kitchen_residue"]
    return Quotient(recovered + net, amounts["cleared"] + recovered)


def entering_recycling(amounts: Amounts) -> Quotient:
    """What enters the recycling operation ÷ G; counted at the yard, less what was rejected later."""
    return Quotient(amounts["recovered"] - amounts.get("yard_rejects", Fraction(0)), amounts["generated"])


def resource_utilisation(amounts: Amounts) -> Quotient:
    """(R + Σ treated by way × its conversion factor) ÷ (R + C)."""
    recovered = amounts["recovered"]
    used = amounts["burned_used"] + amounts["kitchen_used"] + amounts["landfilled_used"]
    return Quotient(recovered + used, recovered + amounts["cleared"])


def recycled_and_disposed(amounts: Amounts) -> Quotient:
    """Recycled ÷ (recycled + disposed + exported − imported)."""
    recovered = amounts["recovered"]
    return Quotient(recovered, recovered + amounts["disposed"] + amounts["exported"] - amounts["imported"])


FORMULAS: Final = MappingProxyType(
    {
        formula.id: formula
        for formula in (
            Formula(
                id="cn.cleared_plus_recovered",
                version=1,
                definition_zh="（可回收物回收量 R + 厨余垃圾处理量 K）÷（生活垃圾清运量 C + 可回收物回收量 R）",
                definition_en="(recyclables recovered R + kitchen waste treated K) ÷ (waste cleared C + recyclables"
                " recovered R)",
                source="城市生活垃圾回收利用率：未进入焚烧和填埋设施的可回收物和厨余垃圾占产生量的比例；"
                "产生量以清运量与回收量之和计",
                standing_zh="默认口径，发布前由区里确认",
                standing_en="the default; the district confirms it before publication",
                needs=("recovered", "kitchen_treated", "cleared"),
                quotient=cleared_plus_recovered,
            ),
            Formula(
                id="cn.generated",
                version=1,
                definition_zh="（可回收物回收量 R + 厨余垃圾处理量 K）÷ 生活垃圾产生量 G；产生量不详时以清运量 C 代替",
                definition_en="(recyclables recovered R + kitchen waste treated K) ÷ waste generated G; where G is not"
                " known, waste cleared C stands in for it",
                source="国家指导文件的二次转载",
                standing_zh="仅见于二次转载",
                standing_en="seen in secondary copies of the national guidance",
                needs=("recovered", "kitchen_treated", "generated"),
                quotient=generated,
                stand_ins={"generated": "cleared"},
            ),
            Formula(
                id="cn.net_residue",
                version=1,
                definition_zh="（可回收物回收量 R + 厨余垃圾处理量 K ×（1 − 残渣率））÷"
                "（生活垃圾清运量 C + 可回收物回收量 R）",
                definition_en="(recyclables recovered R + kitchen waste treated K × (1 − residue)) ÷ (waste cleared C +"
                " recyclables recovered R)",
                source="部分城市扣除厨余处理残渣的做法",
                standing_zh="推断口径：部分城市扣除厨余处理设施的残渣",
                standing_en="inferred: some cities deduct the residue of kitchen-waste plants",
                needs=("recovered", "kitchen_treated", "kitchen_residue", "cleared"),
                quotient=net_residue,
            ),
            Formula(
                id="eu.2019_1004",
                version=1,
                definition_zh="进入再生利用工序的重量 ÷ 生活垃圾产生量 G；以分拣产出计时须扣除其后的弃除量",
                definition_en="weight entering the recycling operation ÷ municipal waste generated G; the output of"
                " sorting counts if later rejects are deducted",
                source="Commission Implementing Decision (EU) 2019/1004",
                standing_zh="欧盟口径，供对照",
                standing_en="the rule of the European Union, to compare with",
                needs=("recovered", "generated"),
                quotient=entering_recycling,
                ways=("plant", "yard"),
                also_needs={"yard": ("yard_rejects",)},
                valid_from=2020,
            ),
            Formula(
                id="cn.resource_utilisation",
                version=1,
                definition_zh="（可回收物回收量 R + Σ 各方式处理量 × 折算系数）÷"
                "（可回收物回收量 R + 生活垃圾清运量 C）；"
                "方式为焚烧、厨余处理、填埋",
                definition_en="(recyclables recovered R + Σ treated by way × its conversion factor) ÷ (recyclables"
                " recovered R + waste cleared C); ways: burning, kitchen-waste plants, landfill",
                source="生活垃圾资源化利用率，2025 年全国约 60%",
                standing_zh="姊妹指标“生活垃圾资源化利用率”，折算系数为录入数据",
                standing_en="the sister indicator 生活垃圾资源化利用率; its factors are inputs",
                needs=("recovered", "burned_used", "kitchen_used", "landfilled_used", "cleared"),
                quotient=resource_utilisation,
            ),
            Formula(
                id="us.epa1997",
                version=1,
                definition_zh="回收量 R ÷（回收量 R + 处置量 D + 运出量 X − 运入量 M）",
                definition_en="recycled R ÷ (recycled R + disposed D + exported X − imported M)",
                source="US EPA, Measuring Recycling: A Guide for State and Local Governments, 1997; 30 TAC §328.9",
                standing_zh="美国环保署 1997 年指南，供对照",
                standing_en="the measuring guide of the US EPA, to compare with",
                needs=("recovered", "disposed", "exported", "imported"),
                quotient=recycled_and_disposed,
                valid_from=1997,
            ),
        )
    }
)


# Former versions of formulas, of which something was published: none yet.
FORMER: Final[tuple[Formula, ...]] = ()
_BY_VERSION: Final = {(each.id, each.version): each for each in (*FORMULAS.values(), *FORMER)}


def formula_of_version(formula_id: str, version: int) -> Formula:
    """As it was published by, for ever. Raises KeyError where there was none."""
    return _BY_VERSION[formula_id, version]


def rate_of(quotient: Quotient) -> Fraction | None:
    """The exact rate; None where the masses contradict each other: more recycled than arose, or nothing arose."""
    if not 0 <= quotient.numerator_grams <= quotient.denominator_grams or quotient.denominator_grams == 0:
        return None
    return quotient.numerator_grams / quotient.denominator_grams


def decimal_text(value: Fraction, digits: int) -> str:
    """`value` with `digits` digits after the point, half to even: 5/13 with six is 0.384615."""
    return format(Decimal(round(value * 10**digits)).scaleb(-digits), f".{digits}f")


def exact_grams(grams: Fraction) -> str:
    """All digits that there are, and no more: 12, or 12.05. Raises ValueError for what needs more than six."""
    scaled = grams * 10**GRAMS_DIGITS
    if scaled.denominator != 1:
        raise ValueError(f"{grams} g has more than {GRAMS_DIGITS} digits")
    whole, _, rest = decimal_text(grams, GRAMS_DIGITS).partition(".")
    return f"{whole}.{rest.rstrip('0')}".rstrip(".")
