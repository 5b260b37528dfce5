"""The table of docs/settings.md, made from service/settings.py; `make settings` writes it."""

from pathlib import Path
from typing import Any

import annotated_types
from pydantic import SecretStr
from pydantic.fields import FieldInfo

from service.settings import Settings

PAGE = Path(__file__).parent.parent / "docs" / "settings.md"
HEAD = "| variable | default | values | what it says |\n|---|---|---|---|\n"
# The last part of a name that is its unit.
UNITS = {"seconds": "s", "days": "days", "bytes": "bytes", "grams": "g"}


def settings_table() -> str:
    return HEAD + "".join(_row(name, field) for name, field in Settings.model_fields.items())


def table_of(page: str) -> str:
    """From its head to the first line that is no row."""
    rows = page[page.index(HEAD) :].splitlines(keepends=True)
    end = next((number for number, row in enumerate(rows) if not row.startswith("|")), len(rows))
    return "".join(rows[:end])


def _row(name: str, field: FieldInfo) -> str:
    unit = next((UNITS[part] for part in reversed(name.split("_")) if part in UNITS), "")
    default = "" if field.default_factory is not None else _shown(field.default)
    if default and unit:
        default += f" {unit}"
    return f"| `TANBI_{name.upper()}` | {default or 'see there'} | {_bounds(field)} | {field.description} |\n"


def _shown(default: Any) -> str:
    value = default.get_secret_value() if isinstance(default, SecretStr) else default
    if value is None or value == "":
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def _bounds(field: FieldInfo) -> str:
    words = []
    for bound in field.metadata:
        match bound:
            case annotated_types.Ge(ge=value):
                words.append(f"at least {value}")
            case annotated_types.Gt(gt=value):
                words.append(f"above {value}")
            case annotated_types.Le(le=value):
                words.append(f"at most {value}")
    return ", ".join(words)


if __name__ == "__main__":
    text = PAGE.read_text()
    PAGE.write_text(text.replace(table_of(text), settings_table()))
