"""A broker, a service and a world for each test of the bridge."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient

from service.settings import Settings
from tests.mosquitto import Mosquitto, running

BRIDGE = "tanbi-bridge-test"


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with running(tmp_path) as broker:
        yield broker


@pytest.fixture
def bridge_settings(settings: Settings, broker: Mosquitto, client: TestClient[Any, Any]) -> Settings:
    """Of a bridge between `broker` and the service behind `client`."""
    return bridge_to(settings, broker, str(client.make_url("/")))


def bridge_to(settings: Settings, broker: Mosquitto, service_url: str) -> Settings:
    return settings.model_copy(
        update={
            "bridge_broker_url": broker.url,
            "bridge_service_url": service_url,
            "bridge_client_id": BRIDGE,
        }
    )
