"""Modes of what is weighed: leant on, taken back, soaked, traded, drifted. Pure."""

from datetime import timedelta
from typing import Final

from service.demo.modes.stage import Stage, look, order
from service.demo.modes.steps import CREDITED, RECORDED, Expected, Script, held

# One more than a resident's day bears, by number; of a trader's it is a part.
TRADED_DROPS: Final = 12
RESIDENT_DROPS_MAX: Final = 10
TRADED_GRAMS: Final = 2_000
TRADED_EVERY: Final = timedelta(minutes=20)
# Of water.
RUN_OFF_GRAMS: Final = 5_000
# A drifted scale, in its interval e of 10 g: within what is permissible, and beyond.
FAIR_GRAMS: Final = 8
DRIFTED_GRAMS: Final = 60


def leaning(stage: Stage) -> Script:
    """A foot on the platform: the scale shows 5 kg, the box gains 1 kg. The drop is held, and nobody else's."""
    own, cast = stage.bin, stage.cast
    yield own.post_one(own.drop(cast.neighbour, 1_500), CREDITED)
    yield own.post_one(own.drop(cast.resident, 5_000, gain_grams=1_000), held("box_mass_short"))
    yield own.post_one(own.drop(cast.neighbour, 2_000), CREDITED)


def take_back(stage: Stage) -> Script:
    """Someone is credited for 3 kg and takes them out again. The box shows it at the next drop, which is another's and
    is held. The operator sees the drops before it, and releases it."""
    own, cast = stage.bin, stage.cast
    yield own.post_one(own.drop(cast.neighbour, 2_000), CREDITED)
    yield own.post_one(own.drop(cast.resident, 3_000), CREDITED)
    own.take_out(3_000)
    yield own.post_one(own.drop(cast.neighbour, 1_000), held("box_mass_short"))
    queue = f"/v1/reviews?state=waiting&bin={own.id}"
    waiting = yield look(queue, {"reviews.#": 1, "reviews.0.codes.0": "box_mass_short"})
    review = f"/v1/reviews/{waiting.field('reviews.0.id')}"
    yield look(review, {"before.#": 2})
    fair = {"reason": "前一位取回了物品 the one before took theirs out again"}
    yield order(f"{review}/release", fair, fields={"state": "released", "outcome": "credited"})
    yield own.post_one(own.drop(cast.resident, 1_200), CREDITED)


def wet_cardboard(stage: Stage) -> Script:
    """Soaked cardboard of 18 kg is more than a drop usually weighs, and held. What is credited is still wet: at the
    emptying, when the water has run off, the box weighs less than its drops, beyond what the scale may err."""
    own, resident = stage.bin, stage.cast.resident
    yield own.empty(before=0, outcome=RECORDED)
    yield own.post_one(own.drop(resident, 9_000), CREDITED)
    yield own.post_one(own.drop(resident, 18_000), held("heavy_drop"))
    yield own.empty(before=own.box_grams() - RUN_OFF_GRAMS, outcome=(Expected("recorded", "emptied_mass_short"),))
    found = {"clearances.#": 1, "clearances.0.difference_grams": -RUN_OFF_GRAMS}
    yield look(f"/v1/clearances?bin={own.id}&code=any", found)


def trader(stage: Stage) -> Script:
    """The same day's drops on two accounts, at the pace of real people: a resident's are held beyond ten; a trader's,
    whom an operator has marked as one, are not."""
    own, cast = stage.bin, stage.cast
    kind, whom = "/v1/resident-kinds", {"resident_id": cast.trader.id}
    yield order(
        kind, whom | {"kind": "trader", "reason": "登记的废品收购者 a registered trader"}, fields={"kind": "trader"}
    )
    over = held("day_drops", "day_grams", "day_coins")
    # Where this mode was run before, the day may be full already.
    wanted = [(*CREDITED, *over)] * RESIDENT_DROPS_MAX + [over] * (TRADED_DROPS - RESIDENT_DROPS_MAX)
    for resident, outcomes in ((cast.resident, wanted), (cast.trader, [CREDITED] * TRADED_DROPS)):
        times = [stage.paced_morning + number * TRADED_EVERY for number in range(TRADED_DROPS)]
        events = [own.drop(resident, TRADED_GRAMS, at=at, weighs_box=False) for at in times]
        yield own.post(events, outcomes)
    yield order(kind, whom | {"kind": "resident", "reason": "演示结束 end of the show"}, fields={"kind": "resident"})


def drifting_scale(stage: Stage) -> Script:
    """The scale's zero drifts. As long as it errs no more than a scale may, nobody is doubted. Beyond that operators
    have an alarm, and drops that do not agree with their box are held, in both directions."""
    own, resident = stage.bin, stage.cast.resident
    yield own.tell({"scale_zero_grams": FAIR_GRAMS}, RECORDED)
    yield own.seen(alarms=[])
    yield own.post_one(own.drop(resident, 2_000), CREDITED)
    yield own.post_one(own.drop(resident, 1_500, gain_grams=1_500 + FAIR_GRAMS), CREDITED)
    yield own.post_one(own.drop(resident, 1_500, gain_grams=1_500 - FAIR_GRAMS), CREDITED)
    yield own.tell({"scale_zero_grams": DRIFTED_GRAMS}, RECORDED)
    yield own.seen(alarms=["scale_zero"])
    yield own.post_one(own.drop(resident, 1_500, gain_grams=1_500 + DRIFTED_GRAMS), held("box_mass_over"))
    yield own.post_one(own.drop(resident, 1_500, gain_grams=1_500 - DRIFTED_GRAMS), held("box_mass_short"))
