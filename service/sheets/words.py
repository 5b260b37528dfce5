"""What is told of a file that is no sheet as it should be, Chinese and English: what, where, and what to do."""

from collections.abc import Mapping
from typing import Any, Final, TypeAlias

# By code, Chinese and English; the values in braces are what the error knows.
Words: TypeAlias = Mapping[str, tuple[str, str]]
# Of any sheet, whatever it is to hold.
WORDS: Final[Words] = {
    # -- of the file
    "file_empty": ("文件是空的。请选择填好的表格。", "The file is empty. Choose the sheet that was filled in."),
    "file_too_large": (
        "文件有 {bytes:,} 字节，最多 {limit:,} 字节。请拆成几个文件。",
        "The file has {bytes:,} bytes; at most {limit:,} are taken. Split it.",
    ),
    "old_workbook": (
        "这是旧版 Excel（.xls）或 WPS（.et）文件。请打开后“另存为” Excel 工作簿（.xlsx）再导入。",
        "This is an old Excel (.xls) or WPS (.et) file. Open it, save it as an Excel workbook (.xlsx); import that.",
    ),
    "encrypted": (
        "文件有密码保护。请在 Excel 或 WPS 中取消打开密码后再导入。",
        "The file is protected by a password. Remove the password in Excel or WPS and import it again.",
    ),
    "open_document": (
        "这是 OpenDocument（.ods）表格。请“另存为” Excel 工作簿（.xlsx）或 CSV 再导入。",
        "This is an OpenDocument (.ods) sheet. Save it as an Excel workbook (.xlsx) or as CSV, and import that.",
    ),
    "binary_workbook": (
        "这是二进制工作簿（.xlsb）。请“另存为” Excel 工作簿（.xlsx）再导入。",
        "This is a binary workbook (.xlsb). Save it as an Excel workbook (.xlsx) and import that.",
    ),
    "not_a_sheet": (
        "这不是表格文件（{what}），改扩展名没有用。请导入 .xlsx 或 .csv 文件。",
        "This is not a sheet but {what}; another name does not change that. Import an .xlsx or .csv file.",
    ),
    "workbook_broken": (
        "工作簿已损坏，无法读取（{what}）。请在 Excel 或 WPS 中打开并重新保存后再导入。",
        "The workbook is damaged and cannot be read ({what}). Open it in Excel or WPS, save it again, and import that.",
    ),
    "workbook_too_large": (
        "工作簿解压后超过 {limit:,} 字节。请删除多余的行、列和工作表，或拆成几个文件。",
        "Unpacked, the workbook has more than {limit:,} bytes. Take out rows and sheets that are not needed, or split"
        " it.",
    ),
    "sheet_unknown": (
        "没有名为“{name}”的工作表。现有：{names}。",
        "There is no sheet named “{name}”. There are: {names}.",
    ),
    "encoding_unknown": (
        "第 {line} 行起的文字既不是 UTF-8 也不是 GB18030 编码。请“另存为”“CSV UTF-8”再导入。",
        "From line {line} on the text is neither UTF-8 nor GB18030. Save it as “CSV UTF-8” and import that.",
    ),
    "encoding_broken": (
        "文件标明是 {encoding} 编码，但第 {line} 行不是。请“另存为”“CSV UTF-8”再导入。",
        "The file says that it is {encoding}, and line {line} is not. Save it as “CSV UTF-8” and import that.",
    ),
    "nul_bytes": (
        "第 {line} 行含有空字符（NUL），不是文本文件，或是没有标记的 UTF-16。请“另存为”“CSV UTF-8”再导入。",
        "Line {line} holds NUL bytes: this is no text, or UTF-16 without its mark. Save it as “CSV UTF-8” and import"
        " that.",
    ),
    "line_too_long": (
        "该行超过 {limit:,} 个字符。请检查换行和引号。",
        "This line has more than {limit:,} characters. Check its line breaks and quotation marks.",
    ),
    "quotes_unbalanced": (
        '引号不成对，从这一行起无法分列。文字中的引号要写两次（""）。',
        "The quotation marks do not match, so the cells from this row on are not clear. Write a quotation mark within a"
        ' text twice ("").',
    ),
    # -- of a row
    "merged": (
        "{area} 是合并单元格。请取消合并，并在每一行分别填写。",
        "{area} are merged cells. Unmerge them, and fill in each row.",
    ),
    # -- of a cell
    "formula": (
        "这是公式（{value}），结果会变，不能作为凭证。请用“选择性粘贴—数值”改成数值。",
        "This is a formula ({value}), whose result may change and is no evidence. Use “paste special, values”.",
    ),
    "error_value": (
        "单元格显示错误 {value}。请填写正确的值。",
        "The cell shows the error {value}. Fill in the right value.",
    ),
    "boolean": (
        "单元格是逻辑值 {value}。请填写文字或数字。",
        "The cell holds {value}. Fill in a text or a number.",
    ),
    "unreadable": (
        "单元格的内容“{value}”无法读取。请重新输入。",
        "The cell's content “{value}” cannot be read. Type it again.",
    ),
    "year_alone": (
        "单元格只显示年份，实际是 {value} 这一天。请把单元格设为文本，再填写要表示的年、月或日。",
        "The cell shows a year alone and holds the day {value}. Format it as text, and write the year, month or day"
        " that is meant.",
    ),
    # -- notices
    "hidden_rows": (
        "读取了 {count:,} 个隐藏行（从第 {first} 行起），与可见行同样处理。",
        "{count:,} hidden rows were read like any other, from row {first} on.",
    ),
    "hidden_columns": (
        "读取了隐藏列 {columns}，与可见列同样处理。",
        "Hidden columns were read like any other: {columns}.",
    ),
}


def in_words(
    words: Words, code: str, row: int | None, letter: str | None, name: str | None, values: Mapping[str, Any]
) -> tuple[str, str]:
    """Chinese and English, each with the place before it where it has one. A tuple among the values is a list."""
    zh, en = words[code]
    places_zh, places_en = [], []
    if row is not None:
        places_zh.append(f"第 {row} 行")
        places_en.append(f"row {row}")
    if letter is not None:
        places_zh.append(f"{letter} 列" + (f"（{name}）" if name else ""))
        places_en.append(f"column {letter}" + (f" ({name})" if name else ""))
    zh_place = " ".join(places_zh) + "：" if places_zh else ""
    en_place = ", ".join(places_en) + ": " if places_en else ""
    known = {"name": name, **values}
    return (
        zh_place + zh.format(**_listed(known, "、")),
        en_place[:1].upper() + en_place[1:] + en.format(**_listed(known, ", ")),
    )


def _listed(values: Mapping[str, Any], separator: str) -> dict[str, Any]:
    # A merged area is a tuple too, and no list.
    return {name: separator.join(each) if type(each) is tuple else each for name, each in values.items()}
