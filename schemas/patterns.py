"""The forms that texts of a request must have, each with the words that people are told instead of it."""

from typing import Final


def one_line(most: int) -> str:
    """1 to `most` characters without line breaks or other control characters."""
    return rf"^[^\x00-\x1f\x7f]{{1,{most}}}$"


def some_lines(most: int) -> str:
    """1 to `most` characters; of control characters only tabs and line breaks."""
    return rf"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]{{1,{most}}}$"


def visible(least: int, most: int) -> str:
    """`least` to `most` characters of ASCII that are seen when printed."""
    return rf"^[\x21-\x7e]{{{least},{most}}}$"


MATERIAL_ID: Final = r"^[a-z][a-z0-9_]{0,31}$"
PARTNER_ID: Final = r"^[A-Za-z0-9][A-Za-z0-9._\-]{0,62}$"
FACTOR_SET_ID: Final = r"^[a-z0-9][a-z0-9._\-]{0,62}$"
# A merchant's id and a month: NK-M-01-202611.
STATEMENT_NUMBER: Final = PARTNER_ID.removesuffix("$") + r"-[0-9]{6}$"
BIN_SOURCE: Final = r"^/bins/[\x21-\x7e]{1,64}$"
# The same form, with words of its own.
BIN_ID: Final = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$"
# With a digit, which no name has.
COLLECTOR: Final = r"^[A-Za-z._:\-]{0,32}[0-9][A-Za-z0-9._:\-]{0,31}$"
KEYID: Final = r"^[A-Za-z0-9][A-Za-z0-9._\-:]{0,79}$"
# Crockford's alphabet, and what people take for its letters.
CLAIM_CODE: Final = r"^([0-9A-TV-Za-tv-z][ -]{0,2}){25}$"
SHA256: Final = r"^[0-9a-fA-F]{64}$"
PAY_CODE_DIGITS: Final = 18
PAY_CODE: Final = rf"^[0-9]{{{PAY_CODE_DIGITS}}}$"
PERIOD: Final = r"^(20[0-9]{2}|2100)(-(0[1-9]|1[0-2]|Q[1-4]))?$"
PERIOD_TO_DATE: Final = r"^(20[0-9]{2}|2100)(-(0[1-9]|1[0-2]|Q[1-4]|ytd))?$"
MONTH: Final = r"^20[0-9]{2}-(0[1-9]|1[0-2])$"
# Pydantic alone takes more for a time: a number of seconds in quotes, a space for the T. Of a bin that sends a bare
# "1700000000" nobody knows which clock it means.
RFC_3339: Final = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})$"

EXPECTED: Final = {
    MATERIAL_ID: "1 to 32 small letters, digits and _, the first a letter, such as paper",
    PARTNER_ID: "1 to 63 letters, digits, dots, hyphens and underscores, the first a letter or digit, such as NK-M-01",
    FACTOR_SET_ID: "1 to 63 small letters, digits, dots, hyphens and underscores, such as uk.desnz.2025",
    BIN_SOURCE: "/bins/ with the bin's id, such as /bins/NK-0001",
    BIN_ID: "1 to 63 letters, digits, dots, hyphens and underscores, the first a letter or digit, such as NK-0001",
    COLLECTOR: "the id of a staff card or vehicle, with a digit, of letters, digits and . _ : -, such as V-07",
    KEYID: "the id of a key, such as NK-0001:2",
    CLAIM_CODE: "25 letters and digits in groups of five, such as 7K3QX-9M2TB-4DWHZ-N8VJE-1RG6P",
    SHA256: "64 hexadecimal digits",
    PAY_CODE: f"{PAY_CODE_DIGITS} digits, 0 to 9, without spaces, as the resident's screen shows them",
    PERIOD: "a year, a quarter or a month from 2000 to 2100, such as 2025, 2025-Q1 or 2025-03",
    PERIOD_TO_DATE: "a year, a year to date, a quarter or a month from 2000 to 2100, such as 2025, 2026-ytd, 2025-Q1 or"
    " 2025-03",
    MONTH: "a month from 2000 to 2099, such as 2026-11",
    RFC_3339: "a date and time with its offset, such as 2026-11-20T10:00:00+08:00",
    **{one_line(most): f"1 to {most} characters, all in one line" for most in (30, 60, 100, 200, 300)},
    some_lines(1000): "1 to 1000 characters, without control characters other than line breaks and tabs",
    **{
        visible(least, most): f"{least} to {most} visible ASCII characters, without spaces"
        for least, most in ((1, 64), (4, 64), (1, 512))
    },
}
# The same in Chinese, where commands tell both.
EXPECTED_ZH: Final = {
    MATERIAL_ID: "1 至 32 个小写字母、数字和 _，以字母开头，如 paper",
    PARTNER_ID: "1 至 63 个字母、数字、点、连字符和下划线，以字母或数字开头，如 NK-M-01",
    FACTOR_SET_ID: "1 至 63 个小写字母、数字、点、连字符和下划线，如 uk.desnz.2025",
    BIN_SOURCE: "/bins/ 加设备编号，如 /bins/NK-0001",
    BIN_ID: "1 至 63 个字母、数字、点、连字符和下划线，以字母或数字开头，如 NK-0001",
    COLLECTOR: "工作卡或车辆的编号，由字母、数字和 . _ : - 组成，且含数字，如 V-07",
    KEYID: "密钥编号，如 NK-0001:2",
    CLAIM_CODE: "25 个字母和数字，每五个一组，如 7K3QX-9M2TB-4DWHZ-N8VJE-1RG6P",
    SHA256: "64 位十六进制数字",
    PAY_CODE: f"居民屏幕上显示的 {PAY_CODE_DIGITS} 位数字，不含空格",
    PERIOD: "2000 至 2100 年间的年、季度或月，如 2025、2025-Q1 或 2025-03",
    PERIOD_TO_DATE: "2000 至 2100 年间的年、年初至今、季度或月，如 2025、2026-ytd、2025-Q1 或 2025-03",
    MONTH: "2000 至 2099 年间的月份，如 2026-11",
    RFC_3339: "带时区的日期和时间，如 2026-11-20T10:00:00+08:00",
    **{one_line(most): f"1 至 {most} 个字符，不换行" for most in (30, 60, 100, 200, 300)},
    some_lines(1000): "1 至 1000 个字符，除换行和制表符外不含控制字符",
    **{
        visible(least, most): f"{least} 至 {most} 个可见的 ASCII 字符，不含空格"
        for least, most in ((1, 64), (4, 64), (1, 512))
    },
}
