"""The factor sets that come with the service. Data: a city that has none adopts them, or imports its own.

They differ by ten times for paper, because of what is counted: docs/carbon.md says how. Where two rows of a method
could stand for a material, the lower one does: a saving that is claimed must not be too high.
"""

from typing import Any, Final

from schemas.carbon import FactorSetRequest

LOWER: Final = "Where two rows could stand for a material, the lower one 一类对应多个条目时取较低值"

UK: Final[dict[str, Any]] = {
    "id": "uk.desnz.2025",
    "name": "英国政府温室气体换算因子（2025）",
    "name_en": "UK Government GHG conversion factors 2025",
    "source": "DESNZ: UK Government GHG Conversion Factors for Company Reporting, 2025; primary production less closed"
    " loop; clothing: reuse. From a secondary copy",
    "note": LOWER,
    "factors": [
        {"material": "paper", "milligrams_co2e_per_kg": 220_000, "stands_for": "mixed paper"},
        {"material": "plastic", "milligrams_co2e_per_kg": 1_600_000, "stands_for": "plastic, average"},
        {
            "material": "metal",
            "milligrams_co2e_per_kg": 1_040_000,
            "stands_for": "steel cans (lower than aluminium cans)",
        },
        {"material": "glass", "milligrams_co2e_per_kg": 580_000, "stands_for": "glass"},
        {"material": "textile", "milligrams_co2e_per_kg": 22_160_000, "stands_for": "clothing (reuse)"},
    ],
}
WARM: Final[dict[str, Any]] = {
    "id": "us.epa.warm.v16",
    "name": "美国环保署废弃物减量模型（WARM）第16版",
    "name_en": "US EPA Waste Reduction Model (WARM), version 16",
    "source": "US EPA: Waste Reduction Model (WARM), version 16, December 2023. From a secondary copy",
    "note": LOWER,
    "factors": [
        {"material": "paper", "milligrams_co2e_per_kg": 3_910_000, "stands_for": "mixed paper"},
        {"material": "plastic", "milligrams_co2e_per_kg": 840_000, "stands_for": "HDPE (lower than PET)"},
        {
            "material": "metal",
            "milligrams_co2e_per_kg": 2_020_000,
            "stands_for": "steel cans (lower than aluminium cans)",
        },
        {"material": "glass", "milligrams_co2e_per_kg": 310_000, "stands_for": "glass"},
    ],
}
SHIPPED: Final = tuple(FactorSetRequest.model_validate(each) for each in (UK, WARM))
