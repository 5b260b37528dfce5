"""How many wrong claim codes an address may send. In the memory of one process, and bounded."""

import ipaddress
import math
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from service.errors import ClaimsRateLimited

MINUTE_SECONDS: Final = 60.0
ADDRESSES_MAX: Final = 10_000
# Who has one address of version 6 has all of these.
NETWORK_BITS: Final = 64


@dataclass(slots=True)
class _Allowance:
    """What was left at a moment of a monotonic clock; it grows again until it is full."""

    attempts: float
    at: float


class ClaimAttempts:
    """Each address may send so many wrong codes at once, and so many a minute. An attempt is taken before the code is
    looked at, and given back where it was right: attempts that run at the same time count too."""

    def __init__(self, per_minute_max: int, clock: Callable[[], float]) -> None:
        """`per_minute_max` 0: any number."""
        self._max = per_minute_max
        self._clock = clock
        # The one that was heard of longest ago comes first.
        self._left: OrderedDict[str, _Allowance] = OrderedDict()

    def take(self, address: str | None) -> str:
        """Whose attempt it is, for `give_back`. Raises ClaimsRateLimited with the seconds until there is one."""
        who = network_of(address)
        if self._max == 0:
            return who
        left = self._now(who)
        if left.attempts < 1:
            missing_seconds = (1 - left.attempts) * MINUTE_SECONDS / self._max
            raise ClaimsRateLimited(retry_after_seconds=math.ceil(missing_seconds))
        left.attempts -= 1
        return who

    def give_back(self, who: str) -> None:
        if self._max:
            left = self._now(who)
            left.attempts = min(float(self._max), left.attempts + 1)

    def _now(self, who: str) -> _Allowance:
        now = self._clock()
        left = self._left.pop(who, None)
        if left is None:
            left = _Allowance(float(self._max), now)
        else:
            grown = left.attempts + (now - left.at) * self._max / MINUTE_SECONDS
            left = _Allowance(min(float(self._max), grown), now)
        self._left[who] = left
        if len(self._left) > ADDRESSES_MAX:
            self._left.popitem(last=False)
        return left

    def __len__(self) -> int:
        return len(self._left)


def network_of(address: str | None) -> str:
    """An address of version 4, or the network of one of version 6; empty where there is none, as on a socket file."""
    try:
        found = ipaddress.ip_address((address or "").partition("%")[0])
    except ValueError:
        return ""
    if found.version == 4:
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.ip_network((int(found), NETWORK_BITS), strict=False))
