"""What the metrics say, and what they must never say."""

import asyncio
import json
import re
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from aiohttp.test_utils import TestClient
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy.ext.asyncio import AsyncEngine

from service.metrics import Metrics
from tests.fleet.telling import telemetry, tell
from tests.weighing.emptying import TellingBin
from tests.world import CARD, World, add_shop, open_session, post, weigh_event

Client = TestClient[Any, Any]

DOCUMENTED = Path(__file__).parent.parent / "docs" / "metrics.md"
MERCHANT = "NK-M-01"


async def scrape(client: Client) -> dict[str, Metric]:
    text = await (await client.get("/metrics")).text()
    return {family.name: family for family in text_string_to_metric_families(text)}


def sampled(families: dict[str, Metric], name: str, **labels: str) -> float:
    """The one sample of this name and these labels; 0 where there is none."""
    found = [
        sample.value
        for family in families.values()
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    ]
    return sum(found)


def label_values(families: dict[str, Metric]) -> Iterator[str]:
    for family in families.values():
        for sample in family.samples:
            yield from sample.labels.values()


async def redeem(client: Client, token: str, merchant_id: str, coins: int, key: str) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": key}
    response = await client.post(
        "/v1/me/redemptions", json={"merchant_id": merchant_id, "coins": coins}, headers=headers
    )
    answer: dict[str, Any] = await response.json()
    return answer


async def test_events_are_counted_by_outcome(world: World, client: Client) -> None:
    event = weigh_event("NK-0001")
    for _ in range(2):
        await post(client, world.ed25519, event)
    await post(client, world.ed25519, [weigh_event("NK-0001", credential=None), weigh_event("NK-0001", material="oil")])
    families = await scrape(client)
    assert {
        sample.labels["outcome"]: sample.value
        for sample in families["tanbi_weigh_events"].samples
        if sample.name == "tanbi_weigh_events_total"
    } == {"credited": 1, "duplicate": 1, "unclaimed": 1, "rejected": 1, "conflict": 0, "held": 0}
    assert sampled(families, "tanbi_groupcommit_batch_size_sum", queue="weigh_events") == 4


async def test_clearances_are_counted_by_outcome_and_code(world: World, client: Client) -> None:
    telling = TellingBin(client, world.hmac, datetime.now(UTC) - timedelta(days=1))
    first = telling.emptied(1, 500)
    await telling.tell(first, first, telling.emptied(2, 0, material="gold"), telling.emptied(1, 0))
    families = await scrape(client)
    counted = {
        (sample.labels["outcome"], sample.labels["code"]): sample.value
        for sample in families["tanbi_clearances"].samples
    }
    assert counted == {
        ("recorded", "none"): 1,
        ("duplicate", "none"): 1,
        ("rejected", "unknown_material"): 1,
        ("recorded", "sequence_reused"): 1,
    }
    assert sampled(families, "tanbi_groupcommit_batch_size_count", queue="clearances") == 1


async def test_telemetry_and_the_skew_of_bins_clocks_are_counted(world: World, client: Client) -> None:
    await tell(client, world.hmac, [telemetry("NK-0002"), {}], created=int(time.time()) - 100)
    await post(client, world.ed25519, weigh_event("NK-0001"), created=int(time.time()) + 30)
    families = await scrape(client)
    name = "tanbi_telemetry_events_total"
    assert [sampled(families, name, outcome=outcome) for outcome in ("recorded", "rejected")] == [1, 1]
    below = {
        float(sample.labels["le"]): sample.value
        for sample in families["tanbi_bin_clock_skew_seconds"].samples
        if sample.name.endswith("_bucket")
    }
    assert [below[bound] for bound in (-60, -15, 60, 240)] == [0, 1, 1, 2]


async def test_a_redemption_is_counted_once_however_often_it_is_sent(
    world: World, client: Client, engine: AsyncEngine
) -> None:
    await add_shop(engine, MERCHANT)
    token = await open_session(engine, world.resident_id)
    await post(client, world.hmac, weigh_event("NK-0002"))
    for _ in range(3):
        await redeem(client, token, MERCHANT, 100, "first")
    await redeem(client, token, MERCHANT, 100, "second")
    families = await scrape(client)
    assert sampled(families, "tanbi_redemptions_total", outcome="captured") == 1
    assert sampled(families, "tanbi_redemptions_total", outcome="insufficient_coins") == 1


async def test_requests_are_counted_by_template_method_and_status_class(client: Client) -> None:
    for path in ("/v1/redemptions/1", "/v1/redemptions/2", "/nowhere/1", "/nowhere/2"):
        await client.get(path)
    await client.request("PROPFIND", "/nowhere/3")
    families = await scrape(client)
    total = "tanbi_http_requests_total"
    assert sampled(families, total, route="/v1/redemptions/{id}", method="GET", status="4xx") == 2
    assert sampled(families, total, route="unmatched", method="GET", status="4xx") == 2
    assert sampled(families, total, route="unmatched", method="OTHER", status="4xx") == 1


