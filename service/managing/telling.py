"""How commands tell what went wrong: in Chinese, then in English."""

from collections.abc import Sequence
from typing import Any

from service.errors import TanbiError


def in_both_languages(error: TanbiError, command: Any, arguments: Sequence[str]) -> str:
    """Two lines: what is wrong, or where that is told in English only its title; then the English. `command` is the
    root of all, `arguments` what was typed after its name: so a field is named as it is typed."""
    fields = [named_as_typed(each["pointer"], _called(command, arguments)) for each in error.errors]
    names = ", ".join(dict.fromkeys(name for name in fields if name is not None))
    zh = f"{error.title_zh}。" if error.detail_zh is None else error.detail_zh
    return f"{zh}\n{error}" + f" ({names})" * bool(names)


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
