"""The demo's sample data as values: the same for the same seed. No I/O.

What is secret is not here: keys and tokens are drawn when they are issued, and no seed gives them away.
"""

import calendar
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from random import Random

from schemas.offers import NewOffer
from schemas.signatures import Algorithm
from service.demo import nankai
from service.fleet.bins import Scale
from service.redemption.merchants import MachineKind

CERTIFICATE_DAYS = 365
# Every third bin and machine has a weak controller.
HMAC_EVERY = 3


@dataclass(frozen=True, slots=True)
class Area:
    id: str
    parent_id: str | None
    kind: str
    name: str
    name_en: str


@dataclass(frozen=True, slots=True)
class Site:
    id: str
    area_id: str
    kind: str
    name: str
    name_en: str
    latitude: float
    longitude: float


@dataclass(frozen=True, slots=True)
class SampleBin:
    id: str
    site_id: str
    algorithm: Algorithm
    scale: Scale


@dataclass(frozen=True, slots=True)
class SampleMerchant:
    id: str
    name: str
    name_en: str
    site_id: str | None
    capture_grace_seconds: int


@dataclass(frozen=True, slots=True)
class SampleMachine:
    id: str
    merchant_id: str
    site_id: str
    kind: MachineKind
    algorithm: Algorithm


@dataclass(frozen=True, slots=True)
class SampleOffer:
    merchant_id: str
    wanted: NewOffer


@dataclass(frozen=True, slots=True)
class Sample:
    areas: tuple[Area, ...]
    sites: tuple[Site, ...]
    bins: tuple[SampleBin, ...]
    merchants: tuple[SampleMerchant, ...]
    machines: tuple[SampleMachine, ...]
    offers: tuple[SampleOffer, ...]
    # One a resident: 14 hexadecimal digits, as a seven-byte card number is read.
    cards: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MonthlyInput:
    """A mass as the indicator takes it: whole days, grams."""

    first_day: date
    last_day: date
    kind: str
    source: str
    grams: int


def draw_sample(seed: int, *, bins: int, residents: int, today: date) -> Sample:
    """Areas, sites, bins, merchants, machines, offers and cards. More bins or residents leave the first as they are."""
    areas = tuple(_areas())
    sites = tuple(_sites(areas))
    merchants = tuple(_merchants())
    return Sample(
        areas=areas,
        sites=sites,
        bins=tuple(_bins(Random(f"{seed} bins"), sites, bins, today)),  # noqa: S311, nothing secret is drawn
        merchants=merchants,
        machines=tuple(_machines(Random(f"{seed} machines"), sites, merchants)),  # noqa: S311
        offers=tuple(_offers(merchants)),
        cards=draw_cards(seed, residents),
    )


def algorithm_of(number: int) -> Algorithm:
    """Of the device with this number, counted from 0."""
    return Algorithm.HMAC_SHA256 if number % HMAC_EVERY == HMAC_EVERY - 1 else Algorithm.ED25519


def draw_cards(seed: int, count: int) -> tuple[str, ...]:
    """Card numbers, all different; a longer draw begins with the shorter one."""
    random = Random(f"{seed} cards")  # noqa: S311
    cards: dict[str, None] = {}
    while len(cards) < count:
        # 04 is the maker's byte of most cards of this length.
        cards[f"04{random.getrandbits(48):012X}"] = None
    return tuple(cards)


def draw_inputs(seed: int, year: int, months: int) -> list[MonthlyInput]:
    """What is recorded of the first `months` months of a year, the same for each seed and month."""
    return [entry for month in range(1, months + 1) for entry in _month(seed, year, month)]


def _month(seed: int, year: int, month: int) -> Iterator[MonthlyInput]:
    random = Random(f"{seed} inputs {year}-{month}")  # noqa: S311
    days = calendar.monthrange(year, month)[1]
    for kind, source, daily_kg in nankai.INPUTS_DAILY_KG:
        grams = int(daily_kg * days * random.uniform(0.95, 1.05)) * 1000
        yield MonthlyInput(date(year, month, 1), date(year, month, days), kind, source, grams)


