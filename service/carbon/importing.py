"""A factor set from a file: every row is looked at, and all or nothing is written."""

from typing import NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection

from service.carbon.reading import CellMistake, FactorFile
from service.carbon.rules import mistakes_in
from service.materials import material_names


class Judged(NamedTuple):
    """The file with all of its mistakes, also those that only the database knows, in the order of its rows."""

    file: FactorFile
    mistakes: list[CellMistake]


async def judge_file(connection: AsyncConnection, file: FactorFile) -> Judged:
    readable = [row for row in file.rows if row.factor is not None]
    known = await material_names(connection)
    found = mistakes_in([row.cells[0] for row in readable], known)
    mistakes = [CellMistake(readable[each.position].row, each.field, each.detail, each.detail_zh) for each in found]
    return Judged(file, sorted([*file.mistakes, *mistakes], key=lambda mistake: mistake.row))
