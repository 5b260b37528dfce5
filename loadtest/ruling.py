"""Rules of plausibility for load: as many as a city has, each asked of every event, with limits that no load reaches.

A few bins take thousands of drops a second here, by the same few residents: the shipped limits would hold them all, and
what is to be measured is what asking costs.
"""

import json
import time
from typing import Any, Final

import uvloop

from loadtest.installation import CannotStart, Installation

# More than any run comes to, and the most that a rule takes.
OUT_OF_REACH: Final = 1_000_000_000
# Every rule of service/plausibility/rules.py, in JSON as `tanbi rules set` takes it.
LENIENT: Final[dict[str, dict[str, Any]]] = {
    "below_smallest_load": {"intervals_min": 20},
    "above_capacity": {},
    "certificate_expired": {},
    "heavy_drop": {"grams_max": OUT_OF_REACH},
    "improbable_rate": {"drops_max": OUT_OF_REACH, "grams_max": OUT_OF_REACH},
    "day_drops": {"resident": OUT_OF_REACH, "trader": OUT_OF_REACH},
    "day_grams": {"resident": OUT_OF_REACH, "trader": OUT_OF_REACH},
    "day_coins": {"resident": OUT_OF_REACH, "trader": OUT_OF_REACH},
    "box_mass_short": {"tolerance_grams": 0},
    "box_mass_over": {"tolerance_grams": 0},
    "emptied_mass_short": {"tolerance_grams": 0},
    "emptied_mass_over": {"tolerance_grams": 0},
}
REPLACE: Final = """
INSERT INTO plausibility_rule (code, effective_from, action, parameters)
SELECT code, '2020-01-01T00:00:00Z', $2, parameters::jsonb
FROM unnest($1::text[], $3::text[]) AS rule (code, parameters)
"""
# A service looks once a second whether anything has changed.
NOTICED_SECONDS: Final = 1.5


def set_rules(installation: Installation, *, asked: bool, noticed: bool = False) -> None:
    """Put LENIENT in force, for what happened before as well, or switch every rule off; and let bins' boxes never be
    full. `noticed`: return only when a service that runs already must know. Raises CannotStart."""
    uvloop.run(_set_rules(installation, asked=asked))
    if noticed:
        time.sleep(NOTICED_SECONDS)


async def _set_rules(installation: Installation, *, asked: bool) -> None:
    connection = await installation.connect()
    try:
        async with connection.transaction():
            await connection.execute("DELETE FROM plausibility_rule")
            parameters = [json.dumps(each) for each in LENIENT.values()]
            await connection.execute(REPLACE, list(LENIENT), "hold" if asked else "off", parameters)
            await connection.execute("UPDATE bin SET box_capacity_grams = $1", OUT_OF_REACH)
            await connection.execute("UPDATE reference_revision SET revision = revision + 1")
            if await connection.fetchval("SELECT count(*) FROM plausibility_rule") != len(LENIENT):
                raise CannotStart("The rules for the load could not be set.")
    finally:
        await connection.close()
