"""Everything an operator can set, read once at start and passed on as an argument."""

import os
import re
import socket
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from schemas.indicator import FormulaId

DRIVER = "postgresql+asyncpg"
POSTGRESQL = ("postgresql", "postgres", DRIVER)
HOST_AND_PORT = r"([\w.\-]+|\[[0-9a-fA-F:.]+\])(:[0-9]{1,5})?"
BROKER_URL = re.compile(rf"mqtts?://{HOST_AND_PORT}", re.ASCII)
SERVICE_URL = re.compile(rf"https?://{HOST_AND_PORT}/?", re.ASCII)


def default_data_dir() -> Path:
    """Where the embedded database lives when nobody says otherwise.

    Root gets a directory of the system, not of root's home: PostgreSQL refuses to run as root, and the user it runs as
    instead cannot enter that home, unless it is let read every file of the machine.
    """
    if os.geteuid() == 0:
        return Path("/var/lib/tanbi")
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "tanbi"


class Settings(BaseSettings):
    """Settings of the service; each is the environment variable of its name with the prefix `TANBI_`."""

    model_config = SettingsConfigDict(env_prefix="TANBI_", frozen=True, extra="ignore")

    data_dir: Path = Field(
        default_factory=default_data_dir,
        description="Embedded database, secret key, demo.json; root's is /var/lib/tanbi, others' ~/.local/share/tanbi",
    )
    database_url: str | None = Field(
        None, repr=False, description="PostgreSQL 15 or newer, as the application's role; none: the embedded one"
    )
    migration_database_url: str | None = Field(
        None, repr=False, description="The same database as its owner, for `tanbi migrate`"
    )
    secret_key: SecretStr | None = Field(
        None,
        description="base64 of 32 bytes, of which all other keys are derived; for the embedded database one is made",
    )

    host: str = Field("127.0.0.1", description="Address to listen on")
    port: int = Field(8080, ge=0, le=65535, description="Port to listen on; of a demo, 0 takes any that is free")
    workers: int = Field(1, ge=1, le=64, description="Processes on the one port")
    shutdown_seconds: float = Field(7.0, gt=0, description="Time to finish what was accepted, after SIGTERM")
    instance: str = Field(
        "", description="Who exports database metrics: one name for all processes of a replica; none: one is made"
    )

    body_bytes_max: int = Field(1024 * 1024, ge=1024, description="Size of a request's body")
    body_seconds_max: float = Field(30.0, gt=0, description="How long a request's body may take to arrive")
    import_bytes_max: int = Field(20 * 1024 * 1024, ge=1024, description="Size of a file of inputs that is imported")
    import_body_seconds_max: float = Field(300.0, gt=0, description="How long such a file may take to arrive")
    signature_tolerance_seconds: int = Field(
        300, ge=1, description="How far a signature's `created` may be from the service's clock, either way"
    )
    event_age_days_max: int = Field(400, ge=1, description="Age of a drop that is credited without a question")
    weight_grams_max: int = Field(
        150_000, ge=1, description="Weight of one drop; more is rejected, as no bin's scale can weigh it"
    )
    waiting_days_max: int = Field(30, ge=0, description="Age of unclaimed events that binding a card still credits")
    waiting_interval_seconds: float = Field(3.0, gt=0, description="How soon an event that missed its card is found")
    cards_per_resident_max: int = Field(10, ge=1, description="Cards that a resident can bind")
    business_timezone: str = Field("Asia/Shanghai", description="Where the city's days and months begin and end")

    groupcommit_writers: int = Field(2, ge=1, le=32, description="Transactions in flight at once, per process")
    groupcommit_batch_items_max: int = Field(500, ge=1, le=5000, description="Weigh events of one transaction")
    groupcommit_companion_items_min: int = Field(250, ge=1, description="Items that wait when a second writer sets out")
    groupcommit_queue_items_max: int = Field(
        10_000, ge=1, description="Weigh events that wait, per process; more are answered 503 `queue_full`"
    )
    groupcommit_retry_seconds_max: float = Field(10.0, ge=0, description="How long a lost database is waited for")
    telemetry_gather_seconds: float = Field(
        0.25, ge=0, le=5, description="How long telemetry waits for more, to be written in one transaction"
    )
    telemetry_batch_items_max: int = Field(1000, ge=1, le=5000, description="Telemetry events of one transaction")
    telemetry_queue_items_max: int = Field(
        10_000, ge=1, description="Telemetry events that wait, per process; more are answered 503 `queue_full`"
    )
    telemetry_history_seconds: int = Field(
        300, ge=1, description="Of what a bin tells in so long, one event is kept; and each that changes an alarm"
    )
    telemetry_future_seconds_max: int = Field(
        300, ge=0, description="How far ahead of the service's clock telemetry may be"
    )
    telemetry_retention_days: int = Field(
        30, ge=1, description="Age of telemetry that is deleted; what is older when it comes is rejected"
    )
    bin_offline_seconds: int = Field(900, ge=1, description="A bin that was not heard of for so long is offline")
    bin_emptying_percent: int = Field(80, ge=1, le=100, description="A bin with a box so full wants emptying")
    alarm_heat_celsius: float = Field(60.0, description="Above this temperature there is an alarm")
    alarm_scale_zero_intervals: float = Field(
        1.0, gt=0, description="How far a scale's zero may be off before there is an alarm, in its e"
    )
    alarm_battery_percent: int = Field(20, ge=0, le=100, description="Below this charge there is an alarm")
    database_pool_size: int = Field(
        10, ge=1, description="Connections kept, per process, besides the writers'; twice as many where they are needed"
    )
    statement_timeout_seconds: float = Field(
        15.0, gt=0, description="How long a statement may take; half as long for a lock"
    )

    fold_interval_seconds: float = Field(0.5, gt=0, description="How often new rows are added to the sums")
    fold_lease_seconds: float = Field(
        1.0, gt=0, description="How long a replica that adds them up may be silent before another takes over"
    )
    imbalance_interval_seconds: float = Field(15.0, gt=0, description="How often wallets are summed against transfers")
    reference_poll_seconds: float = Field(
        1.0, gt=0, le=30, description="How soon a change of bins, keys or tariffs is seen"
    )

    claim_code_hours: int = Field(72, ge=1, le=8760, description="How long a bin's claim code is good")
    claim_failures_per_minute_max: int = Field(
        10, ge=0, description="Wrong claim codes of one address, per process; more are answered 429; 0: any number"
    )
    key_overlap_days: int = Field(
        7, ge=0, le=365, description="How long a bin's key stays good beside the one that follows it"
    )
    telemetry_interval_seconds: int = Field(30, ge=1, le=3600, description="How often bins are told to report")

    session_days: int = Field(30, ge=1, description="How long a resident stays logged in")
    pay_code_seconds: int = Field(60, ge=1, description="How long a pay-code is good")
    redemption_writers: int = Field(2, ge=1, le=32, description="Transactions of redemptions in flight, per process")
    redemption_batch_items_max: int = Field(100, ge=1, le=1000, description="Redemptions of one transaction")
    redemption_companion_items_min: int = Field(4, ge=1, description="Redemptions that wait when a second sets out")
    redemption_queue_items_max: int = Field(
        5_000, ge=1, description="Redemptions that wait, per process; more are answered 503 `queue_full`"
    )
    expiry_interval_seconds: float = Field(
        3600.0, gt=0, description="How often all wallets are looked at for old coins"
    )
    hold_sweep_interval_seconds: float = Field(1.0, gt=0, description="How soon an expired hold is written down")
    webhook_private_addresses: bool = Field(
        False, description="Webhooks may go to private addresses, and by http: for tests and demonstrations"
    )
    webhook_poll_seconds: float = Field(1.0, gt=0, description="How soon a webhook that is due is sent")
    webhook_timeout_seconds: float = Field(15.0, gt=0, le=30, description="How long a merchant's server may take")
    webhook_deliveries_max: int = Field(64, ge=1, le=1000, description="Webhooks on their way at once, per process")
    webhook_endpoint_deliveries_max: int = Field(4, ge=1, le=100, description="The same, to one endpoint")
    webhook_endpoints_max: int = Field(5, ge=1, le=100, description="Endpoints of one merchant")
    webhook_retention_days: int = Field(90, ge=4, description="Age of settled webhook messages that are deleted")
    wechat_base_url: str = Field("https://api.weixin.qq.com", description="Where WeChat is asked who logs in")
    wechat_app_id: str = Field("", description="AppID of the mini-program; without it nobody can log in")
    wechat_secret: SecretStr = Field(SecretStr(""), description="AppSecret of the mini-program")
    wechat_timeout_seconds: float = Field(5.0, gt=0, description="How long WeChat may take")

    bridge_broker_url: str = Field(
        "", description="The MQTT broker of `tanbi bridge`: mqtts://host:8883, or mqtt://host:1883 without TLS"
    )
    bridge_username: str = Field("", description="Who the bridge is to the broker; without it, nobody")
    bridge_password: SecretStr = Field(SecretStr(""), description="Its password")
    bridge_ca_file: Path | None = Field(
        None, description="PEM of who may certify the broker; none: whom the system trusts"
    )
    bridge_client_id: str = Field(
        default_factory=lambda: f"tanbi-bridge-{socket.gethostname()}",
        min_length=1,
        description="The name of a bridge's session, one for each; tanbi-bridge- and the host's name unless it is set",
    )
    bridge_session_seconds: int = Field(
        3600, ge=1, le=2**32 - 1, description="How long the broker keeps messages for a bridge that is away"
    )
    bridge_messages_max: int = Field(
        1000, ge=1, le=65535, description="Messages that a bridge takes before it has acknowledged the first"
    )
    bridge_service_url: str = Field("http://127.0.0.1:8080", description="The service that the bridge posts to")
    bridge_port: int = Field(
        0, ge=0, le=65535, description="Port of the bridge's own /metrics and /readyz, on TANBI_HOST; 0: none"
    )

    indicator_formula: FormulaId = Field(
        "cn.cleared_plus_recovered", description="Formula of the recycling rate where a caller names none"
    )
    public_area: str | None = Field(
        None, description="District of the page /public/recycling-rate; none: the only one that there is"
    )
    public_after_days: int = Field(
        35,
        ge=0,
        le=366,
        description="Days after a month's end until what bins weighed in it is public; what comes later is not shown",
    )
    demo: bool = Field(False, description="Accept what `tanbi demo` made; set by that command only")

    @field_validator("database_url", "migration_database_url")
    @classmethod
    def name_the_driver(cls, url: str | None) -> str | None:
        """`postgresql://…`, as everybody writes it, means the driver that the service has."""
        if url is None:
            return None
        try:
            parsed = sa.make_url(url)
        except sa.exc.ArgumentError:
            parsed = None
        if parsed is None or parsed.drivername not in POSTGRESQL:
            raise ValueError("write it as postgresql://user:password@host:5432/database")
        if parsed.drivername == DRIVER:
            return url
        return parsed.set(drivername=DRIVER).render_as_string(hide_password=False)

    @field_validator("bridge_broker_url")
    @classmethod
    def point_at_a_broker(cls, url: str) -> str:
        """No name or password in it: what is wrong with a URL is shown with the URL."""
        if url and not BROKER_URL.fullmatch(url):
            raise ValueError("write it as mqtts://host:8883 or mqtt://host:1883; name and password are other settings")
        return url

    @field_validator("bridge_service_url")
    @classmethod
    def point_at_a_service(cls, url: str) -> str:
        """No path in it: bins sign the path that the service sees."""
        if not SERVICE_URL.fullmatch(url):
            raise ValueError("write it as http://host:8080 or https://host, without a path")
        return url


def read_settings(data_dir: Path | None, **given: Any) -> Settings:
    """Settings of the environment with what a command line says on top; None says nothing."""
    on_top = {name: value for name, value in given.items() if value is not None}
    if data_dir is not None:
        on_top["data_dir"] = data_dir.expanduser().resolve()
    return Settings(**on_top)
