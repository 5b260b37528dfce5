"""The tables of docs/plausibility.md, made from the rules, the shipped set and words; `make rules` writes them."""

import json
from pathlib import Path

from service.plausibility.rules import RULES
from service.plausibility.standard import STANDARD_RULES
from service.plausibility.words import LABELS, WORDS, for_resident

PAGE = Path(__file__).parent.parent / "docs" / "plausibility.md"
RULES_HEAD = "| rule | finds | can be set to | as shipped | the resident is told |\n|---|---|---|---|---|\n"
GUARDS_HEAD = "| code | finds | the resident is told |\n|---|---|---|\n"


def tables() -> dict[str, str]:
    """By head: the rules, and what is held without one."""
    guards = [code for code in WORDS if code not in RULES]
    return {
        RULES_HEAD: RULES_HEAD + "".join(_rule(*rule) for rule in STANDARD_RULES),
        GUARDS_HEAD: GUARDS_HEAD + "".join(f"| `{code}` | {_finds(code)} | {_told(code)} |\n" for code in guards),
    }


def table_of(page: str, head: str) -> str:
    """From its head to the first line that is no row."""
    rows = page[page.index(head) :].splitlines(keepends=True)
    end = next((number for number, row in enumerate(rows) if not row.startswith("|")), len(rows))
    return "".join(rows[:end])


def _rule(code: str, action: str, parameters: dict[str, object]) -> str:
    settable = "<br>".join(
        f"`{name}`: {field.description}" for name, field in RULES[code].parameters.model_fields.items()
    )
    shipped = " ".join(f"{name}={json.dumps(value)}" for name, value in parameters.items())
    return f"| `{code}` | {_finds(code)} | {settable} | `{f'{action} {shipped}'.rstrip()}` | {_told(code)} |\n"


def _finds(code: str) -> str:
    return f"{LABELS[code].label} · {LABELS[code].label_zh}"


def _told(code: str) -> str:
    told = (for_resident(code, "zh"), for_resident(code, "en"))
    return "<br>".join(each for each in told if each is not None) or "nothing: it is of no drop"


if __name__ == "__main__":
    text = PAGE.read_text()
    for head, table in tables().items():
        text = text.replace(table_of(text, head), table)
    PAGE.write_text(text)
