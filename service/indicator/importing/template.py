"""The sheet to fill in, as a workbook and as CSV. What is written here is read by `reading`."""

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from service.files.sheets import open_book
from service.indicator.importing.amounts import UNIT_BY_SPELLING, UNITS_THERE_ARE, Unit
from service.indicator.importing.columns import COLUMNS, Column
from service.indicator.kinds import KINDS, POINTS, Kind

INPUTS_SHEET: Final = "填报 Inputs"
NOTES_SHEET: Final = "说明 Notes"
LISTS_SHEET: Final = "列表 Lists"
# Rows that have the lists and formats; more may be filled in.
ROWS_PREPARED: Final = 5_000
WIDTHS: Final = {
    "area": 26,
    "period": 16,
    "kind": 30,
    "source": 26,
    "material": 18,
    "amount": 24,
    "document": 36,
    "document_date": 24,
    "document_sha256": 68,
}
# What a column takes, Chinese and English, and an example.
NOTES: Final[Mapping[str, tuple[str, str, str]]] = {
    "area": ("区域编号或名称，从列表中选择", "The area's id or name, from the list", "nankai"),
    "period": (
        "年 2025、季度 2025-Q1 或月 2025-03；也可写 2025年3月",
        "A year 2025, a quarter 2025-Q1 or a month 2025-03",
        "2025-03",
    ),
    "kind": ("类别编号或名称，见下表", "The kind's id or name, from the table below", "生活垃圾清运量"),
    "source": (
        "谁称的重。同一类别的不同来源会相加，同一批物品只填一个来源",
        "Who weighed it. Sources of one kind add up, so a mass comes from one of them only",
        "区城管委",
    ),
    "material": ("可不填。仅可回收物的类别可以分材料", "May be empty. Only kinds of recyclables have materials", ""),
    "amount": (
        "数字，单位写在表头括号里。没有发生填 0，撤回原数据填“撤回”。不能用公式",
        "A number; its unit stands in the header. 0 for none, “withdraw” to take a record back. No formulas",
        "12,345.678",
    ),
    "document": (
        "可不填；不填时以导入的文件为凭证",
        "May be empty: then the imported file is the document",
        "三月清运台账",
    ),
    "document_date": (
        "写了文件就必填文件上的日期，如 2025-03-31",
        "Needed where a document is named: the day that it bears, such as 2025-03-31",
        "2025-03-31",
    ),
    "document_sha256": (
        "可不填。写了文件才能填：该文件的 SHA-256",
        "May be empty. Only where a document is named: its SHA-256",
        "",
    ),
}


def template_xlsx(
    path: Path,
    *,
    areas: Mapping[str, Sequence[str]],
    materials: Mapping[str, Sequence[str]],
    kinds: Mapping[str, Kind] = KINDS,
    unit: str = "t",
) -> None:
    """A workbook with lists to choose from and a page that explains it. `areas` and `materials` map ids to names, as
    `read_sheet` takes them; `unit` is one of UNITS, % or ‰ for shares."""
    measure = UNIT_BY_SPELLING[unit]
    fitting = [kind for kind in kinds.values() if kind.recorded and kind.unit == measure.measure]
    lists = {
        "area": _choices(areas),
        "kind": [kind.name_zh for kind in fitting],
        "material": _choices(materials),
    }
    with open_book(path, in_order=False) as book:
        inputs, notes = book.add_worksheet(INPUTS_SHEET), book.add_worksheet(NOTES_SHEET)
        ranges = _write_lists(book, lists)
        _write_inputs(book, inputs, measure, ranges)
        _write_notes(book, notes, measure, kinds.values())


def template_csv(path: Path, *, unit: str = "t") -> None:
    """The header alone: UTF-8 with a byte order mark, by which Excel knows that it is."""
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        csv.writer(file).writerow(header_titles(UNIT_BY_SPELLING[unit]))


def header_titles(unit: Unit) -> list[str]:
    return [_title(column, unit) for column in COLUMNS]


