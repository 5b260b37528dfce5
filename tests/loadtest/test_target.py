import pytest

from loadtest.target import NotATarget, NotLoopback, Target, target_of


@pytest.mark.parametrize(
    ("base_url", "target"),
    [
        ("http://127.0.0.1:8080", Target("127.0.0.1", 8080)),
        ("http://127.0.0.1:8080/", Target("127.0.0.1", 8080)),
        ("http://127.0.0.1", Target("127.0.0.1", 80)),
        ("http://127.8.9.10:1", Target("127.8.9.10", 1)),
        ("http://[::1]:8080", Target("::1", 8080)),
    ],
)
def test_loopback_addresses_are_targets(base_url: str, target: Target) -> None:
    assert target_of(base_url) == target


def test_localhost_becomes_an_address() -> None:
    assert target_of("http://localhost:8080").host in ("127.0.0.1", "::1")


@pytest.mark.parametrize(
    "base_url",
    [
        "http://10.0.0.1:8080",
        "http://0.0.0.0:8080",
        "http://8.8.8.8",
        "http://[2001:db8::1]:8080",
        "http://[::ffff:10.0.0.1]:8080",
        "http://example.org",
        "http://127.0.0.1.example.org",
        "http://localhost.example.org",
        "http://2130706433:8080",
    ],
)
def test_any_other_machine_is_refused(base_url: str) -> None:
    with pytest.raises(NotLoopback, match="this machine only"):
        target_of(base_url)


@pytest.mark.parametrize(
    "base_url",
    [
        "https://127.0.0.1:8080",
        "127.0.0.1:8080",
        "http://127.0.0.1:8080/v1",
        "http://127.0.0.1:8080?x=1",
        "http://user@127.0.0.1:8080",
        "http://127.0.0.1:port",
        "http://127.0.0.1:99999",
        "http://:8080",
        "",
    ],
)
def test_what_is_no_base_address_is_refused(base_url: str) -> None:
    with pytest.raises(NotATarget, match="http://HOST:PORT"):
        target_of(base_url)


def test_the_authority_of_an_ipv6_target_has_brackets() -> None:
    assert Target("::1", 8080).authority == "[::1]:8080"
    assert Target("127.0.0.1", 8080).authority == "127.0.0.1:8080"
