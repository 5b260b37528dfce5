"""What is told of a file that cannot be imported, Chinese and English: what is wrong, where, and what to do."""

from collections.abc import Mapping
from typing import Any, Final

# By code; the values in braces are what the error knows.
WORDS: Final[Mapping[str, tuple[str, str]]] = {
    # -- of the file
    "file_empty": ("文件是空的。请选择填好的表格。", "The file is empty. Choose the sheet that was filled in."),
    "file_too_large": (
        "文件有 {bytes:,} 字节，最多 {limit:,} 字节。请按月份或区域拆成几个文件。",
        "The file has {bytes:,} bytes; at most {limit:,} are taken. Split it by month or area.",
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
    "several_sheets": (
        "有几个工作表都有表头：{names}。请各存为一个文件，或指明要导入的工作表。",
        "Several sheets have the header: {names}. Save each as a file of its own, or name the one to import.",
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
    "too_many_rows": (
        "超过 {limit:,} 行数据，从这一行起没有读取。请拆成几个文件。",
        "There are more than {limit:,} rows of data; from this one on nothing was read. Split the file.",
    ),
    "more_errors": (
        "错误超过 {limit:,} 处，从这一行起没有再检查。请先改正以上各处。",
        "There are more than {limit:,} errors; from this row on nothing was checked. Correct those above first.",
    ),
    # -- of the header
    "header_missing": (
        "前 {rows} 行中没有找到表头。表头要有这些列：{columns}。请使用模板；若文字是乱码，请“另存为”“CSV UTF-8”。",
        "No header was found in the first {rows} rows. It has these columns: {columns}. Use the template; where its"
        " text is garbled, save it as “CSV UTF-8”.",
    ),
    "column_unknown": (
        "不认识名为“{name}”的列。请删除该列或改用模板中的列名：{columns}。",
        "There is no column “{name}”. Take it out, or name it as the template does: {columns}.",
    ),
    "column_missing": (
        "表头缺少“{name}”列。请按模板补上。",
        "The header lacks the column “{name}”. Add it as the template has it.",
    ),
    "column_twice": (
        "“{name}”列出现了两次，前一次在 {first} 列。请只留一列。",
        "The column “{name}” is there twice, first as column {first}. Leave one of them.",
    ),
    "too_many_columns": (
        "表格超过 {limit} 列。请删除多余的列。",
        "The sheet has more than {limit} columns. Take out those that are not needed.",
    ),
    "unit_missing": (
        "数量列的表头没有单位。请写在括号里，例如“数量（吨）”。可用单位：{units}。",
        "The header of the amounts has no unit. Write it in brackets, such as “amount (t)”. There are: {units}.",
    ),
    "unit_unknown": (
        "没有“{unit}”这个单位。可用单位：{units}。",
        "There is no unit “{unit}”. There are: {units}.",
    ),
    "unit_twice": (
        "表头写了不同的单位：{units}。请只写一个。",
        "The header names different units: {units}. Leave one.",
    ),
    "no_rows": (
        "表头下面没有数据。请填写后再导入。",
        "There are no rows below the header. Fill them in and import the sheet again.",
    ),
    # -- of a row
    "cells_missing": (
        "这一行只有 {found} 个单元格，表头有 {wanted} 个。请检查分隔符，空的单元格也要留出位置。",
        "This row has {found} cells and the header {wanted}. Check the separators; an empty cell has its place too.",
    ),
    "cell_outside": (
        "“{value}”在没有表头的列里，可能是多了一个分隔符。请删除，或移到正确的列。",
        "“{value}” stands in a column without a header, perhaps after a separator too many. Take it out or move it.",
    ),
    "merged": (
        "{area} 是合并单元格。请取消合并，并在每一行分别填写。",
        "{area} are merged cells. Unmerge them, and fill in each row.",
    ),
    # -- of a cell
    "cell_empty": ("没有填写。请填写。", "Nothing is filled in. Fill it in."),
    "amount_empty": (
        "没有填写数量。没有发生请填 0，撤回原数据请填“撤回”。",
        "No amount is filled in. Write 0 where there was none, and “withdraw” to take back what was recorded.",
    ),
    "cell_too_long": (
        "文字超过 {limit} 个字符。请缩短。",
        "The text has more than {limit} characters. Shorten it.",
    ),
    "characters_forbidden": (
        "“{value}”含有控制字符或无效字符。请重新输入。",
        "“{value}” holds control characters or invalid ones. Type it again.",
    ),
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
    "area_unknown": (
        "没有“{value}”这个区域。请从模板的列表中选择。",
        "There is no area “{value}”. Choose one from the template's list.",
    ),
    "kind_unknown": (
        "没有“{value}”这个类别。可用类别：{choices}。",
        "There is no kind “{value}”. There are: {choices_en}.",
    ),
    "kind_not_recorded": (
        "“{value}”由系统根据称重自动累计，不能导入。请删除这一行。",
        "“{value}” is added up from what was weighed and cannot be imported. Take this row out.",
    ),
    "material_unknown": (
        "没有“{value}”这种材料。可用材料：{choices}。",
        "There is no material “{value}”. There are: {choices_en}.",
    ),
    "material_not_taken": (
        "类别“{kind}”不分材料。请清空材料。",
        "The kind “{kind}” is not recorded by material. Leave the material empty.",
    ),
    "name_ambiguous": (
        "“{value}”不止一个：{choices}。请填写编号。",
        "“{value}” may be any of: {choices}. Write the id.",
    ),
    "period_wrong": (
        "“{value}”不是期间。请写成 2025（年）、2025-Q1（季度）或 2025-03（月）。",
        "“{value}” is not a period. Write 2025 for a year, 2025-Q1 for a quarter, 2025-03 for a month.",
    ),
    "period_is_day": (
        "“{value}”是某一天，不是月份。请写成 {month}，或填该月 1 日。",
        "“{value}” is a day and not a month. Write {month}, or the first of the month.",
    ),
    "year_alone": (
        "单元格只显示年份，实际是 {value} 这一天。请把单元格设为文本，再填写要表示的年、月或日。",
        "The cell shows a year alone and holds the day {value}. Format it as text, and write the year, month or day"
        " that is meant.",
    ),
    "period_like_number": (
        "“{value}”分不清是 1 月还是 10 月。请写成 2025-01 的形式，并把单元格设为文本。",
        "“{value}” does not tell January from October. Write it as 2025-01, in a cell formatted as text.",
    ),
    "date_wrong": (
        "“{value}”不是日期。请写成 2025-03-31。",
        "“{value}” is not a date. Write it as 2025-03-31.",
    ),
    "sha256_wrong": (
        "“{value}”不是 SHA-256。应为 64 位十六进制数字；不清楚请留空。",
        "“{value}” is not a SHA-256, which has 64 hexadecimal digits. Leave it empty if it is not known.",
    ),
    "document_missing": (
        "填写了 SHA-256，却没有文件名称。请填写文件，或清空 SHA-256。",
        "A SHA-256 is given without the document that it is of. Name the document, or leave the SHA-256 empty.",
    ),
    "amount_wrong": (
        "“{value}”不是数量。请写成 1234.5 或 1,234.5，不写文字和指数。",
        "“{value}” is not an amount. Write it as 1234.5 or 1,234.5, without words and exponents.",
    ),
    "amount_is_date": (
        "单元格的格式是日期（{value}）。请把格式改为数值并重新填写。",
        "The cell is formatted as a date ({value}). Format it as a number and fill it in again.",
    ),
    "grouping_wrong": (
        "“{value}”的千位分隔不对。请每三位一个逗号，如 1,234.5，或不用逗号。",
        "The commas of “{value}” do not stand at thousands. Write 1,234.5, or no commas.",
    ),
    "amount_negative": (
        "“{value}”是负数。数量不能小于 0；更正请直接填写新的数量。",
        "“{value}” is negative. An amount is 0 or more; to correct one, write the new amount.",
    ),
    "finer_than_gram": (
        "“{value}”精确到克以下。请四舍五入到克（吨最多 6 位小数，千克最多 3 位）。",
        "“{value}” is finer than a gram. Round it to grams: at most 6 decimals of a tonne, 3 of a kilogram.",
    ),
    "finer_than_ppm": (
        "“{value}”精确到百万分之一以下。请四舍五入（% 最多 4 位小数，‰ 最多 3 位）。",
        "“{value}” is finer than a millionth. Round it: at most 4 decimals of %, 3 of ‰.",
    ),
    "too_much": (
        "“{value}”超过 10 亿吨。请检查单位。",
        "“{value}” is more than a billion tonnes. Check the unit.",
    ),
    "more_than_whole": (
        "“{value}”超过 100%。份额和系数在 0 与 100% 之间。",
        "“{value}” is more than 100 %. A share or factor lies between 0 and 100 %.",
    ),
    "unit_in_cell": (
        "“{value}”里的单位与表头的 {unit} 不同。请换算成 {unit}，只写数字。",
        "“{value}” has another unit than the header's {unit}. Convert it to {unit}, and write only the number.",
    ),
    "mass_in_share_unit": (
        "“{kind}”是重量，不能以 {unit} 为单位。请放在以吨、千克或克为单位的表里。",
        "“{kind}” is a mass and has no {unit}. Put it into a sheet whose unit is t, kg or g.",
    ),
    "share_in_mass_unit": (
        "“{kind}”是份额，不能以 {unit} 为单位。请放在以 % 或 ‰ 为单位的表里。",
        "“{kind}” is a share and has no {unit}. Put it into a sheet whose unit is % or ‰.",
    ),
    # -- what the caller finds, in words of its own
    "said": ("{zh}", "{en}"),
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
    code: str, row: int | None, letter: str | None, name: str | None, values: Mapping[str, Any]
) -> tuple[str, str]:
    """Chinese and English, each with the place before it where it has one. A tuple among the values is a list."""
    zh, en = WORDS[code]
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
