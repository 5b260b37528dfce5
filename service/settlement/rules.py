"""What a statement comes to: pure, and once more what the SQL that issues it says."""

from collections.abc import Iterable
from typing import NamedTuple

DIGITS = "零壹贰叁肆伍陆柒捌玖"
PLACES = ("", "拾", "佰", "仟")
GROUPS = ("", "万", "亿", "万亿")


class Line(NamedTuple):
    """`kind` is `redemption` or `refund`, as in the ledger."""

    kind: str
    coins: int
    fen_per_1000_coins: int


class Totals(NamedTuple):
    captures: int
    captured_coins: int
    refunds: int
    refunded_coins: int
    net_coins: int
    payable_fen: int


def totals_of(lines: Iterable[Line]) -> Totals:
    """The payable is rounded once, towards zero: nobody pays a fen that is not whole."""
    counts = {"redemption": 0, "refund": 0}
    coins = {"redemption": 0, "refund": 0}
    milli_fen = 0
    for line in lines:
        counts[line.kind] += 1
        coins[line.kind] += line.coins
        value = line.coins * line.fen_per_1000_coins
        milli_fen += value if line.kind == "redemption" else -value
    payable_fen = abs(milli_fen) // 1000 * (1 if milli_fen >= 0 else -1)
    return Totals(
        captures=counts["redemption"],
        captured_coins=coins["redemption"],
        refunds=counts["refund"],
        refunded_coins=coins["refund"],
        net_coins=coins["redemption"] - coins["refund"],
        payable_fen=payable_fen,
    )


def yuan(fen: int) -> str:
    """Exact, with two decimals and groups of three: -123456 is `-1,234.56`."""
    return f"{'-' if fen < 0 else ''}{abs(fen) // 100:,}.{abs(fen) % 100:02}"


def exact_yuan(milli_fen: int) -> str:
    """What is not rounded yet: two decimals, or as many as it takes."""
    fen, rest = divmod(abs(milli_fen), 1000)
    return yuan(fen if milli_fen >= 0 else -fen) + f"{rest:03}".rstrip("0")


def yuan_in_words(fen: int) -> str:
    """人民币大写, as Chinese statements write an amount so that nobody adds a digit; below 10^16 yuan."""
    whole, jiao, fen_left = abs(fen) // 100, abs(fen) // 10 % 10, abs(fen) % 10
    words = "负" if fen < 0 else ""
    if whole:
        words += f"{_whole_in_words(whole)}元"
    if not jiao and not fen_left:
        return f"{words}整" if whole else "零元整"
    if jiao:
        words += f"{DIGITS[jiao]}角"
    elif whole:
        words += "零"
    return words + (f"{DIGITS[fen_left]}分" if fen_left else "整")


def _whole_in_words(number: int) -> str:
    words, zero_due = "", False
    for position in range(len(GROUPS) - 1, -1, -1):
        group = number // 10_000**position % 10_000
        if not group:
            zero_due = zero_due or bool(words)
            continue
        if words and (zero_due or group < 1000):
            words += "零"
        words += _group_in_words(group) + GROUPS[position]
        zero_due = False
    return words


def _group_in_words(group: int) -> str:
    words, zero_due = "", False
    for place in range(3, -1, -1):
        digit = group // 10**place % 10
        if not digit:
            zero_due = bool(words)
            continue
        words += ("零" if zero_due else "") + DIGITS[digit] + PLACES[place]
        zero_due = False
    return words
