"""Bins that tell their state."""

import json
import time
import uuid
from datetime import UTC, datetime
from typing import Any

from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient

from schemas.signatures import SigningKey, sign_request

Client = TestClient[Any, Any]

PATH = "/v1/telemetry"


def telemetry(bin_id: str, data: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """A good event of a bin, now; a heartbeat where there is no data. `changes` replace members."""
    event = {
        "specversion": "1.0",
        "type": "tanbi.telemetry.v1",
        "source": f"/bins/{bin_id}",
        "id": str(uuid.uuid4()),
        "time": datetime.now(UTC).isoformat(),
        **changes,
    }
    return event if data is None else {**event, "data": data}


async def post(client: Client, key: SigningKey, document: Any, *, created: int | None = None) -> ClientResponse:
    """As the bin of `key` would; `document` is JSON, or bytes that go as they are."""
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    signed = sign_request(
        key, method="POST", target=PATH, body=body, created=int(time.time()) if created is None else created
    )
    return await client.post(PATH, data=body, headers={"Content-Type": "application/json", **signed})


async def tell(client: Client, key: SigningKey, document: Any, *, created: int | None = None) -> list[dict[str, Any]]:
    """The outcomes of a request that is answered with 200."""
    response = await post(client, key, document, created=created)
    assert response.status == 200, await response.text()
    outcomes: list[dict[str, Any]] = (await response.json())["outcomes"]
    return outcomes
