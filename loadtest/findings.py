"""What a run of kills finds."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it must be. `code` is `lost`, `doubled`, `wrong`, `invented`, `unanswered`,
    `undeserved`, `contradiction`, `balance`, `verify` or `not_back`; `detail` names it."""

    code: str
    detail: str
