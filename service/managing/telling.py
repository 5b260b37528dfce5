"""How commands tell what went wrong: in Chinese, then in English."""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from service.errors import TanbiError
from service.managing.running import city_zone, moment

# Their sentences begin with what was typed, so that the field need not be named.
NAME_WHAT_WAS_TYPED: Final = frozenset({"not_begun"})
# As details tell times, which are the API's too.
UTC_TIME: Final = re.compile(r"\b[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?Z\b")


def in_both_languages(error: TanbiError, command: Any, arguments: Sequence[str]) -> str:
    """Two lines: what is wrong, or where that is told in English only its title; then the English. `command` is the
    root of all, `arguments` what was typed after its name: so a field is named as it is typed. Times are by the city's
    clock, as all that commands print."""
    unnamed = [each["pointer"] for each in error.errors if each["code"] not in NAME_WHAT_WAS_TYPED]
    fields = [named_as_typed(pointer, _called(command, arguments)) for pointer in unnamed]
    names = ", ".join(dict.fromkeys(name for name in fields if name is not None))
    zh = f"{error.title_zh}。" if error.detail_zh is None else error.detail_zh
    told = f"{zh}\n{error}" + f" ({names})" * bool(names)
    return UTC_TIME.sub(lambda time: moment(datetime.fromisoformat(time[0]), city_zone()), told)


def named_as_typed(pointer: str, command: Any) -> str | None:
    """The option that sets the field of a JSON pointer, or the argument as the help calls it; None where the command
    has neither."""
    name = pointer.removeprefix("/").replace("/", "_")
    for parameter in command.params:
        if parameter.name == name:
            return str(parameter.opts[0] if parameter.param_type_name == "option" else name.upper())
    option = "--" + name.replace("_", "-")
    return next((option for parameter in command.params if option in parameter.opts), None)


def _called(command: Any, arguments: Sequence[str]) -> Any:
    """The command that these arguments call: of groups, which have no options, each is named after the one before."""
    for argument in arguments:
        command = getattr(command, "commands", {}).get(argument, command)
    return command
