"""A live service for blocking clients: in a thread with its own event loop, in a small world with people in it."""

import asyncio
import itertools
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import requests
import sqlalchemy as sa
from aiohttp import web
from pydantic import SecretStr
from requests.auth import AuthBase

from schemas.examples import EXAMPLES
from schemas.imports import CSV_TYPE
from schemas.signatures import Algorithm
from schemas.stations import NewStation
from service.api_keys import create_api_key
from service.app import build_app
from service.db import create_engine, transaction
from service.indicator.stations import add_station
from service.secrets import Keyring
from service.settings import Settings
from service.tables.places import site
from service.tables.settlement import settlement_statement
from tests.live_bins import OTHER_SITE, LiveBins, Signature
from tests.machine import install_machine
from tests.residents.wechat_server import WechatServer, text_plain
from tests.review.held import hold
from tests.world import PATH, add_shop, build_world, open_session, weigh_event

MERCHANT = "NK-M-01"
STATION = "NK-S-01"
# Enough for what the document's examples capture and refund.
REDEMPTION_COINS = 100
OFFERS_PATH = "/v1/merchants/me/offers"
# Of the district's year that is published before anyone asks.
PUBLISHED_NUMBER = "1"
# A month without a line, as no command would issue it: what is asked of it here is only its form.
STATEMENT = {
    "number": f"{MERCHANT}-202601",
    "merchant_id": MERCHANT,
    "month": date(2026, 1, 1),
    "captures": 0,
    "captured_coins": 0,
    "refunds": 0,
    "refunded_coins": 0,
    "net_coins": 0,
    "payable_fen": 0,
    "uncovered_coins": 0,
}


class Bearer(AuthBase):
    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


@dataclass(frozen=True)
class Live:
    """Where the service is, and the credential of each kind of caller. The bin is NK-0001, the merchant NK-M-01, the
    machine its NK-W-01."""

    base_url: str
    credentials: dict[str | None, AuthBase | None]
    bins: LiveBins
    settings: Settings
    months: Iterator[int] = field(default_factory=itertools.count)

    def leaving(self) -> AuthBase:
        """The credential of a session that may be ended."""
        return Bearer(self._post("/v1/sessions", None, {"wechat_code": "leaving"})["token"])

    def earn(self, coins: int) -> None:
        """The resident drops ten grams of paper for each."""
        self._post(PATH, "bin", weigh_event("NK-0001", weight_grams=10 * coins))

    def pay_code(self) -> str:
        code: str = self._post("/v1/me/pay-codes", "resident", None)["pay_code"]
        return code

    def redemption_id(self, caller: str | None, *, capture: bool) -> str:
        """One that `caller`, a merchant or a machine, has asked for: captured, or authorised."""
        document = {"pay_code": self.pay_code(), "coins": REDEMPTION_COINS, "capture": capture}
        found: str = self._post("/v1/redemptions", caller, document)["id"]
        return found

    def offer_id(self) -> str:
        found: str = self._post(OFFERS_PATH, "merchant", {**EXAMPLES["NewOffer"], "id": f"o-{uuid.uuid4()}"})["id"]
        return found

    def resident_and_transfer(self) -> tuple[int, int]:
        """The resident's id, and that of the newest transfer of theirs."""
        resident_id: int = self._get("/v1/me")["resident_id"]
        transfer_id: int = self._get("/v1/me/transfers")["transfers"][0]["id"]
        return resident_id, transfer_id

    def adjustment_id(self) -> str:
        """One that another operator has asked for."""
        document = EXAMPLES["AdjustmentRequest"] | {"direction": "credit", "coins": 1, "corrects_id": None}
        document |= {"resident_id": self._get("/v1/me")["resident_id"]}
        found: str = self._post("/v1/adjustments", "other operator", document)["id"]
        return found

    def recorded_month(self) -> str:
        """A month of the district, never the same, for which all that its rate needs is recorded."""
        past = next(self.months)
        return self._recorded(f"{2001 + past // 12}-{past % 12 + 1:02}")

    def publication_id(self, *, published: bool) -> str:
        """Of a figure that another operator has proposed."""
        return self._proposed(self.recorded_month(), published=published)

    def publish_year(self) -> None:
        """The first publication of all. The public is told of it within a minute, so before anyone asks."""
        self._proposed(self._recorded("2000"), published=True)

    def _recorded(self, period: str) -> str:
        for kind in ("cleared", "kitchen_treated"):
            changes = {"area": "nankai", "period": period, "kind": kind, "source": "live", "grams": 7}
            self._post("/v1/indicator/inputs", "operator", EXAMPLES["IndicatorInput"] | changes)
        return period

    def _proposed(self, period: str, *, published: bool) -> str:
        document = {"area": "nankai", "period": period}
        found: str = self._post("/v1/indicator/publications", "other operator", document)["id"]
        if published:
            self._post(f"/v1/indicator/publications/{found}/publish", "operator", {})
        return found

    def import_id(self) -> str:
        """Of the example's sheet, which is imported once."""
        response = requests.post(
            self.base_url + "/v1/indicator/imports?file_name=a.csv",
            data=EXAMPLES["CsvSheet"].encode(),
            auth=self.credentials["operator"],
            headers={"Content-Type": CSV_TYPE},
            timeout=60,
        )
        response.raise_for_status()
        answer = response.json()
        return str(answer["import_id"] or answer["imported_before"]["id"])

    def review_id(self) -> str:
        """Of a drop of the resident that waits for an operator."""
        return str(asyncio.run(_held_drop(self.settings, self._get("/v1/me")["resident_id"])))

    def _get(self, path: str) -> Any:
        response = requests.get(self.base_url + path, auth=self.credentials["resident"], timeout=60)
        response.raise_for_status()
        return response.json()

    def webhook_id(self) -> str:
        """An endpoint of the merchant, where nobody listens."""
        found: str = self._post("/v1/merchants/me/webhooks", "merchant", {"url": "http://127.0.0.1:9/"})["id"]
        return found

    def webhook_message_id(self) -> str:
        self.webhook_id()
        self.redemption_id("merchant", capture=True)
        path = "/v1/merchants/me/webhook-messages?limit=1"
        response = requests.get(self.base_url + path, auth=self.credentials["merchant"], timeout=60)
        found: str = response.json()["messages"][0]["id"]
        return found

    def _post(self, path: str, caller: str | None, document: Any) -> Any:
        response = requests.post(
            self.base_url + path,
            json=document,
            auth=self.credentials[caller],
            headers={"Idempotency-Key": str(uuid.uuid4())},
            timeout=60,
        )
        response.raise_for_status()
        return response.json()


