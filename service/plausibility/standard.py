"""The shipped set of rules: what published operations and the standards of scales make plausible. A city sets its own.

Sources: OIML R 76 and JJG 539 for scales of class III; for what people bring, published figures of such schemes: 1.75
and 2.1 kg a drop on average, about 25 drops and 16 to 53 kg a bin and day, boxes of about 30 kg, and operators that cap
one drop at 15 kg. A resident with sixty times the mean was news.
"""

from typing import Any, Final

from service.plausibility.rules import RULES

_PARAMETERS: Final[dict[str, dict[str, Any]]] = {
    # 20 e is the smallest load of class III; what is lighter is no weighing for trade.
    "below_smallest_load": {"intervals_min": 20},
    # Where single operators cap a drop.
    "heavy_drop": {"grams_max": 15_000},
    # Over two of a bin's usual days in one hour: 25 drops and 53 kg a day.
    "improbable_rate": {"drops_max": 60, "grams_max": 110_000},
    # Five times a day's usual two drops; of a trader, every drop that two bins take in a day.
    "day_drops": {"resident": 10, "trader": 50},
    # A box that is full; of a trader, ten.
    "day_grams": {"resident": 30_000, "trader": 300_000},
    # The same at 100 coins a kilogram.
    "day_coins": {"resident": 3_000, "trader": 30_000},
    # No more than the permissible errors of the readings.
    "box_mass_short": {"tolerance_grams": 0},
    "box_mass_over": {"tolerance_grams": 0},
    "emptied_mass_short": {"tolerance_grams": 0},
    "emptied_mass_over": {"tolerance_grams": 0},
}

# (code, action, parameters as JSON)
STANDARD_RULES: Final = tuple((rule.code, rule.action, _PARAMETERS.get(rule.code, {})) for rule in RULES.values())
