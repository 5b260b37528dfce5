"""Commands of operators: who acts is an API key, as over HTTP."""

import json
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Final, TypeVar

import typer
from sqlalchemy.ext.asyncio import AsyncConnection

from service.auth import Operator, authenticate_operator
from service.errors import TokenInvalid
from service.managing.running import in_transaction
from service.settings import Settings

Result = TypeVar("Result")

WRITERS: Final = frozenset({"operator", "admin"})
KEY_VARIABLE: Final = "TANBI_OPERATOR_KEY"

KeyFileOption = Annotated[
    Path | None,
    typer.Option(
        "--key-file",
        exists=True,
        dir_okay=False,
        readable=True,
        help=f"A file with the operator's API key, or what `tanbi key create` printed; instead of {KEY_VARIABLE}.",
    ),
]


def as_operator(
    data: Path | None,
    key_file: Path | None,
    roles: frozenset[str],
    work: Callable[[AsyncConnection, Operator, Settings], Awaitable[Result]],
) -> Result:
    """Run `work` as whoever the key is, if they may. Raises TokenInvalid or Forbidden."""
    # Never an argument: other users of the machine see those.
    key = os.environ.get(KEY_VARIABLE, "") if key_file is None else _key_in(key_file)
    if not key:
        raise TokenInvalid(
            f"Say who you are: put your operator's API key into {KEY_VARIABLE}, or use --key-file.",
            zh=f"请说明操作人：把本人的 API 密钥放入 {KEY_VARIABLE}，或使用 --key-file。",
        )

    async def run(connection: AsyncConnection, settings: Settings) -> Result:
        try:
            operator = await authenticate_operator(connection, key, roles, demo=settings.demo)
        except TokenInvalid:
            source = KEY_VARIABLE if key_file is None else str(key_file)
            raise TokenInvalid(
                f"The key in {source} is no API key of this installation, or it is revoked;"
                " `tanbi key list` shows all.",
                zh=f"{source} 中的密钥不是本系统的 API 密钥，或已被撤销；`tanbi key list` 列出全部密钥。",
            ) from None
        return await work(connection, operator, settings)

    return in_transaction(data, run)


def _key_in(key_file: Path) -> str:
    text = key_file.read_text().strip()
    try:
        printed = json.loads(text)
    except ValueError:
        return text
    return str(printed.get("api_key", "")) if isinstance(printed, dict) else text