def _title(column: Column, unit: Unit) -> str:
    if column.id != "amount":
        return column.title
    # The last Chinese spelling is the one in daily use; signs are the same in both languages.
    chinese = unit.spellings[-1] if unit.measure == "grams" else unit.name
    return f"{column.zh}（{chinese}） {column.en} ({unit.name})"


def _point(kind: Kind) -> str:
    return "—" if kind.point is None else " ".join(POINTS[kind.point])


def _choices(names: Mapping[str, Sequence[str]]) -> list[str]:
    """A name for people, and the id behind it for the reader."""
    return [f"{given[0]} {each}" if given else each for each, given in names.items()]


def _write_lists(book: Any, lists: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """What may be chosen, a column each: too much for a list within a cell. Gives where each stands."""
    sheet = book.add_worksheet(LISTS_SHEET)
    ranges = {}
    for place, (column, choices) in enumerate(lists.items()):
        sheet.write_column(0, place, choices)
        sheet.set_column(place, place, 36)
        letter = "ABC"[place]
        if choices:
            ranges[column] = f"='{LISTS_SHEET}'!${letter}$1:${letter}${len(choices)}"
    return ranges


def _write_inputs(book: Any, sheet: Any, unit: Unit, ranges: Mapping[str, str]) -> None:
    bold = book.add_format({"bold": True, "bg_color": "#DDEBDD", "bottom": 1})
    # A period that is typed must stay as it is typed; a spreadsheet would make a day of it.
    text, day = book.add_format({"num_format": "@"}), book.add_format({"num_format": "yyyy-mm-dd"})
    amount = book.add_format({"num_format": "#,##0.######"})
    formats = {"amount": amount, "document_date": day}
    sheet.freeze_panes(1, 0)
    for place, column in enumerate(COLUMNS):
        sheet.set_column(place, place, WIDTHS[column.id], formats.get(column.id, text))
        sheet.write_string(0, place, _title(column, unit), bold)
        zh, en, _ = NOTES[column.id]
        rule: dict[str, Any] = {"validate": "any"}
        if column.id in ranges:
            rule = {"validate": "list", "source": ranges[column.id], "error_type": "warning"}
        # Excel takes 32 characters of a title and 255 of a message.
        rule |= {"input_title": column.title[:32], "input_message": f"{zh}\n{en}"[:255]}
        sheet.data_validation(1, place, ROWS_PREPARED, place, rule)


def _write_notes(book: Any, sheet: Any, unit: Unit, kinds: Iterable[Kind]) -> None:
    bold, wrap = book.add_format({"bold": True}), book.add_format({"text_wrap": True, "valign": "top"})
    for place, width in enumerate((30, 34, 34, 18, 44, 44)):
        sheet.set_column(place, place, width, wrap)
    units = "、".join(UNITS_THERE_ARE)
    lines: list[tuple[Sequence[str], Any]] = [
        (("怎样填写 How to fill it in",), bold),
        (("列 Column", "填什么", "What it takes", "必填 Required", "例子 Example"), bold),
    ]
    lines += [
        (
            (
                _title(column, unit),
                *NOTES[column.id][:2],
                "是 yes" if column.required else "否 no",
                NOTES[column.id][2],
            ),
            wrap,
        )
        for column in COLUMNS
    ]
    lines += [
        ((), None),
        (("单位 Units", units, "One unit for the whole sheet, in the brackets of the amount's header"), wrap),
        ((), None),
        (("类别编号 Kind", "名称", "Name", "计量点 Weighed at", "定义", "Definition"), bold),
    ]
    lines += [
        (
            (each.id, each.name_zh, each.name_en, _point(each), each.definition_zh, each.definition_en),
            wrap,
        )
        for each in kinds
        if each.recorded
    ]
    for row, (cells, form) in enumerate(lines):
        for place, cell in enumerate(cells):
            sheet.write_string(row, place, cell, form)
