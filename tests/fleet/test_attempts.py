"""How many wrong codes an address may send; the clock is the test's."""

from itertools import count

import pytest

from service.errors import ClaimsRateLimited
from service.fleet.attempts import ADDRESSES_MAX, ClaimAttempts, network_of


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def allowed(attempts: ClaimAttempts, address: str, tries: int) -> int:
    """How many of so many wrong codes were looked at."""
    looked_at = 0
    for _ in range(tries):
        try:
            attempts.take(address)
            looked_at += 1
        except ClaimsRateLimited:
            pass
    return looked_at


def test_of_ten_thousand_guesses_in_a_minute_twenty_are_looked_at(clock: Clock) -> None:
    attempts, looked_at = ClaimAttempts(10, clock), 0
    for _ in range(10_000):
        looked_at += allowed(attempts, "192.0.2.1", 1)
        clock.now += 60 / 10_000
    # Ten at once, and ten that a minute brings; of 2 to the power of 125 codes.
    assert looked_at == 20 - 1


def test_retry_after_is_when_the_next_one_is_looked_at(clock: Clock) -> None:
    attempts = ClaimAttempts(10, clock)
    assert allowed(attempts, "192.0.2.1", 11) == 10
    with pytest.raises(ClaimsRateLimited) as caught:
        attempts.take("192.0.2.1")
    assert caught.value.headers == {"Retry-After": "6"}
    clock.now += 5.5
    assert allowed(attempts, "192.0.2.1", 1) == 0
    clock.now += 0.5
    assert allowed(attempts, "192.0.2.1", 2) == 1


def test_a_right_code_costs_nothing_and_no_more_than_all_comes_back(clock: Clock) -> None:
    attempts = ClaimAttempts(2, clock)
    for _ in range(100):
        attempts.give_back(attempts.take("192.0.2.1"))
    clock.now += 3600
    assert allowed(attempts, "192.0.2.1", 100) == 2


def test_addresses_are_counted_apart_and_a_network_of_version_6_as_one(clock: Clock) -> None:
    attempts = ClaimAttempts(1, clock)
    assert [allowed(attempts, f"192.0.2.{number}", 2) for number in range(3)] == [1, 1, 1]
    assert allowed(attempts, "2001:db8::1", 1) == 1
    assert allowed(attempts, "2001:db8::2", 1) == 0
    assert allowed(attempts, "2001:db8:0:1::1", 1) == 1
    assert network_of("::ffff:192.0.2.1") == network_of("192.0.2.1")
    assert network_of("fe80::1%eth0") == "fe80::/64"
    assert network_of(None) == network_of("a socket file") == ""


def test_only_so_many_addresses_are_remembered_and_the_oldest_is_forgotten(clock: Clock) -> None:
    attempts = ClaimAttempts(1, clock)
    addresses = (f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}" for number in count())
    first = next(addresses)
    assert allowed(attempts, first, 2) == 1
    for _ in range(ADDRESSES_MAX):
        attempts.take(next(addresses))
    assert len(attempts) == ADDRESSES_MAX
    assert allowed(attempts, first, 2) == 1


def test_nothing_is_counted_where_nothing_is_limited(clock: Clock) -> None:
    attempts = ClaimAttempts(0, clock)
    assert allowed(attempts, "192.0.2.1", 10_000) == 10_000
    assert len(attempts) == 0
