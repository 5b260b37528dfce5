"""What people are told of a finding: operators with its figures, the resident whose drop it was in kind words.

Neither says what becomes of the drop: that is decided by the rule's action, and by people.
"""

import string
from collections.abc import Mapping
from typing import Final, Literal, NamedTuple, TypeAlias

from schemas.outcome_codes import OutcomeCode

Language: TypeAlias = Literal["zh", "en"]


class Words(NamedTuple):
    """Sentences in one language. Of `operators` those are told whose figures are there."""

    operators: tuple[str, ...]
    # None of what no resident hears of.
    resident: str | None


_CLOCK_ZH: Final = "这台设备当时的时钟不准，投放时间需要核对。这不是您的问题。"
_CLOCK_EN: Final = "The bin's clock was wrong, so the time of this drop is being looked at. It is nothing you did."

WORDS: Final[Mapping[str, Mapping[Language, Words]]] = {
    "time_in_future": {
        "zh": Words(("事件时间比服务器快 {seconds_ahead:,} 秒，而其签名时间差仅为 {skew_seconds:,} 秒。",), _CLOCK_ZH),
        "en": Words(
            (
                "The event lies {seconds_ahead:,} s ahead of the service; the skew of its signature was"
                " {skew_seconds:,} s.",
            ),
            _CLOCK_EN,
        ),
    },
    "time_before_visit": {
        "zh": Words(
            ("事件时间比设备上次维护早 {seconds_before:,} 秒，而其签名时间差仅为 {skew_seconds:,} 秒。",), _CLOCK_ZH
        ),
        "en": Words(
            (
                "The event lies {seconds_before:,} s before the bin's last service visit; the skew of its signature was"
                " {skew_seconds:,} s.",
            ),
            _CLOCK_EN,
        ),
    },
    "time_too_old": {
        "zh": Words(("事件时间过早，不能自动入账。",), _CLOCK_ZH),
        "en": Words(("The event is older than what the service credits unasked.",), _CLOCK_EN),
    },
    "sequence_reused": {
        "zh": Words(
            ("序号 {sequence} 已被使用，且事件并不更晚；该设备目前的最大序号为 {highest}。",),
            "设备的计数出了差错，我们要确认这次投放没有被重复记录。这不是您的问题。",
        ),
        "en": Words(
            ("The number {sequence} was used before, and this event is no later; the highest is {highest}.",),
            "The bin made a mistake in counting, and we make sure that this drop is not counted twice. It is nothing"
            " you did.",
        ),
    },
    "no_tariff": {
        "zh": Words(("投放时该材料没有有效价格。",), "投放时这种材料还没有定价，确定后会为您处理。"),
        "en": Words(
            ("No tariff was in force for the material at the time of the drop.",),
            "There was no price for this material yet when you dropped it.",
        ),
    },
    "below_smallest_load": {
        "zh": Words(
            ("投放重 {weight_grams:,} 克，低于该秤的最小称量 {least_grams:,} 克。",),
            "这次投放太轻，秤无法准确称量。攒多一些再投就可以了。",
        ),
        "en": Words(
            ("The drop weighed {weight_grams:,} g; the scale's smallest load is {least_grams:,} g.",),
            "This drop was lighter than the scale can weigh exactly. Collecting a little more first helps.",
        ),
    },
    "certificate_expired": {
        "zh": Words(
            ("投放发生在该秤检定证书到期后的第 {days_over:,} 天。",),
            "这台设备的秤正等待检定，这次的重量需要核对。这不是您的问题。",
        ),
        "en": Words(
            ("The drop was weighed on day {days_over:,} after the scale's certificate had ended.",),
            "The scale of this bin was due for its official check, so its weight is being looked at. It is nothing you"
            " did.",
        ),
    },
    "above_capacity": {
        "zh": Words(
            (
                "投放重 {weight_grams:,} 克，超出该秤的最大称量 {capacity_grams:,} 克。",
                "箱内重 {box_weight_grams:,} 克，超出箱体容量 {box_capacity_grams:,} 克。",
            ),
            "设备报告的重量超出了它能称或能装的范围，可能是箱体已满。我们会核对称重。",
        ),
        "en": Words(
            (
                "The drop weighed {weight_grams:,} g; the scale weighs {capacity_grams:,} g at most.",
                "The box weighed {box_weight_grams:,} g; it holds {box_capacity_grams:,} g at most.",
            ),
            "The bin told a weight beyond what it can weigh or hold; its box may have been full. The weighing is being"
            " looked at.",
        ),
    },
    "box_mass_short": {
        "zh": Words(
            (
                "箱重由 {box_grams_before:,} 克变为 {box_grams_after:,} 克，投放称得 {weight_grams:,} 克：少"
                " {difference_grams:,} 克，允许误差 {permissible_grams:,} 克。",
                "投放称得 {weight_grams:,} 克，箱重却只有 {box_grams_at_most:,} 克：少 {difference_grams:,} 克，"
                "允许误差 {permissible_grams:,} 克。",
            ),
            "箱内增加的重量比这次称得的少，我们会核对这次称重。",
        ),
        "en": Words(
            (
                "The box went from {box_grams_before:,} g to {box_grams_after:,} g at a drop of {weight_grams:,} g:"
                " {difference_grams:,} g too little, where {permissible_grams:,} g are permissible.",
                "The box weighed {box_grams_at_most:,} g after a drop of {weight_grams:,} g: {difference_grams:,} g too"
                " little, where {permissible_grams:,} g are permissible.",
            ),
            "The box did not gain as much as the scale showed for this drop, so the weighing is being looked at.",
        ),
    },
    "box_mass_over": {
        "zh": Words(
            (
                "箱重由 {box_grams_before:,} 克变为 {box_grams_after:,} 克，投放称得 {weight_grams:,} 克：多"
                " {difference_grams:,} 克，允许误差 {permissible_grams:,} 克。",
            ),
            "箱内增加的重量比这次称得的多，我们会核对这次称重。",
        ),
        "en": Words(
            (
                "The box went from {box_grams_before:,} g to {box_grams_after:,} g at a drop of {weight_grams:,} g:"
                " {difference_grams:,} g too much, where {permissible_grams:,} g are permissible.",
            ),
            "The box gained more than the scale showed for this drop, so the weighing is being looked at.",
        ),
    },
    "heavy_drop": {
        "zh": Words(
            ("投放重 {weight_grams:,} 克，超出单次上限 {grams_max:,} 克达 {grams_over:,} 克。",),
            "这次投放比平常重很多，我们会先看一下。",
        ),
        "en": Words(
            ("The drop weighed {weight_grams:,} g, {grams_over:,} g more than the {grams_max:,} g of one drop.",),
            "This drop was much heavier than drops usually are, so it is being looked at first.",
        ),
    },
    "improbable_rate": {
        "zh": Words(
            ("该设备在这一小时内有 {drops:,} 次投放，共 {grams:,} 克；上限为 {drops_max:,} 次、{grams_max:,} 克。",),
            "这台设备在这一小时内的投放特别多，我们会逐一核对。这不一定与您有关。",
        ),
        "en": Words(
            (
                "The bin had {drops:,} drops with {grams:,} g in this hour; {drops_max:,} drops and {grams_max:,} g are"
                " the most.",
            ),
            "There was unusually much at this bin within one hour, so its drops are being looked at. That need not be"
            " because of you.",
        ),
    },
    "day_drops": {
        "zh": Words(
            ("这是该账户当天的第 {drops:,} 次投放，上限为 {drops_max:,} 次。",),
            "这一天您的投放次数比平常多，我们会先看一下。",
        ),
        "en": Words(
            ("This is drop {drops:,} of the account on this day; {drops_max:,} are the most.",),
            "You had more drops than usual on this day, so this one is being looked at first.",
        ),
    },
    "day_grams": {
        "zh": Words(
            ("该账户当天累计 {grams:,} 克，超出上限 {grams_max:,} 克达 {grams_over:,} 克。",),
            "这一天您投放的重量比平常多，我们会先看一下。",
        ),
        "en": Words(
            (
                "The account would reach {grams:,} g on this day, {grams_over:,} g more than the {grams_max:,} g of a"
                " day.",
            ),
            "You brought more than usual on this day, so this drop is being looked at first.",
        ),
    },
    "day_coins": {
        "zh": Words(
            ("该账户当天累计 {coins:,} 碳币，超出上限 {coins_max:,} 达 {coins_over:,}。",),
            "这一天您获得的碳币比平常多，我们会先看一下。",
        ),
        "en": Words(
            (
                "The account would reach {coins:,} coins on this day, {coins_over:,} more than the {coins_max:,} of a"
                " day.",
            ),
            "You would have earned more coins than usual on this day, so this drop is being looked at first.",
        ),
    },
    "emptied_mass_short": {
        "zh": Words(
            (
                "清运前箱重 {mass_before_grams:,} 克，按投放应为 {expected_grams:,} 克：少 {difference_grams:,} 克，"
                "允许误差 {permissible_grams:,} 克。",
            ),
            None,
        ),
        "en": Words(
            (
                "The box weighed {mass_before_grams:,} g before it was emptied; by its drops it held"
                " {expected_grams:,} g: {difference_grams:,} g too little, where {permissible_grams:,} g are"
                " permissible.",
            ),
            None,
        ),
    },
    "emptied_mass_over": {
        "zh": Words(
            (
                "清运前箱重 {mass_before_grams:,} 克，按投放应为 {expected_grams:,} 克：多 {difference_grams:,} 克，"
                "允许误差 {permissible_grams:,} 克。",
            ),
            None,
        ),
        "en": Words(
            (
                "The box weighed {mass_before_grams:,} g before it was emptied; by its drops it held"
                " {expected_grams:,} g: {difference_grams:,} g too much, where {permissible_grams:,} g are"
                " permissible.",
            ),
            None,
        ),
    },
}


LABELS: Final = {code.value: code for code in OutcomeCode}


def for_operators(code: str, figures: Mapping[str, int], language: Language) -> str:
    """What was found, with its figures; of a code that this release does not know, the code."""
    if code not in LABELS:
        return code
    sentences = WORDS[code][language].operators if code in WORDS else ()
    told = [each for each in sentences if named_figures(each) <= figures.keys()]
    if told:
        return (" " if language == "en" else "").join(each.format_map(figures) for each in told)
    # What was rejected for its form, or held before the figures were kept.
    return LABELS[code].label_zh if language == "zh" else LABELS[code].label


def for_resident(code: str, language: Language) -> str | None:
    """Why the drop is looked at, in words for the one who brought it; None where there is nothing to say."""
    return WORDS[code][language].resident if code in WORDS else None


def named_figures(sentence: str) -> set[str]:
    """The figures that a sentence tells."""
    return {name for _, name, _, _ in string.Formatter().parse(sentence) if name is not None}
