"""Keys, digests and tokens."""

import base64
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidTag
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from schemas.signatures import Algorithm, SigningKey
from service.secrets import Device, Keyring, SecretKeyInvalid, load_or_create_master_key, new_token, token_hash
from service.settings import Settings

MASTER = bytes(range(32))
OTHER = bytes(reversed(range(32)))
DEVICES: tuple[Device, ...] = ("bin", "machine")


@pytest.mark.parametrize(
    "text",
    ["", "x", "密钥", base64.b64encode(MASTER[:31]).decode(), base64.b64encode(MASTER + b"x").decode(), "A" * 43],
)
def test_a_master_key_of_another_form_is_refused_with_a_way_to_make_one(text: str) -> None:
    with pytest.raises(SecretKeyInvalid, match="openssl rand -base64 32"):
        Keyring.of(Settings(secret_key=SecretStr(text)))


def test_without_a_master_key_there_is_no_keyring() -> None:
    with pytest.raises(SecretKeyInvalid):
        Keyring.of(Settings(secret_key=None))


def test_digests_are_the_same_in_every_process_with_the_same_key() -> None:
    of_settings = Keyring.of(Settings(secret_key=SecretStr(base64.b64encode(MASTER).decode())))
    assert of_settings.credential_digest("card", "04A2") == Keyring(MASTER).credential_digest("card", "04A2")


def test_digests_are_32_bytes_and_tell_nothing_without_the_key() -> None:
    digests = {
        keyring.credential_digest("card", "04A2"),
        keyring.credential_digest("code", "04A2"),
        keyring.openid_digest("card:04A2"),
        keyring.pay_code_digest("card:04A2"),
        Keyring(OTHER).credential_digest("card", "04A2"),
    }
    assert len(digests) == 5
    assert {len(digest) for digest in digests} == {32}


keyring = Keyring(MASTER)


@given(st.text(alphabet="0123456789abcdefABCDEF", min_size=4, max_size=64))
def test_a_card_is_the_same_in_either_case(number: str) -> None:
    assert keyring.credential_digest("card", number.lower()) == keyring.credential_digest("card", number.upper())


@given(st.binary(min_size=32, max_size=64), st.sampled_from(DEVICES))
def test_a_devices_secret_comes_back_as_it_was(secret: bytes, device: Device) -> None:
    key = SigningKey("NK-0001", Algorithm.HMAC_SHA256, secret)
    stored = keyring.stored_key(device, key)
    assert secret not in stored
    assert keyring.decrypt_signing_secret(device, "NK-0001", stored) == secret
    # The same secret is never stored twice in the same way.
    assert keyring.stored_key(device, key) != stored


def test_of_an_ed25519_key_only_the_public_part_is_stored() -> None:
    key = SigningKey("NK-0001", Algorithm.ED25519, b"s" * 32)
    assert keyring.stored_key("bin", key) == keyring.stored_key("machine", key) == key.public_bytes


def test_a_stored_secret_is_of_no_use_to_another_device_or_key_or_if_it_was_touched() -> None:
    stored = keyring.stored_key("bin", SigningKey("NK-0001", Algorithm.HMAC_SHA256, b"s" * 32))
    decrypting: tuple[tuple[Keyring, Device, str, bytes], ...] = (
        (keyring, "bin", "NK-0002", stored),
        (keyring, "machine", "NK-0001", stored),
        (Keyring(OTHER), "bin", "NK-0001", stored),
        (keyring, "bin", "NK-0001", stored[:-1] + bytes([stored[-1] ^ 1])),
        (keyring, "bin", "NK-0001", stored[:-1]),
    )
    for other, device, keyid, bytes_ in decrypting:
        with pytest.raises(InvalidTag):
            other.decrypt_signing_secret(device, keyid, bytes_)


def test_tokens_are_never_the_same_and_say_what_they_are() -> None:
    tokens = {new_token("tbr") for _ in range(100)}
    assert len(tokens) == 100
    # 43 characters of base64 are 256 bits.
    assert all(token.startswith("tbr_") and len(token) == 4 + 43 for token in tokens)
    assert len({token_hash(token) for token in tokens}) == 100
    assert all(len(token_hash(token)) == 32 for token in tokens)


def test_the_master_key_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "secret.key"
    made = load_or_create_master_key(path)
    assert len(base64.b64decode(made, validate=True)) == 32
    assert load_or_create_master_key(path) == made
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_a_master_key_that_an_operator_wrote_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "secret.key"
    path.write_text("theirs\n")
    assert load_or_create_master_key(path) == "theirs"
    assert path.read_text() == "theirs\n"


def test_processes_that_make_the_master_key_at_once_agree_on_it(tmp_path: Path) -> None:
    for number in range(20):
        path = tmp_path / f"{number}.key"
        with ThreadPoolExecutor(8) as executor:
            made = list(executor.map(load_or_create_master_key, [path] * 8))
        assert len(set(made)) == 1
        assert path.read_text().strip() == made[0]
