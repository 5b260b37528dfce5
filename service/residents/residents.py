"""Registering residents."""

from sqlalchemy.ext.asyncio import AsyncConnection

from service.ledger.queries import open_wallet
from service.residents import queries


class ResidentExists(Exception):
    """This openid has a resident already. Roll back: the account that was opened for a second one must not stay."""

    def __init__(self) -> None:
        super().__init__(self.__doc__)


async def register_resident(
    connection: AsyncConnection, *, demo: bool = False, openid_digest: bytes | None = None
) -> int:
    """A new resident with an account and an empty wallet; the id is that of the account.

    Without an openid they cannot log in by WeChat. Raises ResidentExists.
    """
    account_id = await open_wallet(connection)
    if not await queries.claim_resident(connection, account_id, openid_digest=openid_digest, demo=demo):
        raise ResidentExists
    return account_id
