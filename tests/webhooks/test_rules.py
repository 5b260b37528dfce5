"""Where webhooks may go, how they are signed, and when they are tried again."""

import base64
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook

from service.webhooks.rules import (
    ATTEMPTS_MAX,
    JITTER_MAX,
    RETRY_SECONDS,
    decide,
    encode_secret,
    is_public_address,
    signature,
    url_refusal,
)


@pytest.mark.parametrize("address", ["1.1.1.1", "114.114.114.114", "203.119.25.1", "2400:3200::1", "2606:4700::1111"])
def test_hosts_of_the_internet_are_public(address: str) -> None:
    assert is_public_address(address)


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",  # noqa: S104
        "0.1.2.3",
        "10.1.2.3",
        "100.64.0.1",
        "100.100.100.200",
        "127.0.0.1",
        "127.255.255.254",
        "169.254.169.254",
        "172.31.0.1",
        "192.0.0.8",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.1.1",
        "198.18.0.1",
        "224.0.0.1",
        "233.252.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::7f00:1",
        "::ffff:10.0.0.1",
        "::ffff:1.1.1.1",
        "64:ff9b::a00:1",
        "64:ff9b:1::1",
        "100::1",
        "2001::1",
        "2001:20::1",
        "2001:db8::1",
        "2002:a00:1::",
        "3fff::1",
        "5f00::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fe80::1%eth0",
        "2606:4700::1111%eth0",
        "fec0::1",
        "ff02::1",
        "ff0e::1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "localhost",
        "",
    ],
)
def test_addresses_of_ours_and_special_ones_are_not(address: str) -> None:
    assert not is_public_address(address)


@given(st.ip_addresses())
def test_no_private_address_is_public(address: object) -> None:
    private = ("is_private", "is_loopback", "is_link_local", "is_multicast", "is_reserved", "is_unspecified")
    if is_public_address(str(address)):
        assert not any(getattr(address, name) for name in private)


@pytest.mark.parametrize(
    "url",
    [
        "https://shop.example/tanbi",
        "https://shop.example",
        "https://shop.example:8443/a/b?c=%E5%95%86",
        "HTTPS://xn--fiqs8s.example/",
        "https://1.1.1.1/",
        "https://[2606:4700::1111]:443/",
    ],
)
def test_urls_of_hosts_of_the_internet_are_taken(url: str) -> None:
    assert url_refusal(url, private_addresses=False) is None


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("http://shop.example/", "https_needed"),
        ("ftp://shop.example/", "https_needed"),
        ("//shop.example/", "https_needed"),
        ("shop.example", "https_needed"),
        ("file:///etc/passwd", "https_needed"),
        ("https://", "url_malformed"),
        ("https:///path", "url_malformed"),
        ("https://shop.example:0/", "url_malformed"),
        ("https://shop.example:65536/", "url_malformed"),
        ("https://shop.example:x/", "url_malformed"),
        ("https://[::1/", "url_malformed"),
        ("https://shop.example\\@10.0.0.1/", "url_malformed"),
        ("https://shop.example/ x", "url_malformed"),
        ("https://shop.example/\r\nHost: x", "url_malformed"),
        ("https://商户.example/", "url_malformed"),
        ("https://shop.example/" + "x" * 500, "url_malformed"),
        ("https://user:password@shop.example/", "credentials_in_url"),
        ("https://user@shop.example/", "credentials_in_url"),
        ("https://@shop.example/", "credentials_in_url"),
        ("https://shop.example/#part", "fragment_in_url"),
        ("https://127.0.0.1/", "address_refused"),
        ("https://10.0.0.1:8443/", "address_refused"),
        ("https://[::1]/", "address_refused"),
        ("https://[::ffff:10.0.0.1]/", "address_refused"),
        ("https://2130706433/", "address_refused"),
        ("https://127.1/", "address_refused"),
        ("https://169.254.169.254/latest/meta-data", "address_refused"),
    ],
)
def test_other_urls_are_refused_with_a_code(url: str, code: str) -> None:
    refused = url_refusal(url, private_addresses=False)
    assert refused is not None
    assert refused.code == code


def test_with_the_setting_http_and_private_addresses_are_taken_and_nothing_else() -> None:
    assert url_refusal("http://127.0.0.1:8090/hook", private_addresses=True) is None
    assert url_refusal("https://[::1]/", private_addresses=True) is None
    for url in ("ftp://127.0.0.1/", "http://user@127.0.0.1/", "http://127.0.0.1/#x"):
        assert url_refusal(url, private_addresses=True) is not None


def test_the_signature_is_the_specifications() -> None:
    # The test vector of the reference implementations (standard-webhooks, libraries/*/webhook.test).
    secret = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    signed = signature(
        secret,
        message_id="msg_p5jXN8AQM9LWM0D4loKWxJek",
        timestamp=1614265330,
        payload='{"test": 2432232314}',
    )
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@given(st.binary(min_size=24, max_size=64), st.text(), st.integers(0, 2**32))
def test_we_sign_as_an_implementation_that_is_not_ours(secret: bytes, payload: str, timestamp: int) -> None:
    theirs = Webhook(encode_secret(secret)).sign("0f5fbc8e", datetime.fromtimestamp(timestamp, UTC), payload)
    assert signature(secret, message_id="0f5fbc8e", timestamp=timestamp, payload=payload) == theirs


@pytest.mark.parametrize("status", [200, 201, 204, 299])
def test_2xx_is_delivered(status: int) -> None:
    assert decide(1, status, jitter=0) == decide(ATTEMPTS_MAX, status, jitter=1)
    assert decide(1, status, jitter=0).state == "delivered"


@pytest.mark.parametrize("status", [None, 101, 301, 400, 401, 404, 429, 500, 503])
def test_anything_else_is_tried_again_by_the_schedule_and_then_given_up(status: int | None) -> None:
    delays = [decide(attempts, status, jitter=0).delay_seconds for attempts in range(1, ATTEMPTS_MAX)]
    assert delays == [5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400]
    last = decide(ATTEMPTS_MAX, status, jitter=0)
    assert (last.outcome, last.state, last.delay_seconds) == ("failed", "failed", None)


def test_410_ends_it_at_once() -> None:
    gone = decide(1, 410, jitter=0)
    assert (gone.outcome, gone.state) == ("gone", "failed")


def test_jitter_only_ever_adds() -> None:
    for attempts, seconds in enumerate(RETRY_SECONDS, 1):
        assert decide(attempts, 500, jitter=1).delay_seconds == pytest.approx(seconds * (1 + JITTER_MAX))


@pytest.mark.parametrize(("asked", "expected"), [(None, 5), (0, 5), (3, 5), (60, 60), (999_999_999, 86_400)])
def test_a_longer_wait_that_is_asked_for_is_kept_up_to_a_day(asked: int | None, expected: int) -> None:
    assert decide(1, 503, jitter=0, retry_after_seconds=asked).delay_seconds == expected
