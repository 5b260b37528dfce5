"""Amounts as a statement shows them. Pure."""

DIGITS = "零壹贰叁肆伍陆柒捌玖"
PLACES = ("", "拾", "佰", "仟")
GROUPS = ((10**8, "亿"), (10**4, "万"))


def yuan(fen: int) -> str:
    """Exact, with two decimals and groups of three: -123456 is `-1,234.56`."""
    return f"{'-' if fen < 0 else ''}{abs(fen) // 100:,}.{abs(fen) % 100:02}"


def exact_yuan(milli_fen: int) -> str:
    """What is not rounded yet: two decimals, or as many as it takes."""
    fen, rest = divmod(abs(milli_fen), 1000)
    return ("-" if milli_fen < 0 else "") + yuan(fen) + f"{rest:03}".rstrip("0")


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
    for size, name in GROUPS:
        high, low = divmod(number, size)
        if high:
            between = "零" if 0 < low < size // 10 else ""
            return f"{_whole_in_words(high)}{name}{between}{_whole_in_words(low)}"
    return _group_in_words(number)


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
