"""Why a weigh event was not simply credited: the codes of single events, as problems are those of whole requests."""

from enum import StrEnum


class OutcomeCode(StrEnum):
    """`outcome` is the one that the code comes with; `meaning` says what to do."""

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
        "Not a weigh event",
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
        "rejected",
        "Time in the future",
        "时间在未来",
        "The bin's clock is ahead. Set it; an event keeps the time it was first sent with.",
    )
    TIME_TOO_OLD = (
        "time_too_old",
        "rejected",
        "Time too long ago",
        "时间过早",
        "The event is older than the service takes. Check the bin's clock.",
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
        "The event stays as it was first; this content was recorded and not credited. A new drop needs a new id.",
    )
    NO_TARIFF = (
        "no_tariff",
        "held",
        "No tariff in force",
        "当时无有效价格",
        "No tariff was in force for this material at that time. Nothing to do for the bin: an operator decides.",
    )
