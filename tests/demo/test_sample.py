import math
import re
from collections import Counter
from datetime import date

from schemas.signatures import Algorithm
from service.demo import nankai
from service.demo.sample import Sample, draw_cards, draw_inputs, draw_sample

TODAY = date(2026, 11, 20)


def drawn(seed: int = 1, bins: int = 47, residents: int = 200) -> Sample:
    return draw_sample(seed, bins=bins, residents=residents, today=TODAY)


def test_the_same_seed_draws_the_same_and_another_seed_another() -> None:
    assert drawn(7) == drawn(7)
    assert drawn(7).bins != drawn(8).bins
    assert drawn(7).machines != drawn(8).machines
    assert set(drawn(7).cards).isdisjoint(drawn(8).cards)


def test_a_larger_draw_begins_with_the_smaller_one() -> None:
    small, large = drawn(bins=10, residents=5), drawn(bins=100, residents=50)
    assert large.bins[:10] == small.bins
    assert large.cards[:5] == small.cards
    assert (large.areas, large.sites, large.machines) == (small.areas, small.sites, small.machines)


def test_nankai_has_its_twelve_subdistricts_and_every_area_its_parent() -> None:
    sample = drawn()
    names = [area.name for area in sample.areas if area.kind == "subdistrict"]
    assert [name.removesuffix("街道") for name in names] == [
        *("鼓楼", "兴南", "广开", "长虹", "向阳路", "嘉陵道", "万兴", "学府", "水上公园", "王顶堤", "体育中心", "华苑"),
    ]
    assert Counter(area.kind for area in sample.areas) == {
        "city": 1,
        "district": 1,
        "subdistrict": 12,
        "community": 30,
    }
    kinds = {area.id: area.kind for area in sample.areas}
    assert len(kinds) == len(sample.areas)
    parents = {(kinds[area.parent_id], area.kind) for area in sample.areas if area.parent_id is not None}
    assert parents == {("city", "district"), ("district", "subdistrict"), ("subdistrict", "community")}


def test_sites_are_of_all_four_kinds_and_stand_in_communities() -> None:
    sample = drawn()
    assert {site.kind for site in sample.sites} == {"community", "commercial", "industrial", "scenic"}
    assert {site.area_id for site in sample.sites} == {area.id for area in sample.areas if area.kind == "community"}
    assert len({site.id for site in sample.sites}) == len(sample.sites)


def test_every_site_has_a_place_of_its_own_in_the_district() -> None:
    sites = drawn().sites
    assert len({(site.latitude, site.longitude) for site in sites}) == len(sites)
    # A little more than the district, which is 41 km² around Nankai University.
    assert all(39.06 < site.latitude < 39.16 and 117.11 < site.longitude < 117.20 for site in sites)
    # Sites of one subdistrict are neighbours: within 1 km of its first one.
    subdistricts = {area.id: area.parent_id for area in drawn().areas}
    first: dict[str | None, tuple[float, float]] = {}
    for site in sites:
        north, east = first.setdefault(subdistricts[site.area_id], (site.latitude, site.longitude))
        assert math.hypot(site.latitude - north, (site.longitude - east) * math.cos(math.radians(north))) * 111 < 1


def test_there_are_47_bins_and_every_third_has_an_hmac_key() -> None:
    bins = drawn().bins
    assert [each.id for each in bins] == [f"NK-{number:04}" for number in range(1, 48)]
    assert bins[0].algorithm is Algorithm.ED25519
    assert sum(each.algorithm is Algorithm.HMAC_SHA256 for each in bins) == 47 // 3
    sites = {site.id for site in drawn().sites}
    assert {each.site_id for each in bins} == sites
    assert all(each.scale.certificate_expires_on and each.scale.certificate_expires_on > TODAY for each in bins)


def test_there_are_18_merchants_and_18_machines_of_both_kinds() -> None:
    sample = drawn()
    merchants = {each.id for each in sample.merchants}
    assert len(merchants) == 18
    assert len({each.id for each in sample.machines}) == 18
    assert {each.kind for each in sample.machines} == {"water", "detergent"}
    assert {each.merchant_id for each in sample.machines} < merchants
    sites = {site.id for site in sample.sites}
    assert {each.site_id for each in sample.machines} <= sites
    assert {each.algorithm for each in sample.machines} == set(Algorithm)
    # A shop is at a site; only who has machines may have none, and only they may be late.
    operators = {each.merchant_id for each in sample.machines}
    assert {each.site_id for each in sample.merchants if each.id not in operators} <= sites
    assert {each.id for each in sample.merchants if each.capture_grace_seconds} == operators


def test_cards_are_14_hexadecimal_digits_and_all_different() -> None:
    cards = draw_cards(1, 5000)
    assert len(set(cards)) == 5000
    assert all(re.fullmatch(r"[0-9A-F]{14}", card) for card in cards)


def test_six_materials_are_paid_about_100_coins_a_kilogram() -> None:
    coins = [coins_per_kg for _, _, _, coins_per_kg in nankai.MATERIALS]
    assert len(nankai.MATERIALS) == 6
    assert 80 <= sum(coins) / 6 <= 130
    assert len(set(coins)) == 6


def test_a_month_is_recorded_the_same_however_many_months_are_drawn() -> None:
    assert draw_inputs(1, 2026, 12)[: 4 * 11] == draw_inputs(1, 2026, 11)
    november = draw_inputs(1, 2026, 11)[-1]
    assert (november.first_day, november.last_day) == (date(2026, 11, 1), date(2026, 11, 30))


def test_inputs_are_recorded_of_everything_the_rate_needs() -> None:
    kinds = Counter(each.kind for each in draw_inputs(1, 2025, 12))
    assert kinds == {"cleared": 12, "kitchen_treated": 12, "pickup_recyclables": 12, "scrap_station_recyclables": 12}


def test_every_offer_is_to_be_had_at_a_machine_of_its_merchant_or_in_its_shop() -> None:
    sample = drawn()
    machines = {(each.merchant_id, each.kind) for each in sample.machines}
    shops = {each.id for each in sample.merchants if each.site_id is not None}
    for each in sample.offers:
        if each.wanted.machine_kind is None:
            assert each.merchant_id in shops
        else:
            assert (each.merchant_id, each.wanted.machine_kind) in machines
    assert len({each.wanted.id for each in sample.offers}) == len(sample.offers)
    # Whoever has a machine offers what it gives out.
    assert machines == {
        (each.merchant_id, each.wanted.machine_kind) for each in sample.offers if each.wanted.machine_kind
    }
