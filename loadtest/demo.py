"""Reads the `demo.json` that `tanbi demo` writes (DESIGN §6): who may sign, and whose cards there are."""

import base64
import binascii
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, Field, ValidationError

from loadtest.requests import BinKey
from schemas.signatures import Algorithm, InvalidKey, SigningKey


class UnreadableDemo(Exception):
    """The file is no demo.json: give the one that `tanbi demo` wrote into its data directory."""


class DemoBin(BaseModel):
    """A bin in demo.json; `private_key` is base64 of the Ed25519 seed or of the HMAC secret."""

    id: str
    alg: Algorithm
    keyid: str
    private_key: str


class DemoResident(BaseModel):
    """A resident in demo.json: the number of their card, and the token of a session."""

    id: int
    card: str
    token: str = Field(repr=False)


class DemoMerchant(BaseModel):
    """A merchant in demo.json, and the API key of its staff."""

    id: str
    api_key: str = Field(repr=False)


class DemoMachine(BaseModel):
    """A machine in demo.json; `private_key` as a bin's."""

    id: str
    merchant_id: str
    alg: Algorithm
    keyid: str
    private_key: str = Field(repr=False)


class DemoFile(BaseModel):
    """The part of demo.json that load needs; the rest is for others."""

    base_url: str
    bins: list[DemoBin]
    residents: list[DemoResident]
    merchants: list[DemoMerchant]
    machines: list[DemoMachine]


@dataclass(frozen=True, slots=True)
class MachineKey:
    """A machine of a merchant, and the key it signs with."""

    machine_id: str
    merchant_id: str
    key: SigningKey


@dataclass(frozen=True, slots=True)
class Demo:
    """A demo service as load sees it."""

    base_url: str
    bins: tuple[BinKey, ...]
    residents: tuple[DemoResident, ...]
    merchants: tuple[DemoMerchant, ...]
    machines: tuple[MachineKey, ...]

    @property
    def cards(self) -> tuple[str, ...]:
        """The residents' card numbers, in their order."""
        return tuple(resident.card for resident in self.residents)

    def bins_with(self, algorithm: Algorithm) -> list[BinKey]:
        """The bins that sign with this algorithm."""
        return [bin_key for bin_key in self.bins if bin_key.key.algorithm is algorithm]


def read_demo(path: Path) -> Demo:
    """The demo that a file describes. Raises UnreadableDemo, which never quotes a key."""
    try:
        file = DemoFile.model_validate_json(path.read_bytes())
        bins = tuple(BinKey(item.id, signing_key(item)) for item in file.bins)
        machines = tuple(MachineKey(item.id, item.merchant_id, signing_key(item)) for item in file.machines)
    except OSError as error:
        raise UnreadableDemo(f"{UnreadableDemo.__doc__} {path}: {error.strerror}.") from error
    except ValidationError as error:
        places = sorted({".".join(str(part) for part in item["loc"]) or "the file" for item in error.errors()})
        raise UnreadableDemo(f"{UnreadableDemo.__doc__} Wrong or missing: {', '.join(places[:5])}.") from None
    except (binascii.Error, InvalidKey) as error:
        raise UnreadableDemo(f"{UnreadableDemo.__doc__} A private_key: {error}.") from None
    return Demo(file.base_url, bins, tuple(file.residents), tuple(file.merchants), machines)


def signing_key(item: DemoBin | DemoMachine) -> SigningKey:
    """What a device of the demo signs with. Raises binascii.Error and InvalidKey."""
    return SigningKey(item.keyid, item.alg, base64.b64decode(item.private_key, validate=True))
