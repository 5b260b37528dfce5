"""Keys derived from the one master key, and what they digest and encrypt."""

import base64
import contextlib
import hashlib
import os
import secrets
from pathlib import Path
from typing import Literal, TypeAlias
from uuid import UUID

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from schemas.signatures import Algorithm, SigningKey
from service.settings import Settings

KEY_BYTES = 32
NONCE_BYTES = 12
DIGEST_BYTES = 32
CARD = "card"

# What signs with a key of its own. A row of one kind is of no use as a row of the other.
Device: TypeAlias = Literal["bin", "machine"]


class SecretKeyInvalid(ValueError):
    """Set TANBI_SECRET_KEY to base64 of 32 bytes, such as `openssl rand -base64 32` makes."""

    def __init__(self) -> None:
        super().__init__(self.__doc__)


class Keyring:
    """Digests of what is looked up (cards, openids, pay-codes) and encryption of what must be read back (HMAC keys).

    Digests are keyed, because a card number or a pay-code is short enough to be guessed from a plain hash. Each purpose
    has a key of its own, so that a digest of one table says nothing about another.
    """

    def __init__(self, master: bytes) -> None:
        if len(master) != KEY_BYTES:
            raise SecretKeyInvalid
        self._credential = _derive(master, b"credential")
        self._openid = _derive(master, b"openid")
        self._pay_code = _derive(master, b"pay-code")
        self._signing_secrets: dict[Device, AESGCM] = {
            "bin": AESGCM(_derive(master, b"bin-secret")),
            "machine": AESGCM(_derive(master, b"machine-secret")),
        }
        self._webhook_secret = AESGCM(_derive(master, b"webhook-secret"))

    @classmethod
    def of(cls, settings: Settings) -> "Keyring":
        """Raises SecretKeyInvalid where the settings have no key, or one of another form."""
        text = settings.secret_key.get_secret_value() if settings.secret_key else ""
        try:
            return cls(base64.b64decode(text, validate=True))
        except ValueError:
            raise SecretKeyInvalid from None

    def credential_digest(self, kind: str, value: str) -> bytes:
        """32 bytes. Card numbers are hexadecimal and come in either case."""
        return _keyed_digest(self._credential, f"{kind}:{value.upper() if kind == CARD else value}")

    def openid_digest(self, openid: str) -> bytes:
        return _keyed_digest(self._openid, openid)

    def pay_code_digest(self, code: str) -> bytes:
        return _keyed_digest(self._pay_code, code)

    def stored_key(self, device: Device, key: SigningKey) -> bytes:
        """What a row keeps of a device's key: what is needed to verify with it, and no more.

        The public key of Ed25519; an HMAC secret as nonce and ciphertext, bound to its keyid, so that rows cannot be
        swapped.
        """
        if key.algorithm is Algorithm.ED25519:
            return key.public_bytes
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._signing_secrets[device].encrypt(nonce, key.secret, key.keyid.encode())

    def decrypt_signing_secret(self, device: Device, keyid: str, stored: bytes) -> bytes:
        """Raises cryptography.exceptions.InvalidTag where the row is another key's or the master key was changed."""
        return self._signing_secrets[device].decrypt(stored[:NONCE_BYTES], stored[NONCE_BYTES:], keyid.encode())

    def encrypt_webhook_secret(self, endpoint_id: UUID, secret: bytes) -> bytes:
        """Nonce and ciphertext; bound to the endpoint, so that rows cannot be swapped."""
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._webhook_secret.encrypt(nonce, secret, endpoint_id.bytes)

    def decrypt_webhook_secret(self, endpoint_id: UUID, stored: bytes) -> bytes:
        """Raises cryptography.exceptions.InvalidTag, as for a bin's secret."""
        return self._webhook_secret.decrypt(stored[:NONCE_BYTES], stored[NONCE_BYTES:], endpoint_id.bytes)


def _keyed_digest(key: bytes, text: str) -> bytes:
    """BLAKE2b is keyed by itself and made for this (RFC 7693); HMAC would hash twice, at twice the cost."""
    return hashlib.blake2b(text.encode(), key=key, digest_size=DIGEST_BYTES).digest()


def _derive(master: bytes, purpose: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=b"tanbi " + purpose).derive(master)


def token_hash(token: str) -> bytes:
    """SHA-256 of a token with 256 bits of its own: nothing to guess, so no key is needed."""
    return hashlib.sha256(token.encode()).digest()


def new_token(prefix: str) -> str:
    """`prefix` tells a person, and a scanner of leaked secrets, what was found."""
    return f"{prefix}_{secrets.token_urlsafe(KEY_BYTES)}"


def load_or_create_master_key(path: Path) -> str:
    """The embedded default's key, base64, in a file that only its owner can read; made where there is none.

    The file is whole or not there at all, and on the disk before the key is used: without it no card is known again. Of
    two processes that make it at once, one wins, and both use that one's.
    """
    if not path.exists():
        _create_whole(path, base64.b64encode(os.urandom(KEY_BYTES)) + b"\n")
    return path.read_text().strip()


def _create_whole(path: Path, content: bytes) -> None:
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        # A link, unlike a rename, never replaces what is there.
        with contextlib.suppress(FileExistsError):
            path.hardlink_to(draft)
    finally:
        draft.unlink(missing_ok=True)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
