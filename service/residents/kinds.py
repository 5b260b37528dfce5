"""Who is a trader: marked by an operator, with a reason."""

from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.common import OperatorName
from schemas.residents import KindRequest, ResidentKind
from service.auth import Operator
from service.errors import ResidentUnknown
from service.residents import queries


async def mark(connection: AsyncConnection, operator: Operator, wanted: KindRequest, *, demo: bool) -> ResidentKind:
    """Which limits of a day hold for a resident, from their next drop on; what was credited stays. Written down with
    who, when and why, also where they were of this kind before. Raises ResidentUnknown."""
    if not await queries.set_kind(connection, wanted.resident_id, wanted.kind, demo=demo):
        raise ResidentUnknown(f"There is no resident {wanted.resident_id}.")
    change = await queries.insert_change(
        connection, resident_id=wanted.resident_id, kind=wanted.kind, reason=wanted.reason, changed_by=operator.key_id
    )
    return ResidentKind(
        resident_id=wanted.resident_id,
        kind=wanted.kind,
        reason=wanted.reason,
        changed_by=OperatorName(key_id=operator.key_id, name=change.name),
        changed_at=change.created_at,
    )