@contextmanager
def live_service(settings: Settings) -> Iterator[Live]:
    """Serve `settings`, whose database is migrated and empty, until this ends; log-ins ask a WeChat on this machine."""
    started = threading.Event()
    stop = threading.Event()
    base_urls: list[str] = []

    async def serve() -> None:
        try:
            async with WechatServer() as wechat:
                wechat.always(_know_everybody)
                served = settings.model_copy(
                    update={
                        "wechat_base_url": wechat.base_url,
                        "wechat_app_id": wechat.app_id,
                        "wechat_secret": SecretStr(wechat.secret),
                    }
                )
                runner = web.AppRunner(build_app(served))
                await runner.setup()
                try:
                    await web.TCPSite(runner, "127.0.0.1", 0).start()
                    base_urls.append(f"http://127.0.0.1:{runner.addresses[0][1]}")
                    started.set()
                    await asyncio.to_thread(stop.wait)
                finally:
                    await runner.cleanup()
        finally:
            started.set()

    credentials = asyncio.run(_credentials(settings))
    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    try:
        started.wait()
        assert base_urls, "the service did not start"
        operator = credentials["operator"]
        assert operator is not None
        live = Live(base_urls[0], credentials, LiveBins(base_urls[0], operator), settings)
        live.publish_year()
        yield live
    finally:
        stop.set()
        thread.join()


async def _know_everybody(_: WechatServer, request: web.Request) -> web.StreamResponse:
    """Any code is a person's: the same code the same person's."""
    openid = f"o{request.query['js_code']}"[:64]
    return text_plain({"openid": openid, "session_key": "HyVFkGl5F5OQWJZZaNzBBg=="})


async def _held_drop(settings: Settings, resident_id: int) -> uuid.UUID:
    engine = create_engine(settings)
    try:
        async with transaction(engine) as connection:
            return (await hold(connection, held_for=resident_id)).review_id
    finally:
        await engine.dispose()


async def _credentials(settings: Settings) -> dict[str | None, AuthBase | None]:
    engine = create_engine(settings)
    try:
        world = await build_world(engine, Keyring.of(settings))
        shop = await add_shop(engine, MERCHANT)
        machine = await install_machine(engine, Keyring.of(settings), algorithm=Algorithm.ED25519)
        async with transaction(engine) as connection:
            wanted = {"id": STATION, "area": "xuefu-1", "name": "废品站", "name_en": "Scrap", "reports_from": "2025-01"}
            await add_station(connection, NewStation.model_validate(wanted))
            station = await create_api_key(connection, role="station", name="scrap", station_id=STATION)
            operator = await create_api_key(connection, role="admin", name="test")
            other = await create_api_key(connection, role="operator", name="another")
            await connection.execute(sa.insert(settlement_statement).values(**STATEMENT))
            another_site = {"id": OTHER_SITE, "area_id": "xuefu-1", "kind": "community", "name": "二", "name_en": "2"}
            await connection.execute(sa.insert(site).values(another_site))
        return {
            None: None,
            "bin": Signature(world.ed25519),
            "resident": Bearer(await open_session(engine, world.resident_id)),
            "merchant": Bearer(shop),
            "machine": Signature(machine),
            "operator": Bearer(operator),
            "station": Bearer(station),
            "other operator": Bearer(other),
        }
    finally:
        await engine.dispose()
