"""What is wrong with a field, in words for who sent it: what would be right, and no regular expressions.

English, as the API tells it, and Chinese, which commands tell beside it."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, Final

from pydantic import BaseModel, TypeAdapter
from pydantic_core import ErrorDetails

from schemas.patterns import EXPECTED, EXPECTED_ZH, RFC_3339

# What the fields belong to.
Form = type[BaseModel] | TypeAdapter[Any]

A_TIME: Final = f"Must be {EXPECTED[RFC_3339]}"
A_DAY: Final = "Must be a day, such as 2027-12-31"
A_UUID: Final = "Must be a UUID, such as 018f6b1e-5d1c-7d4a-9f31-0c7a2b6e4d10"
A_WHOLE_NUMBER: Final = "Must be a whole number"
AN_OBJECT: Final = "Must be a JSON object"

# By pydantic's code; of any other, what pydantic or our own validator says is told.
WORDS: Final[Mapping[str, str | Callable[[Mapping[str, Any]], str]]] = {
    "missing": "Is missing",
    "string_pattern_mismatch": lambda context: f"Must be {EXPECTED.get(context['pattern'], 'of another form')}",
    "string_type": "Must be a text",
    "string_too_short": lambda context: f"Must have {_counted(context['min_length'], 'character')} at least",
    "string_too_long": lambda context: f"Must have {_counted(context['max_length'], 'character')} at most",
    "string_unicode": "Must be valid Unicode",
    "bool_type": "Must be true or false",
    "bool_parsing": "Must be true or false",
    "int_type": A_WHOLE_NUMBER,
    "int_parsing": A_WHOLE_NUMBER,
    "int_parsing_size": f"{A_WHOLE_NUMBER}, and not so long",
    "int_from_float": A_WHOLE_NUMBER,
    "float_parsing": "Must be a number",
    "finite_number": "Must be a finite number",
    "greater_than_equal": lambda context: f"Must be at least {context['ge']}",
    "greater_than": lambda context: f"Must be above {context['gt']:g}",
    "less_than_equal": lambda context: f"Must be at most {context['le']}",
    "literal_error": lambda context: f"Must be {context['expected']}",
    "enum": lambda context: f"Must be {context['expected']}",
    "uuid_type": A_UUID,
    "uuid_parsing": A_UUID,
    "datetime_type": A_TIME,
    "datetime_parsing": A_TIME,
    "datetime_from_date_parsing": A_TIME,
    "datetime_object_invalid": A_TIME,
    "timezone_aware": A_TIME,
    "date_type": A_DAY,
    "date_parsing": A_DAY,
    "date_from_datetime_parsing": A_DAY,
    "date_from_datetime_inexact": A_DAY,
    # Of a setting; a field of the contract has a code of its own.
    "value_error": lambda context: str(context["error"]),
    "model_type": AN_OBJECT,
    "model_attributes_type": AN_OBJECT,
    "dict_type": AN_OBJECT,
    "list_type": "Must be a JSON array",
    "too_short": lambda context: f"Must have {_counted(context['min_length'], 'item')} at least",
    "too_long": lambda context: f"Must have {_counted(context['max_length'], 'item')} at most",
}

A_TIME_ZH: Final = f"应为{EXPECTED_ZH[RFC_3339]}"
A_DAY_ZH: Final = "应为日期，如 2027-12-31"
A_UUID_ZH: Final = "应为 UUID，如 018f6b1e-5d1c-7d4a-9f31-0c7a2b6e4d10"
A_WHOLE_NUMBER_ZH: Final = "应为整数"
AN_OBJECT_ZH: Final = "应为 JSON 对象"

# By the same codes, to stand behind the field's name.
WORDS_ZH: Final[Mapping[str, str | Callable[[Mapping[str, Any]], str]]] = {
    "missing": "没有填写",
    "string_pattern_mismatch": lambda context: f"应为：{EXPECTED_ZH.get(context['pattern'], '其他形式')}",
    "string_type": "应为文字",
    "string_too_short": lambda context: f"至少 {context['min_length']} 个字符",
    "string_too_long": lambda context: f"至多 {context['max_length']} 个字符",
    "string_unicode": "含有无效字符，请重新输入",
    "bool_type": "应为 true 或 false",
    "bool_parsing": "应为 true 或 false",
    "int_type": A_WHOLE_NUMBER_ZH,
    "int_parsing": A_WHOLE_NUMBER_ZH,
    "int_parsing_size": f"{A_WHOLE_NUMBER_ZH}，且位数过多",
    "int_from_float": A_WHOLE_NUMBER_ZH,
    "float_parsing": "应为数字",
    "finite_number": "应为有限的数字",
    "greater_than_equal": lambda context: f"不能小于 {context['ge']}",
    "greater_than": lambda context: f"应大于 {context['gt']:g}",
    "less_than_equal": lambda context: f"不能大于 {context['le']}",
    "literal_error": lambda context: f"应为 {_choices_zh(context)}",
    "enum": lambda context: f"应为 {_choices_zh(context)}",
    "uuid_type": A_UUID_ZH,
    "uuid_parsing": A_UUID_ZH,
    "datetime_type": A_TIME_ZH,
    "datetime_parsing": A_TIME_ZH,
    "datetime_from_date_parsing": A_TIME_ZH,
    "datetime_object_invalid": A_TIME_ZH,
    "timezone_aware": A_TIME_ZH,
    "date_type": A_DAY_ZH,
    "date_parsing": A_DAY_ZH,
    "date_from_datetime_parsing": A_DAY_ZH,
    "date_from_datetime_inexact": A_DAY_ZH,
    "model_type": AN_OBJECT_ZH,
    "model_attributes_type": AN_OBJECT_ZH,
    "dict_type": AN_OBJECT_ZH,
    "list_type": "应为 JSON 数组",
    "too_short": lambda context: f"至少 {context['min_length']} 项",
    "too_long": lambda context: f"至多 {context['max_length']} 项",
    "extra_forbidden": "没有这一项",
    "time_far_away": "应为 2000 至 2199 年间的时间",
    "cursor": "不是本列表的游标，请先不带 cursor 查询，再用所示的值",
    "nothing_to_change": "请至少填写一项要更改的内容",
}
# Of what our own validators say in English alone.
NOT_RIGHT_ZH: Final = "不符合要求，说明见下一行"


def in_plain_words(found: ErrorDetails, form: Form | None) -> str:
    """Never with the value that was sent, which may be personal."""
    if found["type"] == "extra_forbidden":
        known = _fields_beside(form, found["loc"]) if form is not None else ()
        return f"No such field. There are: {', '.join(known)}" if known else "No such field"
    words = WORDS.get(found["type"], found["msg"])
    return words if isinstance(words, str) else words(found.get("ctx", {}))


def in_plain_words_zh(found: ErrorDetails) -> str:
    """The same in Chinese; of what has no words there, that the English says it."""
    words = WORDS_ZH.get(found["type"], NOT_RIGHT_ZH)
    return words if isinstance(words, str) else words(found.get("ctx", {}))


def _choices_zh(context: Mapping[str, Any]) -> str:
    return str(context["expected"]).replace("'", "").replace(" or ", " 或 ").replace(", ", "、")


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _fields_beside(form: Form, location: Sequence[int | str]) -> Sequence[str]:
    """The names that the form has where this one is not of it."""
    root = _json_schema(form)
    schema = root
    for part in location[:-1]:
        schema = _resolved(schema, root).get("properties", {}).get(part, {})
    return list(_resolved(schema, root).get("properties", ()))


def _resolved(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Mapping[str, Any]:
    referred: Mapping[str, Any] = root["$defs"][schema["$ref"].rsplit("/", 1)[1]] if "$ref" in schema else schema
    return referred


@cache
def _json_schema(form: Form) -> Mapping[str, Any]:
    return form.json_schema() if isinstance(form, TypeAdapter) else form.model_json_schema()
