"""What people type for areas, kinds, materials, periods and days: ids, or the names and forms that sheets take too."""

import difflib
from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection

from service.errors import AreaUnknown, MaterialUnknown, TanbiError, ValidationFailed
from service.indicator.importing.dates import read_day, read_period
from service.indicator.importing.import_queries import area_names
from service.indicator.importing.rows import kind_names
from service.indicator.importing.words import in_words
from service.indicator.kinds import KINDS
from service.materials import material_names
from service.periods import TO_DATE
from service.sheets.cells import CellWrong, Names, folded, shown

Given = TypeVar("Given")
Refused = Callable[[str, str], TanbiError]

NEAREST_MAX: Final = 5
# How alike two names are of which one may be meant for the other; 1 is the same.
ALIKE: Final = 0.5
# Of so few, all are told.
FEW: Final = 12


class Known:
    """The areas, kinds and materials that there are, by all their names."""

    def __init__(self, areas: Mapping[str, Sequence[str]], materials: Mapping[str, Sequence[str]]) -> None:
        self._areas = areas
        self._materials = materials
        self._kinds = {kind.id: kind_names(kind) for kind in KINDS.values() if kind.recorded}
        self._area_names = Names(areas)
        self._material_names = Names(materials)
        self._kind_names = Names({kind.id: kind_names(kind) for kind in KINDS.values()})

    def area(self, text: str) -> str:
        """The id. Raises AreaUnknown with what may be meant, and ValidationFailed for a name that several have."""
        return _one(
            text,
            self._area_names,
            self._areas,
            lambda zh, en: AreaUnknown(
                f"There is no area {shown(text)}. {en or 'All areas: `tanbi area list`.'}",
                zh=f"没有区域“{shown(text)}”。{zh or '所有区域见 `tanbi area list`。'}",
            ),
        )

    def material(self, text: str) -> str:
        """The same of a material. Raises MaterialUnknown or ValidationFailed."""
        return _one(
            text,
            self._material_names,
            self._materials,
            lambda zh, en: MaterialUnknown(
                f"There is no material {shown(text)}. {en or 'All materials: `tanbi material list`.'}",
                zh=f"没有材料“{shown(text)}”。{zh or '所有材料见 `tanbi material list`。'}",
            ),
        )

    def kind(self, text: str) -> str:
        """The same of a kind that is recorded. Raises ValidationFailed."""
        found = _one(
            text,
            self._kind_names,
            self._kinds,
            lambda zh, en: ValidationFailed(
                f"There is no kind “{shown(text)}”. {en or 'All kinds: `tanbi indicator kinds`.'}",
                zh=f"没有类别“{shown(text)}”。{zh or '所有类别见 `tanbi indicator kinds`。'}",
            ),
        )
        if found not in self._kinds:
            kind = KINDS[found]
            raise ValidationFailed(
                f"{kind.name_en} ({found}) is added up by the system from what bins weighed, and is not recorded.",
                zh=f"“{kind.name_zh}”由系统根据称重自动累计，不能录入。",
            )
        return found


async def read_known(connection: AsyncConnection) -> Known:
    return Known(await area_names(connection), await material_names(connection))


def optional(read: Callable[[str], str], text: str | None) -> str | None:
    """What may be left out."""
    return None if text is None else read(text)


def period_text(text: str) -> str:
    """A period as the API takes it; a year to date as it is. Raises ValidationFailed."""
    if text.endswith(TO_DATE):
        return text
    if _is_day(text):
        raise ValidationFailed(
            f"“{shown(text)}” is a day and not a period. Write 2025, 2025-Q1 or 2025-03.",
            zh=f"“{shown(text)}”是某一天，不是期间。请写成 2025（年）、2025-Q1（季度）或 2025-03（月）。",
        )
    return str(_read(text, read_period))


def fixed_period_text(text: str) -> str:
    """The same where a year to date, which is another period from month to month, is none. Raises ValidationFailed."""
    if text.endswith(TO_DATE):
        raise ValidationFailed(
            f"“{shown(text)}” is a year to date, which ends with another month each month, and is only read. Write"
            " 2025, 2025-Q1 or 2025-03.",
            zh=f"“{shown(text)}”是年初至今，每月不同，只能用于查询。"
            "请写成 2025（年）、2025-Q1（季度）或 2025-03（月）。",
        )
    return period_text(text)


def day_text(text: str) -> str:
    """A day as the API takes it. Raises ValidationFailed."""
    return _read(text, read_day).isoformat()


def _is_day(text: str) -> bool:
    """A month that a spreadsheet has turned into its first day is a month there; whoever types a day means one."""
    try:
        read_day(text)
    except CellWrong:
        return False
    return True


def _read(text: str, read: Callable[[str], Given]) -> Given:
    try:
        return read(text)
    except CellWrong as wrong:
        raise refused_cell(wrong) from None


def refused_cell(wrong: CellWrong) -> ValidationFailed:
    """What a sheet would be told of a cell, for what was typed."""
    zh, en = in_words(wrong.code, None, None, None, wrong.values)
    return ValidationFailed(en, zh=zh)


def _one(text: str, names: Names, told: Mapping[str, Sequence[str]], unknown: Refused) -> str:
    found = names.find(text)
    if len(found) > 1:
        raise ValidationFailed(
            f"“{shown(text)}” may be any of: {_listed(found, told, 1)}. Write the id.",
            zh=f"“{shown(text)}”不止一个：{_listed(found, told, 0)}。请填写编号。",
        )
    if not found:
        raise unknown(*_nearest(text, told))
    return found[0]


def _nearest(text: str, told: Mapping[str, Sequence[str]]) -> tuple[str, str]:
    """Which may be meant, Chinese and English; of few, all of them; empty where nothing is near."""
    if len(told) <= FEW:
        zh, en = (_listed(told, told, language) for language in (0, 1))
        return f"现有：{zh}。", f"There are: {en}."
    by_name = {folded(name): each for each, names in told.items() for name in (each, *names)}
    typed = folded(text)
    near = [name for name in by_name if typed in name]
    near += difflib.get_close_matches(typed, by_name, n=2 * NEAREST_MAX, cutoff=ALIKE)
    ids = list(dict.fromkeys(by_name[name] for name in near))[:NEAREST_MAX]
    if not ids:
        return "", ""
    return f"最接近的：{_listed(ids, told, 0)}。", f"The nearest: {_listed(ids, told, 1)}."


def _listed(ids: Sequence[str] | Mapping[str, object], told: Mapping[str, Sequence[str]], language: int) -> str:
    """With the names in one language."""
    if language == 0:
        return "、".join(f"{told[each][0]}（{each}）" for each in ids)
    return ", ".join(f"{told[each][1]} ({each})" for each in ids)
