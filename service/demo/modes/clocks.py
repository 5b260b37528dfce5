"""Modes of what a bin forgets: the time, and how far it has counted. Pure."""

from datetime import UTC, datetime, timedelta
from typing import Final

from service.demo.modes.stage import Stage
from service.demo.modes.steps import CREDITED, Script, held

STARTED: Final = datetime(1970, 1, 1, 0, 5, tzinfo=UTC)
# Signatures may be 300 s off, unless the service is set otherwise.
WITHIN_SECONDS: Final = 200
BEYOND_SECONDS: Final = 900


def clock_1970(stage: Stage) -> Script:
    """After a power cut the clock begins in 1970. The service refuses the signature and says what time it is; the drops
    that were written down meanwhile wait for a person, the next one does not."""
    own, resident = stage.bin, stage.cast.resident
    early = [own.drop(resident, 900, at=STARTED + timedelta(minutes=number)) for number in range(2)]
    behind_seconds = int(stage.now.timestamp() - STARTED.timestamp())
    refused = yield own.post([*early], [], status=401, code="signature_stale", clock_seconds=-behind_seconds)
    # The bin sets its clock by the answer. If that were not the time, the next signature would be refused.
    off_seconds = int(refused.field("server_unix_seconds") or 0) - int(stage.now.timestamp())
    doubted = held("time_too_old", "time_before_visit")
    yield own.post([*early], [doubted, doubted], clock_seconds=off_seconds)
    yield own.post_one(own.drop(resident, 1_100), CREDITED, clock_seconds=off_seconds)
    yield own.seen(gaps_open=0)


def clock_skew(stage: Stage) -> Script:
    """A clock that is off by minutes: its drops are as far off as its signatures show, and are believed. A signature
    that is too far off is refused, and a drop that is further off than its signature is held."""
    own, resident = stage.bin, stage.cast.resident
    for seconds in (-WITHIN_SECONDS, WITHIN_SECONDS):
        skewed = own.drop(resident, 700, at=stage.now + timedelta(seconds=seconds))
        yield own.post_one(skewed, CREDITED, clock_seconds=seconds)
    for seconds, code in ((-BEYOND_SECONDS, "time_before_visit"), (BEYOND_SECONDS, "time_in_future")):
        event = own.drop(resident, 700, at=stage.now + timedelta(seconds=seconds))
        yield own.post_refused(event, "signature_stale", clock_seconds=seconds)
        # Its clock is set now, and the event keeps its time.
        yield own.post_one(event, held(code))
    yield own.post_one(own.drop(resident, 700), CREDITED)


def counter_reset(stage: Stage) -> Script:
    """The count is lost with the flash and begins anew: a new epoch, nothing is held. A drop that was seen and comes
    with a new id is something else, and is."""
    own, resident = stage.bin, stage.cast.resident
    yield own.post([own.drop(resident, 650) for _ in range(4)], [CREDITED] * 4)
    yield own.config(fields={"sequence.epoch": 0, "sequence.next": 5})
    copied = own.drop(resident, 650, sequence=1)
    yield own.post_one(copied, CREDITED)
    yield own.post_one(own.drop(resident, 650), CREDITED)
    yield own.config(fields={"sequence.epoch": 1, "sequence.next": 3})
    replayed = copied.copy()
    replayed["id"] = f"{copied['id']}-again"
    yield own.post_one(replayed, held("sequence_reused"))
    yield own.seen(gaps_open=0)
