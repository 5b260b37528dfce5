"""Every table. Constraints are named, so that an expected violation can be told by its name.

`weigh_event`, `wallet`, `transfer`, `hold` and what else belongs to one resident have no foreign keys and no triggers:
they are distributed on Citus (by `bin_id` and by `owner_id`), and a check of every row's references costs more than the
row. `tanbi verify` checks them instead. Grams and coins are integers; times are stored in UTC.
"""

# All of them, so that whoever knows one table knows what it refers to.
from service.tables import (
    bins,
    carbon,
    indicator,
    ledger,
    people,
    places,
    redemption,
    reference,
    settlement,
    volumes,
    webhooks,
    weighing,
)

__all__ = [
    "bins",
    "carbon",
    "indicator",
    "ledger",
    "people",
    "places",
    "redemption",
    "reference",
    "settlement",
    "volumes",
    "webhooks",
    "weighing",
]
