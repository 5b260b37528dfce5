"""What is decided about bins' codes and keys without looking anywhere."""

import base64
import binascii
from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple

from schemas.signatures import Algorithm, InvalidKey, VerifyKey
from service.errors import KeyInvalid, KeyProofWrong

# Crockford's base 32, without I, L, O and U: it is read aloud and typed.
ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
READ_AS: Final = str.maketrans("ILO", "110", "- ")
CODE_CHARACTERS: Final = 25
GROUP_CHARACTERS: Final = 5
# 125 bits are used of them.
CODE_ENTROPY_BYTES: Final = 16
# By OIML R 76 a scale of class III does not weigh less for trade.
SMALLEST_LOAD_INTERVALS: Final = 20
# One that is in use, and the one before it.
VALID_KEYS_MAX: Final = 2


class KeyState(NamedTuple):
    """A key of a bin; `valid_from` is None while its secret was issued and not confirmed."""

    keyid: str
    algorithm: Algorithm
    key: bytes
    valid_from: datetime | None
    valid_until: datetime | None

    def valid_at(self, when: datetime) -> bool:
        return self.valid_from is not None and self.valid_from <= when and not self.ended_at(when)

    def ended_at(self, when: datetime) -> bool:
        return self.valid_until is not None and self.valid_until <= when

    def pending_at(self, when: datetime) -> bool:
        return self.valid_from is None and not self.ended_at(when)


def claim_code_of(entropy: bytes) -> str:
    """A claim code of 125 of these 128 bits, in groups, such as 7K3QX-9M2TB-4DWHZ-N8VJE-1RG6P."""
    number = int.from_bytes(entropy, "big")
    digits = [ALPHABET[number >> 5 * place & 31] for place in range(CODE_CHARACTERS)]
    groups = ["".join(digits[at : at + GROUP_CHARACTERS]) for at in range(0, CODE_CHARACTERS, GROUP_CHARACTERS)]
    return "-".join(groups)


def typed_claim_code(code: str) -> str:
    """As it is hashed: what people take for one another is the same."""
    return code.upper().translate(READ_AS)


def next_keyid(bin_id: str, keys: int) -> str:
    """The id of the next key of a bin that has had so many: the bin's own for the first, then NK-0001:2 and so on."""
    return f"{bin_id}:{keys + 1}" if keys else bin_id


def newest_key(keys: Sequence[KeyState], when: datetime) -> KeyState | None:
    """Of those that are valid the one that was made last, which makes and ends keys."""
    valid = [(each.valid_from, each) for each in keys if each.valid_from is not None and each.valid_at(when)]
    return max(valid, key=lambda pair: pair[0])[1] if valid else None


def ed25519_public_key(text: str) -> bytes:
    """The 32 bytes of a public key as it is sent. Raises KeyInvalid."""
    try:
        key = base64.b64decode(text, validate=True)
        # More than one text would stand for the same bytes, and a proof is over the text.
        if base64.b64encode(key).decode() != text:
            raise _key_invalid("it is not base64 as it is usually written, with = at its end")
        VerifyKey("posted", Algorithm.ED25519, key)
    except InvalidKey as error:
        raise _key_invalid(str(error)) from None
    except (binascii.Error, ValueError):
        raise _key_invalid("it is not base64") from None
    return key


def _key_invalid(why: str) -> KeyInvalid:
    detail = f"public_key is no key: {why}."
    return KeyInvalid(detail, errors=[{"pointer": "/public_key", "code": "key_invalid", "detail": detail}])


def check_proof(bin_id: str, public_key: str, key: bytes, proof: str) -> None:
    """That whoever sends a new key for this bin has its private part. Raises KeyProofWrong."""
    try:
        signature = base64.b64decode(proof, validate=True)
        VerifyKey("posted", Algorithm.ED25519, key).verify(signature, proof_text(bin_id, public_key))
    except (binascii.Error, ValueError):
        detail = " ".join((KeyProofWrong.__doc__ or "").split())
        raise KeyProofWrong(errors=[{"pointer": "/proof", "code": "key_proof_wrong", "detail": detail}]) from None


def proof_text(bin_id: str, public_key: str) -> bytes:
    """What a new key signs to show that it is there, and for which bin."""
    return f"tanbi-key:{bin_id}:{public_key}".encode()
