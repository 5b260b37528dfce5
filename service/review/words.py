"""Why a drop was held, in the words of whoever reads it."""

from typing import Any

from schemas.reviews import Finding, HeldReason
from service.plausibility.words import for_operators, for_resident


def findings_in_words(findings: list[dict[str, Any]]) -> list[Finding]:
    """For operators, with the figures; `findings` are as they are stored: [{"code", "figures"}]."""
    return [
        Finding(
            code=each["code"],
            sentence=for_operators(each["code"], each["figures"], "zh"),
            sentence_en=for_operators(each["code"], each["figures"], "en"),
            figures=each["figures"],
        )
        for each in findings
    ]


def reasons_in_words(findings: list[dict[str, Any]]) -> list[HeldReason]:
    """For the resident whose drop it was: of rules that have something to say to them."""
    told = [(each["code"], for_resident(each["code"], "zh"), for_resident(each["code"], "en")) for each in findings]
    return [
        HeldReason(code=code, sentence=sentence, sentence_en=sentence_en)
        for code, sentence, sentence_en in told
        if sentence is not None and sentence_en is not None
    ]
