"""Files that are written for one caller and sent whole."""

import asyncio
import os
from pathlib import Path
from typing import Final

from aiohttp import hdrs, web

from service.files.pages import HTML_TYPE
from service.files.sheets import XLSX_TYPE

# How many files are written at once: each takes a connection, and a core while it lasts.
WRITING: web.AppKey[asyncio.Semaphore] = web.AppKey("writing")
WRITING_MAX: Final = 2
PART_BYTES: Final = 1 << 18
# A page has its style and its charts in itself, and nothing else: what somebody typed into it neither runs nor loads.
PAGE_POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


async def send_file(
    request: web.Request, path: Path, *, name: str, content_type: str, shown_inline: bool
) -> web.StreamResponse:
    """A file that is written whole: who reads slowly holds it, and no connection of the database. `name` is what it is
    saved as, of letters, digits, dots and hyphens."""
    response = web.StreamResponse()
    response.content_type = content_type
    if content_type != XLSX_TYPE:
        response.charset = "utf-8"
    if content_type == HTML_TYPE:
        response.headers["Content-Security-Policy"] = PAGE_POLICY
    # A browser takes it for what it is said to be, whatever its bytes look like.
    response.headers["X-Content-Type-Options"] = "nosniff"
    shown = "inline" if shown_inline else "attachment"
    response.headers[hdrs.CONTENT_DISPOSITION] = f'{shown}; filename="{name}"'
    response.headers[hdrs.CACHE_CONTROL] = "private, no-store"
    with await asyncio.to_thread(path.open, "rb") as file:
        response.content_length = await asyncio.to_thread(file.seek, 0, os.SEEK_END)
        file.seek(0)
        await response.prepare(request)
        while part := await asyncio.to_thread(file.read, PART_BYTES):
            await response.write(part)
    await response.write_eof()
    return response
