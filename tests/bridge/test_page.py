"""The configuration on docs/mqtt.md, run: over TLS, each bin for itself alone."""

import asyncio
import ipaddress
import os
import re
import ssl
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from aiohttp.test_utils import TestClient
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pydantic import SecretStr

from schemas.telemetry import TELEMETRY_TYPE
from service.bridge.metrics import BridgeMetrics
from service.bridge.running import run_bridge
from service.bridge.topics import PATHS
from service.cli import app
from service.settings import Settings
from tests import mosquitto
from tests.blocking import wait_until
from tests.bridge.conftest import bridge_to
from tests.bridge.devices import bridging, device
from tests.mosquitto import Mosquitto, running
from tests.world import World, weigh_event

MISSING = mosquitto.missing()
# In CI a missing broker is an error of its set-up, which the first test then shows.
pytestmark = pytest.mark.skipif(MISSING is not None and os.environ.get("CI") != "true", reason=str(MISSING))

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "mqtt.md").read_text()
HEARTBEAT = {name: each for name, each in weigh_event("NK-0002", type=TELEMETRY_TYPE).items() if name != "data"}
USERS = ("NK-0001", "NK-0002", "tanbi-bridge")


def certificate(directory: Path) -> None:
    """Of a broker at 127.0.0.1, by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "broker")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    (directory / "broker.crt").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (directory / "broker.key").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    """The page's, with a directory of the test in place of the machine's."""
    configuration, rights = re.findall(r"```conf\n(.*?)```", PAGE, re.DOTALL)
    certificate(tmp_path)
    (tmp_path / "tanbi.acl").write_text(rights)
    passwords = tmp_path / "tanbi.passwords"
    passwords.write_text("".join(f"{name}:{name}\n" for name in USERS))
    subprocess.run(["mosquitto_passwd", "-U", str(passwords)], check=True)  # noqa: S607  # wherever it is
    for path in tmp_path.iterdir():
        path.chmod(0o600)
    lines = re.sub(r"/(etc|var/lib)/mosquitto/(certs/)?", f"{tmp_path}/", configuration)
    with running(tmp_path, lines) as broker:
        yield broker


def test_the_page_has_every_topic_with_its_path() -> None:
    told = dict(re.findall(r"^\| `tanbi/v1/bins/<bin id>/([\w-]+)` \| `(/v1/[\w-]+)` \|", PAGE, re.MULTILINE))
    assert told == PATHS


def test_the_page_has_every_metric_of_a_bridge() -> None:
    exposition = BridgeMetrics().exposition("")[0].decode()
    told = re.findall(r"^\| `(tanbi_bridge_\w+)` \|", PAGE, re.MULTILINE)
    # The name of a family of counters is written with its suffix in this format.
    assert set(re.findall(r"^# TYPE (\w+) \w+$", exposition, re.MULTILINE)) == set(told)


def test_the_container_of_the_deployment_is_started_with_what_there_is() -> None:
    bridge = yaml.safe_load((ROOT / "docs" / "deploy" / "mqtt.yml").read_text())["services"]["bridge"]
    commands = typer.main.get_command(app)
    assert isinstance(commands, typer.core.TyperGroup)
    name, *options = bridge["command"]
    # Parses, and runs nothing.
    commands.commands[name].make_context(name, options)
    assert set(bridge["environment"]) <= {f"TANBI_{field}".upper() for field in Settings.model_fields}


async def test_over_tls_a_bridge_carries_and_each_bin_speaks_and_hears_for_itself_alone(
    world: World,
    broker: Mosquitto,
    settings: Settings,
    client: TestClient[Any, Any],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    nobody = bridge_to(settings, broker, str(client.make_url("/"))).model_copy(
        update={
            "bridge_broker_url": broker.url.replace("mqtt:", "mqtts:"),
            "bridge_ca_file": tmp_path / "broker.crt",
            "bridge_username": "tanbi-bridge",
            "bridge_password": SecretStr("wrong"),
        }
    )
    stop = asyncio.Event()
    refused = asyncio.create_task(run_bridge(nobody, stop, lambda: None))

    async def said() -> bool:
        return "Not authorized" in caplog.text

    await wait_until(said)
    stop.set()
    await refused
    allowed = nobody.model_copy(update={"bridge_password": SecretStr("tanbi-bridge")})
    tls = ssl.create_default_context(cafile=tmp_path / "broker.crt")
    async with (
        bridging(allowed),
        device(broker, world.ed25519, username="NK-0001", password="NK-0001", tls_context=tls) as first,
        device(broker, world.hmac, username="NK-0002", password="NK-0002", tls_context=tls) as second,
    ):
        await second.publish(weigh_event("NK-0001"), topic=first.topic)
        await broker.until_logged("Denied PUBLISH from NK-0002")
        await second.listen_to(f"{first.topic}/outcomes")
        await first.publish(weigh_event("NK-0001"))
        assert (await first.told()).outcome == "credited"
        await second.publish(HEARTBEAT, path="/v1/telemetry", topic="tanbi/v1/bins/NK-0002/telemetry")
        # The first that it hears of.
        assert (await second.told()).outcome == "recorded"
