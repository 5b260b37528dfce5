from service.carbon.shipped import SHIPPED
from service.demo import nankai


def test_the_two_sets_are_those_of_their_methods() -> None:
    factors = {(each.id, factor.material): factor for each in SHIPPED for factor in each.factors}
    assert len(factors) == sum(len(each.factors) for each in SHIPPED) == 9
    milligrams = {key: factor.milligrams_co2e_per_kg for key, factor in factors.items()}
    assert milligrams["uk.desnz.2025", "paper"] == 220_000
    assert milligrams["us.epa.warm.v16", "paper"] == 3_910_000
    assert milligrams["us.epa.warm.v16", "plastic"] == min(1_150_000, 840_000)
    assert milligrams["uk.desnz.2025", "metal"] == min(8_120_000, 1_040_000)
    assert milligrams["uk.desnz.2025", "textile"] == 22_160_000
    # Neither method says anything of electronics, nor the American one of clothing.
    assert not any(material == "electronics" for _, material in factors)
    assert ("us.epa.warm.v16", "textile") not in factors


def test_they_say_where_they_are_from_and_are_of_the_six_materials() -> None:
    materials = {row[0] for row in nankai.MATERIALS}
    for each in SHIPPED:
        assert each.name != each.name_en
        assert "2025" in each.source or "December 2023" in each.source
        assert {factor.material for factor in each.factors} <= materials
