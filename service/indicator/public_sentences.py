"""What is said to everyone of the running year: what is missing, why there is no rate, how the year is projected. Pure.

To operators the same is said with sources as somebody typed them, which can be a person's name, and with exact grams,
in which who asks every minute would see each drop.
"""

from collections.abc import Iterable, Mapping, Sequence
from decimal import ROUND_FLOOR, Decimal
from typing import Final

from schemas.indicator import Coverage, MissingLine, Outlook
from schemas.indicator_inputs import DueLine
from service.indicator.evidence import Tree
from service.indicator.kinds import KINDS
from service.indicator.public_page import CoverageInWords
from service.indicator.public_words import Named, period_text
from service.indicator.words import NAMED_MAX, how_projected
from service.periods import Period

# Sentences of what is missing, as many as a person reads.
MISSING_MAX: Final = 30
NO_SUCH_RATE: Final = Named(
    "按报送的数据得不出 0 到 100% 之间的回收利用率，需要核对。",
    "What is reported gives no rate between 0 and 100%: it has to be checked.",
)
GOES_ON: Final = Named(
    "往年无可比数据的按已报月份平均推算。", " What no past year can be compared with goes on as in its months so far."
)


def for_everyone(outlook: Outlook, names: Mapping[str, Named]) -> Outlook:
    """With its sentences as everyone may read them; `names` are of areas, by their ids."""
    reason, projection = _reason(outlook, names), outlook.projection
    if projection is not None:
        how = how_projected(Period.parse(outlook.so_far.period), projection.past_years, (), Tree({}))
        # More was said, by whom.
        goes_on = GOES_ON if how.zh != projection.how_zh else Named("", "")
        projection = projection.model_copy(update={"how_zh": how.zh + goes_on.zh, "how_en": how.en + goes_on.en})
    reasons = {"reason_zh": None if reason is None else reason.zh, "reason_en": None if reason is None else reason.en}
    return outlook.model_copy(update={**reasons, "projection": projection})


def _reason(outlook: Outlook, names: Mapping[str, Named]) -> Named | None:
    if outlook.reason_zh is None or outlook.reason_en is None:
        return None
    so_far = outlook.so_far
    if so_far.rate is None and so_far.numerator_grams is not None:
        return NO_SUCH_RATE
    # What only the coverage misses holds up no rate.
    missing = _all_missing([(each.kind, each) for each in so_far.missing], names)
    if so_far.rate is not None or not missing:
        # Of the formula or of past years: it names neither who reports nor how much.
        return Named(outlook.reason_zh, outlook.reason_en)
    zh, en = "；".join(each.zh for each in missing[:NAMED_MAX]), "; ".join(each.en for each in missing[:NAMED_MAX])
    more = len(missing) > NAMED_MAX
    return Named(
        f"{period_text(so_far.period, 'zh')}暂无法计算，还缺：{zh}{'等' * more}。",
        f"No rate yet for {period_text(so_far.period, 'en')}. Missing so far: {en}{' and others' * more}.",
    )


def _all_missing(lines: Iterable[tuple[str, MissingLine | DueLine]], names: Mapping[str, Named]) -> list[Named]:
    """By kind and area, whoever of it has not reported: sources are named as operators typed them, which can be a
    person."""
    found: dict[tuple[str, str], set[str]] = {}
    for kind, line in lines:
        found.setdefault((kind, line.area), set()).update(line.months)
    return [
        _missing(kind, names.get(area_id, Named(area_id, area_id)), sorted(months))
        for (kind, area_id), months in found.items()
    ]


def coverage_in_words(coverage: Coverage, period: str, names: Mapping[str, Named]) -> CoverageInWords | None:
    """Of the running year's months so far; None where nothing is due yet. `names` are of areas, by their ids."""
    if coverage.share is None:
        return None
    missing = _all_missing([(each.kind, line) for each in coverage.kinds for line in each.missing], names)
    # Downwards: what is not whole is never said to be.
    percent = (Decimal(coverage.share) * 100).quantize(Decimal("0.1"), rounding=ROUND_FLOOR).normalize()
    months = [str(month) for month in Period.parse(period).months]
    return CoverageInWords(months, percent, missing[:MISSING_MAX])


def _missing(kind: str, area: Named, months: Sequence[str]) -> Named:
    found = KINDS[kind]
    named = months[:NAMED_MAX]
    more = len(months) > NAMED_MAX
    zh = "、".join(period_text(month, "zh") for month in named) + "等" * more
    en = ", ".join(period_text(month, "en") for month in named) + " and others" * more
    # A share is missing for a mass, and for no month of its own.
    zh, en = (f"：{zh}", f": {en}") if named else ("", "")
    return Named(f"{area.zh}{found.name_zh}{zh}", f"{found.name_en} of {area.en}{en}")