def _areas() -> Iterator[Area]:
    yield Area(nankai.CITY[0], None, "city", *nankai.CITY[1:])
    yield Area(nankai.DISTRICT[0], nankai.CITY[0], "district", *nankai.DISTRICT[1:])
    for (subdistrict_id, name, name_en), communities in nankai.SUBDISTRICTS:
        yield Area(subdistrict_id, nankai.DISTRICT[0], "subdistrict", name, f"{name_en} Subdistrict")
        for community_id, community, community_en in communities:
            yield Area(
                f"{subdistrict_id}-{community_id}",
                subdistrict_id,
                "community",
                f"{community}社区",
                f"{community_en} Community",
            )


def _sites(areas: tuple[Area, ...]) -> Iterator[Site]:
    communities = {area.id: area for area in areas if area.kind == "community"}
    standing: Counter[str | None] = Counter()

    def position(area_id: str) -> tuple[float, float]:
        subdistrict_id = communities[area_id].parent_id
        latitude, longitude = nankai.CENTRES[subdistrict_id or ""]
        north, east = nankai.GRID[standing[subdistrict_id]]
        standing[subdistrict_id] += 1
        return round(latitude + north * nankai.GRID_DEGREES, 4), round(longitude + east * nankai.GRID_DEGREES, 4)

    for area in communities.values():
        name_en = area.name_en.removesuffix(" Community")
        name, name_en = f"{area.name}回收点", f"{name_en} recycling point"
        yield Site(area.id, area.id, "community", name, name_en, *position(area.id))
    for site_id, area_id, kind, name, name_en in nankai.OTHER_SITES:
        yield Site(site_id, area_id, kind, name, name_en, *position(area_id))


def _merchants() -> Iterator[SampleMerchant]:
    with_machines = {place for place, _ in nankai.MACHINE_OPERATORS}
    for place, (name, name_en, site_id) in enumerate(nankai.MERCHANTS):
        grace_seconds = nankai.MACHINE_GRACE_SECONDS if place in with_machines else 0
        yield SampleMerchant(f"NK-M-{place + 1:02}", name, name_en, site_id, grace_seconds)


def _offers(merchants: tuple[SampleMerchant, ...]) -> Iterator[SampleOffer]:
    for place, name, machine_kind, title, title_en, unit, unit_en, coins, resident_day_max, stock in nankai.OFFERS:
        merchant_id = merchants[place].id
        yield SampleOffer(
            merchant_id,
            NewOffer(
                id=f"{merchant_id}.{name}",
                title=title,
                title_en=title_en,
                unit=unit,
                unit_en=unit_en,
                coins=coins,
                machine_kind=machine_kind,
                valid_from=None,
                valid_until=None,
                resident_day_max=resident_day_max,
                stock=stock,
            ),
        )


def _bins(random: Random, sites: tuple[Site, ...], count: int, today: date) -> Iterator[SampleBin]:
    # One at each site, in an order of the seed; then a second one at some, and so on.
    order = random.sample(sites, len(sites))
    for number in range(count):
        yield SampleBin(
            id=f"NK-{number + 1:04}",
            site_id=order[number % len(order)].id,
            algorithm=algorithm_of(number),
            scale=Scale(
                verification_interval_grams=random.choice((5, 10)),
                capacity_grams=random.choice((30_000, 60_000, 100_000)),
                certificate_expires_on=today + timedelta(days=random.randrange(30, CERTIFICATE_DAYS)),
            ),
        )


def _machines(
    random: Random, sites: tuple[Site, ...], merchants: tuple[SampleMerchant, ...]
) -> Iterator[SampleMachine]:
    places = random.sample(sites, nankai.MACHINES)
    numbers = {"water": 0, "detergent": 0}
    for index, site in enumerate(places):
        operator, kind = nankai.MACHINE_OPERATORS[index % len(nankai.MACHINE_OPERATORS)]
        numbers[kind] += 1
        machine_id = f"NK-{kind[0].upper()}-{numbers[kind]:02}"
        yield SampleMachine(machine_id, merchants[operator].id, site.id, kind, algorithm_of(index))
