"""Why a weigh event was not simply credited: the codes of single events, as problems are those of whole requests."""

from enum import StrEnum
from typing import Final


class OutcomeCode(StrEnum):
    """`outcome` is the one that the code comes with, of a rule as the shipped set has it; `meaning` says what to do."""

    outcome: str
    label: str
    label_zh: str
    meaning: str

    def __new__(cls, value: str, outcome: str, label: str, label_zh: str, meaning: str) -> "OutcomeCode":
        member = str.__new__(cls, value)
        member._value_ = value
        member.outcome = outcome
        member.label = label
        member.label_zh = label_zh
        member.meaning = meaning
        return member

    INVALID_EVENT = (
        "invalid_event",
        "rejected",
        "Not an event",
        "事件格式错误",
        "The event does not have the form of one; `errors` points at each field. Mend the firmware.",
    )
    UNKNOWN_MATERIAL = (
        "unknown_material",
        "rejected",
        "Material not known",
        "未知材料",
        "No material has this id. Compare the bin's configuration with the service's materials.",
    )
    WEIGHT_OUT_OF_RANGE = (
        "weight_out_of_range",
        "rejected",
        "Weight out of range",
        "重量超出范围",
        "No one drop weighs this much. Check the scale and the unit it reports in.",
    )
    TIME_IN_FUTURE = (
        "time_in_future",
        "held",
        "Time in the future",
        "时间在未来",
        "The event lies further ahead of the service than the bin's signatures do. Set the bin's clock; an event keeps"
        " the time it was first sent with.",
    )
    TIME_TOO_OLD = (
        "time_too_old",
        "held",
        "Time too long ago",
        "时间过早",
        "The event is older than the service credits unasked. Check the bin's clock; an operator decides.",
    )
    TIME_OUT_OF_RANGE = (
        "time_out_of_range",
        "rejected",
        "Not a time of this system",
        "时间超出范围",
        "The time is before 1970 or after 2199. Set the bin's clock.",
    )
    UNSTORABLE = (
        "unstorable",
        "rejected",
        "Cannot be stored",
        "无法存储",
        "The database refuses this event. Do not send it again; keep it and tell the operator.",
    )
    ID_REUSED = (
        "id_reused",
        "conflict",
        "Id was used for another content",
        "事件编号已用于其他内容",
        "The event stays as it was first; this content was recorded and counts nowhere. A new event needs a new id.",
    )
    NO_TARIFF = (
        "no_tariff",
        "held",
        "No tariff in force",
        "当时无有效价格",
        "No tariff was in force for this material at that time. Nothing to do for the bin: an operator decides.",
    )
    TIME_BEFORE_VISIT = (
        "time_before_visit",
        "held",
        "Time before the last service visit",
        "时间早于上次维护",
        "The event lies before the visit at which the bin's clock was set and its memory emptied. Set the bin's clock;"
        " an event keeps the time it was first sent with.",
    )
    SEQUENCE_REUSED = (
        "sequence_reused",
        "held",
        "Sequence was used for another event",
        "序号已用于其他事件",
        "Another event of this bin had this number, and this one is no later. Count on from the highest number that was"
        " used; a retry keeps its id and its number.",
    )
    BELOW_SMALLEST_LOAD = (
        "below_smallest_load",
        "rejected",
        "Below the scale's smallest load",
        "低于最小称量",
        "The scale does not weigh so little for trade. Nothing to send again; show the resident the smallest load.",
    )
    CERTIFICATE_EXPIRED = (
        "certificate_expired",
        "held",
        "Certificate of the scale expired",
        "秤的检定证书已过期",
        "The scale's certificate had ended. Nothing to do for the bin: an operator decides.",
    )
    ABOVE_CAPACITY = (
        "above_capacity",
        "held",
        "Above the capacity",
        "超出容量",
        "More than the scale weighs or the box holds. Check the scale and the unit it reports in; an operator decides.",
    )
    BOX_MASS_SHORT = (
        "box_mass_short",
        "held",
        "Box gained less than the drop",
        "箱重增加少于投放量",
        "The box weighs less than before and the drop together. Nothing to send again: an operator decides.",
    )
    BOX_MASS_OVER = (
        "box_mass_over",
        "held",
        "Box gained more than the drop",
        "箱重增加多于投放量",
        "The box weighs more than before and the drop together. Nothing to send again: an operator decides.",
    )
    HEAVY_DROP = (
        "heavy_drop",
        "held",
        "Heavy for one drop",
        "单次投放过重",
        "More than one drop usually weighs. Nothing to do for the bin: an operator decides.",
    )
    IMPROBABLE_RATE = (
        "improbable_rate",
        "held",
        "More than a bin takes in an hour",
        "每小时投放量异常",
        "More drops or grams than one bin takes in an hour. Nothing to do for the bin: an operator decides.",
    )
    DAY_DROPS = (
        "day_drops",
        "held",
        "Too many drops in one day",
        "当日投放次数超限",
        "More drops than this account may have credited in a day. Nothing to do for the bin: an operator decides.",
    )
    DAY_GRAMS = (
        "day_grams",
        "held",
        "Too many grams in one day",
        "当日投放重量超限",
        "More grams than this account may have credited in a day. Nothing to do for the bin: an operator decides.",
    )
    DAY_COINS = (
        "day_coins",
        "held",
        "Too many coins in one day",
        "当日碳币超限",
        "More coins than this account may earn in a day. Nothing to do for the bin: an operator decides.",
    )
    EMPTIED_MASS_SHORT = (
        "emptied_mass_short",
        "held",
        "Emptied less than was dropped",
        "清运量少于投放量",
        "The box weighed less than the drops since its last emptying. Nothing to send again: an operator looks at it.",
    )
    EMPTIED_MASS_OVER = (
        "emptied_mass_over",
        "held",
        "Emptied more than was dropped",
        "清运量多于投放量",
        "The box weighed more than the drops since its last emptying. Nothing to send again: an operator looks at it.",
    )


# By which an event's own time is doubted.
HELD_FOR_ITS_CLOCK: Final = frozenset(
    code.value for code in (OutcomeCode.TIME_IN_FUTURE, OutcomeCode.TIME_BEFORE_VISIT, OutcomeCode.TIME_TOO_OLD)
)
