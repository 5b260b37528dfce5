"""What a file is, by its content and never by its name; its size and digest. It is read in parts."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal

from service.sheets.cells import Limits, SheetError, SheetRefused

PART_BYTES: Final = 2**16
ZIP: Final = b"PK\x03\x04"
# Of an empty zip, and of one in several volumes.
OTHER_ZIPS: Final = (b"PK\x05\x06", b"PK\x07\x08")
# The container of .xls, of WPS's .et, and of a workbook with a password.
COMPOUND: Final = bytes.fromhex("d0cf11e0a1b11ae1")
ENCRYPTED: Final = "EncryptedPackage".encode("utf-16-le")
# Documents that are sent under a sheet's name.
OTHERS: Final = (
    (b"%PDF", "PDF"),
    (b"\x89PNG", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"Rar!", "RAR"),
    (b"7z\xbc\xaf", "7z"),
    (b"\x1f\x8b", "gzip"),
    (b"{\\rtf", "RTF"),
)
MARKUP: Final = (b"<!doctype", b"<html", b"<?xml", b"<table", b"<style", b"<meta")


def refused(code: str, **values: object) -> SheetRefused:
    return SheetRefused(SheetError.of(code, **values))  # type: ignore[arg-type]


def parts_of(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while part := file.read(PART_BYTES):
            yield part


def check_size(path: Path, limits: Limits) -> int:
    """In bytes; nothing is read. Raises SheetRefused."""
    size = path.stat().st_size
    if size > limits.file_bytes:
        raise refused("file_too_large", bytes=size, limit=limits.file_bytes)
    if not size:
        raise refused("file_empty")
    return size


def sha256_of(path: Path) -> str:
    """In hex."""
    digest = hashlib.sha256()
    for part in parts_of(path):
        digest.update(part)
    return digest.hexdigest()


def contains(path: Path, wanted: bytes) -> int:
    """How often, also across the parts in which the file is read."""
    count, end = 0, b""
    for part in parts_of(path):
        seen = end + part
        count += seen.count(wanted)
        end = seen[len(seen) - len(wanted) + 1 :]
    return count


def form_of(path: Path) -> Literal["xlsx", "csv"]:
    """A zip may be a workbook; what is nothing else may be text. Raises SheetRefused."""
    with path.open("rb") as file:
        start = file.read(512)
    if start.startswith(ZIP):
        return "xlsx"
    if start.startswith(OTHER_ZIPS):
        raise refused("not_a_sheet", what="zip")
    if start.startswith(COMPOUND):
        raise refused("encrypted" if contains(path, ENCRYPTED) else "old_workbook")
    for beginning, what in OTHERS:
        if start.startswith(beginning):
            raise refused("not_a_sheet", what=what)
    # As some systems export what they call Excel.
    if start.removeprefix(b"\xef\xbb\xbf").lstrip().lower().startswith(MARKUP):
        raise refused("not_a_sheet", what="HTML/XML")
    return "csv"
