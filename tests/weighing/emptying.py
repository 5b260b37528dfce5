"""Bins that tell what was dropped and that their boxes were emptied."""

import json
import time
import uuid
from datetime import datetime, timedelta
from typing import Any

from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient

from schemas.signatures import SigningKey, sign_request
from tests.world import PATH as DROPS

Client = TestClient[Any, Any]

CLEARANCES = "/v1/clearances"


def clearance(bin_id: str, sequence: int, at: datetime, before: int, after: int = 0, **changes: Any) -> dict[str, Any]:
    """The paper's box was emptied by a vehicle; `changes` replace members of the event or its data."""
    data = {
        "sequence": sequence,
        "material": "paper",
        "collector": "V-07",
        "mass_before_grams": before,
        "mass_after_grams": after,
    }
    event: dict[str, Any] = {
        "specversion": "1.0",
        "type": "tanbi.clearance.v1",
        "source": f"/bins/{bin_id}",
        "id": str(uuid.uuid4()),
        "time": at.isoformat(),
    }
    for name, value in changes.items():
        (data if name in data else event)[name] = value
    return {**event, "data": data}


async def post(client: Client, key: SigningKey, path: str, document: Any) -> ClientResponse:
    """As the bin of `key` would; `document` is JSON, or bytes that go as they are."""
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    signed = sign_request(key, method="POST", target=path, body=body, created=int(time.time()))
    return await client.post(path, data=body, headers={"Content-Type": "application/json", **signed})


class TellingBin:
    """A bin with a clock of its own: whatever it tells happened `sequence` minutes after `begin`."""

    def __init__(self, client: Client, key: SigningKey, begin: datetime) -> None:
        self._client = client
        self._key = key
        self.id = key.keyid
        self.begin = begin

    def at(self, sequence: int) -> datetime:
        return self.begin + timedelta(minutes=sequence)

    def drop(self, sequence: int, grams: int = 1000, box: int | None = None) -> dict[str, Any]:
        data = {"sequence": sequence, "material": "paper", "weight_grams": grams}
        return {
            "specversion": "1.0",
            "type": "tanbi.weigh-event.v1",
            "source": f"/bins/{self.id}",
            "id": str(uuid.uuid4()),
            "time": self.at(sequence).isoformat(),
            "data": data if box is None else {**data, "box_weight_grams": box},
        }

    def emptied(self, sequence: int, before: int, after: int = 0, **changes: Any) -> dict[str, Any]:
        return clearance(self.id, sequence, self.at(sequence), before, after, **changes)

    async def tell(self, *events: dict[str, Any]) -> list[tuple[str, str | None]]:
        """Drops or emptyings in one request; (outcome, code) of each."""
        path = CLEARANCES if "mass_before_grams" in events[0]["data"] else DROPS
        response = await post(self._client, self._key, path, list(events))
        assert response.status == 200, await response.text()
        return [(each["outcome"], each.get("code")) for each in (await response.json())["outcomes"]]
