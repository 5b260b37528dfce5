"""What a bin is told: materials and tariffs to show, its scale, thresholds, firmware, and where its count stands."""

import hashlib
from datetime import UTC, datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.bin_keys import (
    BinConfig,
    KeyInUse,
    MaterialToShow,
    PlaceToShow,
    ScaleToUse,
    SequenceToGoOn,
    TariffToCome,
    Thresholds,
)
from schemas.fleet import FirmwareNotice
from schemas.weigh_events import BATCH_EVENTS_MAX
from service.errors import KeyUnknown
from service.fleet.rules import SMALLEST_LOAD_INTERVALS
from service.plausibility.parameters import SmallestLoad
from service.plausibility.rule_book import RuleSet
from service.settings import Settings

# They change with each drop or with each second, and a bin that has its count does not need them.
NOT_IN_ETAG: Final = frozenset({"server_time", "server_unix_seconds", "sequence"})

READ_BIN: Final = sa.text("""
SELECT bin.id, bin.model, bin.verification_interval_grams, bin.capacity_grams, bin.box_capacity_grams,
       bin.certificate_expires_on, bin.site_id, site.name AS site_name, site.name_en AS site_name_en, memory.epoch,
       memory.sequence, bin_key.valid_until,
       NOT EXISTS (SELECT
                   FROM bin_key AS later
                   WHERE later.bin_id = bin.id AND later.valid_from > bin_key.valid_from
                     AND (later.valid_until IS NULL OR later.valid_until > now())) AS newest,
       notice.version, notice.notice, notice.notice_en, notice.url, encode(notice.sha256, 'hex') AS sha256,
       notice.effective_from
FROM bin_key
JOIN bin ON bin.id = bin_key.bin_id
JOIN site ON site.id = bin.site_id
JOIN bin_memory AS memory ON memory.bin_id = bin.id
LEFT JOIN LATERAL (
    SELECT *
    FROM firmware_notice
    WHERE (firmware_notice.model IS NULL OR firmware_notice.model = bin.model) AND effective_from <= now()
    ORDER BY effective_from DESC, firmware_notice.id DESC
    LIMIT 1
) AS notice ON true
WHERE bin_key.id = :keyid
""")

READ_MATERIALS: Final = sa.text("""
SELECT material.id, material.name, material.name_en, current.coins_per_kg, coming.coins_per_kg AS next_coins_per_kg,
       coming.effective_from AS next_from
FROM material
LEFT JOIN LATERAL (
    SELECT coins_per_kg
    FROM tariff
    WHERE material_id = material.id AND effective_from <= now()
    ORDER BY effective_from DESC
    LIMIT 1
) AS current ON true
LEFT JOIN LATERAL (
    SELECT coins_per_kg, effective_from
    FROM tariff
    WHERE material_id = material.id AND effective_from > now()
    ORDER BY effective_from
    LIMIT 1
) AS coming ON true
ORDER BY material.id
""")


async def read_config(
    connection: AsyncConnection, settings: Settings, rules: RuleSet, keyid: str, now: float
) -> BinConfig:
    """What the bin that signed with this key is told; `rules` are those in force now, and `now` is in Unix seconds.
    Raises KeyUnknown."""
    row = (await connection.execute(READ_BIN, {"keyid": keyid})).one_or_none()
    if row is None:
        raise KeyUnknown
    materials = (await connection.execute(READ_MATERIALS)).all()
    return BinConfig(
        server_time=datetime.fromtimestamp(int(now), UTC),
        server_unix_seconds=int(now),
        bin_id=row.id,
        site=PlaceToShow(id=row.site_id, name=row.site_name, name_en=row.site_name_en),
        model=row.model,
        key=KeyInUse(keyid=keyid, newest=row.newest, valid_until=row.valid_until),
        materials=[_material(each) for each in materials],
        scale=ScaleToUse(
            verification_interval_grams=row.verification_interval_grams,
            capacity_grams=row.capacity_grams,
            smallest_load_grams=_smallest_load_intervals(rules) * row.verification_interval_grams,
            certificate_expires_on=row.certificate_expires_on,
        ),
        box_capacity_grams=row.box_capacity_grams,
        thresholds=Thresholds(
            full_percent=settings.bin_emptying_percent,
            heat_celsius=settings.alarm_heat_celsius,
            scale_zero_grams=int(settings.alarm_scale_zero_intervals * row.verification_interval_grams),
            battery_percent=settings.alarm_battery_percent,
            offline_seconds=settings.bin_offline_seconds,
        ),
        telemetry_interval_seconds=settings.telemetry_interval_seconds,
        signature_tolerance_seconds=settings.signature_tolerance_seconds,
        batch_events_max=BATCH_EVENTS_MAX,
        body_bytes_max=settings.body_bytes_max,
        firmware=None if row.version is None else FirmwareNotice.model_validate(row, from_attributes=True),
        sequence=SequenceToGoOn(epoch=row.epoch, next=0 if row.sequence is None else row.sequence + 1),
    )


def etag_of(config: BinConfig) -> str:
    """The value of a weak ETag: the same for all that is to be shown and followed, whatever time it is."""
    said = config.model_dump_json(exclude=set(NOT_IN_ETAG))
    return hashlib.sha256(said.encode()).hexdigest()[:32]


def _smallest_load_intervals(rules: RuleSet) -> int:
    for rule in rules.of_drops:
        if isinstance(rule.parameters, SmallestLoad):
            return rule.parameters.intervals_min
    return SMALLEST_LOAD_INTERVALS


def _material(row: sa.Row[Any]) -> MaterialToShow:
    coming = None
    if row.next_from is not None:
        coming = TariffToCome(coins_per_kg=row.next_coins_per_kg, effective_from=row.next_from)
    return MaterialToShow(id=row.id, name=row.name, name_en=row.name_en, coins_per_kg=row.coins_per_kg, next=coming)
