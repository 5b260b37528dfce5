"""The parts of a workbook, which is a zip of XML, unpacked and parsed without trust in what it says of itself.

Nothing is unpacked beyond a limit; XML with a document type is refused, so no entity is ever expanded or fetched; names
and single tokens are bounded, so that a parser cannot be filled with them.
"""

import posixpath
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Final
from xml.parsers import expat

from service.sheets.cells import Limits
from service.sheets.files import PART_BYTES, contains, refused

# A workbook has some dozens; each costs memory before anything is read.
ENTRIES_MAX: Final = 10_000
ENTRY: Final = b"PK\x01\x02"
# Of elements and attributes in one part.
XML_NAMES_MAX: Final = 5_000
XML_TOKEN_BYTES_MAX: Final = 2**20
NAMESPACES: Final = (
    "http://schemas.openxmlformats.org/spreadsheetml/2006/main",
    "http://purl.oclc.org/ooxml/spreadsheetml/main",
)
RELATIONS: Final = "http://schemas.openxmlformats.org/package/2006/relationships Relationship"
# What zipfile raises of a file that is damaged, or made to look like one.
DAMAGED: Final = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,
    IndexError,
    OverflowError,
    OSError,
)

Start = Callable[[str, Mapping[str, str]], None]
End = Callable[[str], None]
Text = Callable[[str], None]


def broken(what: str) -> Exception:
    return refused("workbook_broken", what=what)


class Package:
    """The parts by name. Raises SheetRefused where the file is no workbook, or no whole one."""

    def __init__(self, path: Path, limits: Limits) -> None:
        self._path = path
        self._limit = limits.unpacked_bytes
        if contains(path, ENTRY) > ENTRIES_MAX:
            raise broken("entries")
        try:
            with zipfile.ZipFile(path) as file:
                entries = file.infolist()
                self._entries = {entry.filename.replace("\\", "/").lstrip("/").casefold(): entry for entry in entries}
                kind = self._stored(file, "mimetype")
        except DAMAGED:
            raise broken("zip") from None
        if b"opendocument" in kind:
            raise refused("open_document")
        if "xl/workbook.bin" in self._entries:
            raise refused("binary_workbook")
        if any(entry.flag_bits & 1 for entry in entries):
            raise refused("encrypted")
        if "[content_types].xml" not in self._entries or not any(name.startswith("xl/") for name in self._entries):
            what = "Word/PowerPoint" if "[content_types].xml" in self._entries else "zip"
            raise refused("not_a_sheet", what=what)

    def __contains__(self, name: str) -> bool:
        return name.casefold() in self._entries

    def size_of(self, name: str) -> int:
        """Unpacked, in bytes, as the zip says; it never gives more. Raises SheetRefused."""
        entry = self._entries.get(name.casefold())
        if entry is None:
            raise broken(posixpath.basename(name))
        if entry.file_size > self._limit:
            raise refused("workbook_too_large", limit=self._limit)
        return entry.file_size

    def parse(self, name: str, start: Start, end: End | None = None, text: Text | None = None) -> Iterator[int]:
        """Parse a part of XML, and give how many bytes of it are done, again and again. Raises SheetRefused."""
        size = self.size_of(name)
        names: dict[str, str] = {}
        parser = expat.ParserCreate(None, " ", names)
        parser.StartDoctypeDeclHandler = _refuse_doctype
        parser.StartElementHandler = start
        parser.EndElementHandler = end
        parser.CharacterDataHandler = text
        done = 0
        try:
            for part in self._unpacked(name):
                parser.Parse(part, False)
                done += len(part)
                if len(names) > XML_NAMES_MAX or done - max(parser.CurrentByteIndex, 0) > XML_TOKEN_BYTES_MAX:
                    raise broken(posixpath.basename(name))
                yield done
            parser.Parse(b"", True)
        # The last two are of an encoding that it names and Python does not know, or cannot use here.
        except (expat.ExpatError, ValueError, LookupError):
            raise broken(posixpath.basename(name)) from None
        if done != size:
            raise broken(posixpath.basename(name))

    def _unpacked(self, name: str) -> Iterator[bytes]:
        entry = self._entries[name.casefold()]
        # The other ways of packing may ask for any amount of memory, and no program writes them.
        if entry.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
            raise broken("zip")
        try:
            with zipfile.ZipFile(self._path) as file, file.open(entry) as unpacked:
                while part := unpacked.read(PART_BYTES):
                    yield part
        except DAMAGED:
            raise broken(posixpath.basename(name)) from None

    def _stored(self, file: zipfile.ZipFile, name: str) -> bytes:
        entry = self._entries.get(name)
        if entry is None or entry.file_size > PART_BYTES or entry.compress_type != zipfile.ZIP_STORED:
            return b""
        return file.read(entry)

    def relations(self, name: str) -> dict[str, tuple[str, str]]:
        """What a part refers to, by the reference's id: the end of its type, and the part's name."""
        folder, base = posixpath.split(name)
        found: dict[str, tuple[str, str]] = {}

        def start(element: str, attributes: Mapping[str, str]) -> None:
            target = attributes.get("Target", "")
            if element == RELATIONS and attributes.get("TargetMode") != "External":
                place = posixpath.normpath(posixpath.join("/", folder, target)).lstrip("/")
                found[attributes.get("Id", "")] = (attributes.get("Type", "").rsplit("/", 1)[-1], place)

        part = posixpath.join(folder, "_rels", f"{base}.rels")
        if part in self:
            for _ in self.parse(part, start):
                pass
        return found


# There are millions of elements and some dozens of names; a hostile file may have thousands.
@lru_cache(maxsize=256)
def local_name(name: str) -> str:
    """Of an element of a spreadsheet; empty of any other's."""
    namespace, _, local = name.rpartition(" ")
    return local if namespace in NAMESPACES else ""


def _refuse_doctype(*_: object) -> None:
    raise broken("DOCTYPE")
