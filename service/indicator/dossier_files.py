"""The dossier's files: what they are called, and who writes them."""

import re
from pathlib import Path
from typing import Final, Literal, TypeAlias

from service.indicator.dossier import Gathered, make_dossier
from service.indicator.dossier_page import dossier_page
from service.indicator.dossier_workbook import write_workbook

DossierFormat: TypeAlias = Literal["xlsx", "html"]
FORMATS: Final[tuple[DossierFormat, ...]] = ("xlsx", "html")
# An area's id may have signs that are none of a file's name.
NOT_OF_A_NAME: Final = re.compile(r"[^A-Za-z0-9._-]")


def file_name(area_id: str, year: int, ending: DossierFormat) -> str:
    """Such as nankai-2025.xlsx."""
    return f"{NOT_OF_A_NAME.sub('_', area_id)}-{year}.{ending}"


def write_file(gathered: Gathered, ending: DossierFormat, zone: str, path: Path) -> None:
    """Takes its time, so in a thread."""
    dossier = make_dossier(gathered)
    if ending == "xlsx":
        write_workbook(dossier, zone, path)
    else:
        path.write_text(dossier_page(dossier, zone), encoding="utf-8")
