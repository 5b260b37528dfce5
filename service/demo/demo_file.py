"""demo.json: everything that is needed to try the API by hand or by script (DESIGN §6)."""

import json
import os
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from schemas.signatures import Algorithm
from service.redemption.merchants import MachineKind

NAME = "demo.json"


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DemoBin(_Entry):
    """`private_key` is base64 of 32 bytes: the Ed25519 seed, or the HMAC secret."""

    id: str
    alg: Algorithm
    keyid: str
    private_key: str = Field(repr=False)


class DemoResident(_Entry):
    id: int
    card: str = Field(repr=False)
    token: str = Field(repr=False)


class DemoMerchant(_Entry):
    id: str
    name: str
    api_key: str = Field(repr=False)


class DemoMachine(_Entry):
    """`private_key` as a bin's."""

    id: str
    merchant_id: str
    kind: MachineKind
    alg: Algorithm
    keyid: str
    private_key: str = Field(repr=False)


class Credentials(BaseModel):
    """Of everyone in the demo; each is refused by a service that does not run as one."""

    model_config = ConfigDict(frozen=True)

    operator_key: str = Field(repr=False)
    bins: tuple[DemoBin, ...]
    residents: tuple[DemoResident, ...]
    merchants: tuple[DemoMerchant, ...]
    machines: tuple[DemoMachine, ...]


class DemoFile(Credentials):
    base_url: str


def read_demo_file(path: Path) -> DemoFile | None:
    """What a demo has written that runs, or ran; None where there is no such file, or none that can be read."""
    try:
        return DemoFile.model_validate_json(path.read_bytes())
    except (FileNotFoundError, ValidationError):
        return None


def read_credentials(path: Path) -> Credentials | None:
    """Those of an earlier run; None where there is no such file, or none that can be read."""
    try:
        return Credentials.model_validate_json(path.read_bytes())
    except (FileNotFoundError, ValidationError):
        return None


def write_demo_file(path: Path, base_url: str, credentials: Credentials) -> None:
    """Whole or not at all, and never readable by anyone else."""
    text = json.dumps({"base_url": base_url, **credentials.model_dump(mode="json")}, ensure_ascii=False, indent=1)
    new = path.with_name(f"{path.name}.new")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as out:
        out.write(text + "\n")
        out.flush()
        os.fsync(out.fileno())
    new.replace(path)
