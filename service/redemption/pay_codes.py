"""Pay-codes: what a resident's screen shows and a merchant scans, once and within a minute."""

import secrets
from datetime import timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.patterns import PAY_CODE_DIGITS
from schemas.redemptions import PayCode
from service.redemption import queries
from service.secrets import Keyring

# So long a merchant who asks again is told what became of a code, rather than that there is none.
KEPT: Final = timedelta(days=1)
# More than the one row that a new code adds, so that the table stays as small as a day's redemptions.
TIDIED_ROWS_MAX: Final = 10


async def issue_pay_code(
    connection: AsyncConnection, keyring: Keyring, *, resident_id: int, lifetime: timedelta
) -> PayCode:
    """A new code; the resident's earlier one that was not used is worth nothing from its commit on.

    60 bits of chance: to guess one of ten thousand good codes takes 10^14 tries.
    """
    code = f"{secrets.randbelow(10**PAY_CODE_DIGITS):0{PAY_CODE_DIGITS}d}"
    expires_at = await queries.replace_pay_code(
        connection, owner_id=resident_id, digest=keyring.pay_code_digest(code), lifetime=lifetime
    )
    await queries.tidy_pay_codes(connection, kept=KEPT, rows_max=TIDIED_ROWS_MAX)
    return PayCode(pay_code=code, expires_at=expires_at)
