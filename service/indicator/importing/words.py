"""What is told of a sheet of inputs that cannot be imported, Chinese and English."""

from collections.abc import Mapping
from typing import Any, Final

from service.sheets import words as sheet_words

# By code, besides those of any sheet; the values in braces are what the error knows.
WORDS: Final[sheet_words.Words] = {
    **sheet_words.WORDS,
    # -- of the file
    "several_sheets": (
        "有几个工作表都有表头：{names}。请各存为一个文件，或指明要导入的工作表。",
        "Several sheets have the header: {names}. Save each as a file of its own, or name the one to import.",
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
}


def in_words(
    code: str, row: int | None, letter: str | None, name: str | None, values: Mapping[str, Any]
) -> tuple[str, str]:
    """Chinese and English, each with the place before it where it has one. A tuple among the values is a list."""
    return sheet_words.in_words(WORDS, code, row, letter, name, values)
