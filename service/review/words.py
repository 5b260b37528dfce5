"""Why a drop was held, in the words of whoever reads it."""

from typing import Any, Final

from schemas.outcome_codes import OutcomeCode
from schemas.reviews import Finding

KNOWN: Final = {code.value: code for code in OutcomeCode}


def findings_in_words(findings: list[dict[str, Any]]) -> list[Finding]:
    """As they are stored: [{"code", "figures"}]. A code that this release does not know stands for itself."""
    return [_finding(each["code"], each.get("figures", {})) for each in findings]


def _finding(code: str, figures: dict[str, Any]) -> Finding:
    known = KNOWN.get(code)
    if known is None:
        return Finding(code=code, sentence=code, sentence_en=code, figures=figures)
    return Finding(code=code, sentence=known.label_zh, sentence_en=known.label, figures=figures)