async def test_connections_of_every_pool_are_watched(world: World, client: Client) -> None:
    await post(client, world.hmac, weigh_event("NK-0002"))
    while True:
        families = await scrape(client)
        name = "tanbi_database_pool_connections"
        watched = {(sample.labels["pool"], sample.labels["state"]) for sample in families[name].samples}
        if watched and sampled(families, name, pool="writers") >= 1 and sampled(families, name, pool="engine") >= 1:
            break
        await asyncio.sleep(0.05)
    assert watched == {
        (pool, state) for pool in ("engine", "writers", "command_writers") for state in ("in_use", "idle")
    }


async def test_the_queue_is_seen_to_grow_while_its_writers_are_held_up() -> None:
    metrics = Metrics()
    waiting = 0
    sampling = asyncio.create_task(metrics.sample_forever(queued_items={"redemptions": lambda: waiting}, pools={}))
    waiting = 7
    while b'tanbi_groupcommit_queue_depth{queue="redemptions"} 7.0' not in metrics.exposition("")[0]:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    sampling.cancel()
    await asyncio.gather(sampling, return_exceptions=True)


async def test_no_bin_resident_merchant_or_card_is_a_label(world: World, client: Client, engine: AsyncEngine) -> None:
    till = await add_shop(engine, MERCHANT)
    token = await open_session(engine, world.resident_id)
    event = weigh_event("NK-0002")
    other = f"/v1/redemptions/{uuid.uuid4()}"
    await post(client, world.hmac, event)
    await post(client, world.hmac, weigh_event("NK-0002", weight_grams=0))
    redeemed = await redeem(client, token, MERCHANT, 25, "key-of-a-resident")
    await client.get(f"/v1/redemptions/{redeemed['id']}", headers={"Authorization": f"Bearer {till}"})
    await client.get(other, headers={"Authorization": f"Bearer {till}"})
    await client.get(f"/v1/me/transfers?cursor={CARD}", headers={"Authorization": f"Bearer {token}"})
    await client.get(f"/{MERCHANT}/{world.resident_id}")
    families = await scrape(client)
    while not sampled(families, "tanbi_coins_issued_total"):
        families = await scrape(client)
    ids = {"NK-0002", MERCHANT, CARD, event["id"], redeemed["id"], token, till, other, "key-of-a-resident"}
    values = set(label_values(families))
    assert not [value for value in values if any(known in value for known in ids)]
    assert str(world.resident_id) not in values
    # Whatever a label may say is in a short list of words, templates and bucket bounds.
    assert all(re.fullmatch(r"[a-z_]+|[A-Z]+|[1-5]xx|/[a-z0-9/_.{}-]*|-?[0-9.]+|\+Inf", value) for value in values)


async def test_every_metric_is_documented_and_every_documented_metric_exists(world: World, client: Client) -> None:
    documented = re.findall(r"^\| `(\w+)` \|", DOCUMENTED.read_text(), re.MULTILINE)
    assert len(documented) == len(set(documented))
    while True:
        text = await (await client.get("/metrics")).text()
        # The name of a family of counters is written with its suffix in this format.
        exported = set(re.findall(r"^# TYPE (\w+) \w+$", text, re.MULTILINE))
        # The imbalance is told once it was checked, moments after the start.
        if "tanbi_ledger_imbalance_coins" in exported:
            break
    assert exported == set(documented)


def test_every_alert_is_documented_with_its_metric() -> None:
    rules = (DOCUMENTED.parent / "deploy" / "prometheus" / "alerts.yml").read_text()
    alerts = set(re.findall(r"- alert: (\w+)", rules)) - {"ReplicaDown", "AllReplicasDown"}
    table = " ".join(line for line in DOCUMENTED.read_text().splitlines() if line.startswith("| `"))
    assert {name for name in re.findall(r"`([A-Z]\w+)`", table) if not name.startswith("TANBI_")} == alerts


def test_the_dashboard_asks_only_for_metrics_that_are_documented() -> None:
    dashboard = json.loads((DOCUMENTED.parent / "deploy" / "grafana" / "dashboards" / "tanbi.json").read_text())
    asked = {
        re.sub(r"_(bucket|sum|count)$", "", name)
        for panel in dashboard["panels"]
        for target in panel["targets"]
        for name in re.findall(r"tanbi_\w+", target["expr"])
    }
    assert asked <= set(re.findall(r"^\| `(\w+)` \|", DOCUMENTED.read_text(), re.MULTILINE))
