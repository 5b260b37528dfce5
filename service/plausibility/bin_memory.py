"""What the service remembers of a bin, so that its next events can be judged: one row of `bin_memory`."""

from collections.abc import Iterable
from typing import Any, Final, NamedTuple, TypeAlias

from service.plausibility.sequences import LONG_AGO, Gap, Sequences

HOUR_SECONDS: Final = 3600
# Three days: as long as a bin may be offline and still be held against its rates.
HOURS_MAX: Final = 72

# One box, by material, as a list because it is stored as JSON:
#   [epoch, sequence, mass_grams, content_grams, permissible_grams, emptied_sequence]
# of its newest event by sequence, and what the box weighed after it (null: not told). `content_grams` is what was left
# at the last emptying and the drops since, `permissible_grams` by how much the readings of these may err, and
# `emptied_sequence` the emptying's; all three null where it is not known.
Box: TypeAlias = list[Any]
EPOCH, SEQUENCE, MASS, CONTENT, PERMISSIBLE, EMPTIED = range(6)


class StoredMemory(NamedTuple):
    """The columns of `bin_memory`; `sequence_at` in Unix seconds, the last three plain JSON."""

    epoch: int
    sequence: int | None
    sequence_at: float | None
    gaps_open: int
    boxes: dict[str, Box]
    hours: dict[str, list[int]]
    counts: dict[str, Any]


class BinMemory:
    """Sequences, boxes and hours of one bin; judging its events changes it.

    `boxes` by material, see `Box`. `hours` by the number of the hour since 1970 as a string, of the newest 72 in which
    there were drops: [drops, grams] that were credited, by their own time. `counts` as `Sequences.as_json` has it.
    """

    __slots__ = ("boxes", "hours", "sequences")

    def __init__(
        self,
        epoch: int,
        sequence: int | None,
        sequence_at: float | None,
        gaps: Iterable[Gap] | None,
        boxes: dict[str, Box],
        hours: dict[str, list[int]],
        counts: dict[str, Any] | None = None,
    ) -> None:
        """`gaps` are all open ones of the bin; None or empty where it has none."""
        self.sequences = Sequences(epoch, sequence, sequence_at, gaps or (), counts or {})
        self.boxes = boxes
        self.hours = hours

    @property
    def opened(self) -> list[tuple[int, int, int, float]]:
        """Gaps to store: (epoch, first, last, before_at in Unix seconds)."""
        return self.sequences.opened

    @property
    def closed(self) -> list[int]:
        """Ids of gaps to close."""
        return self.sequences.closed

    @property
    def shortened(self) -> list[tuple[int, int, int]]:
        """Gaps to shorten: (id, first, last)."""
        return self.sequences.shortened

    @property
    def given_up(self) -> list[Gap]:
        """Gaps to give up; those without an id are to be stored as that."""
        return self.sequences.given_up

    def as_columns(self) -> StoredMemory:
        sequences = self.sequences
        at = sequences.highest_at
        return StoredMemory(
            sequences.epoch,
            sequences.highest,
            None if at == LONG_AGO else at,
            len(sequences.gaps),
            self.boxes,
            self.hours,
            sequences.as_json(),
        )

    def mass_before(self, material_id: str, epoch: int, sequence: int) -> int | None:
        """What the box weighed after its event before this one; None where that is not known for certain."""
        box = self.boxes.get(material_id)
        if box is None or box[EPOCH] != epoch or box[SEQUENCE] >= sequence:
            return None
        if self.sequences.missing_between(epoch, box[SEQUENCE], sequence):
            return None
        mass: int | None = box[MASS]
        return mass

    def dropped(
        self,
        material_id: str,
        epoch: int,
        sequence: int,
        weight_grams: int | None,
        mass_after: int | None,
        error_grams: int,
    ) -> None:
        """A drop lies in its box. `weight_grams` None: nobody knows it; `error_grams`: by how much it may err."""
        box = self.boxes.get(material_id)
        if box is None or box[EPOCH] < epoch:
            # How many drops the end of the last count had, nobody knows.
            self.boxes[material_id] = [epoch, sequence, mass_after, None, None, None]
        elif box[EPOCH] == epoch:
            if weight_grams is None:
                box[CONTENT] = box[PERMISSIBLE] = box[EMPTIED] = None
            elif box[EMPTIED] is not None and sequence > box[EMPTIED]:
                box[CONTENT] += weight_grams
                box[PERMISSIBLE] += error_grams
            if sequence > box[SEQUENCE]:
                box[SEQUENCE] = sequence
                box[MASS] = mass_after

    def mistrust(self, material_id: str) -> None:
        """Something went into this box, and nobody knows when."""
        box = self.boxes.get(material_id)
        if box is not None:
            box[MASS] = box[CONTENT] = box[PERMISSIBLE] = box[EMPTIED] = None

    def content(self, material_id: str, epoch: int, sequence: int) -> tuple[int, int] | None:
        """Grams that must lie in the box at this emptying, and by how much their readings may err; None where a drop
        may be missing."""
        box = self.boxes.get(material_id)
        if box is None or box[EPOCH] != epoch or box[EMPTIED] is None or box[SEQUENCE] >= sequence:
            return None
        if self.sequences.missing_between(epoch, box[EMPTIED], sequence):
            return None
        return box[CONTENT], box[PERMISSIBLE]

    def emptied(self, material_id: str, epoch: int, sequence: int, mass_after: int, error_grams: int) -> None:
        """The box's account is closed, and a new one begins. `error_grams`: by how much `mass_after` may err."""
        box = self.boxes.get(material_id)
        if box is None or (box[EPOCH], box[SEQUENCE]) < (epoch, sequence):
            self.boxes[material_id] = [epoch, sequence, mass_after, mass_after, error_grams, sequence]
        elif box[EPOCH] == epoch and box[EMPTIED] is not None and box[EMPTIED] < sequence:
            # A late one: which of the drops that were counted came before it, nobody knows.
            box[CONTENT] = box[PERMISSIBLE] = box[EMPTIED] = None

    def hour(self, at: float) -> list[int]:
        """[drops, grams] of the hour of `at`, to be raised. What lies before the newest 72 that are remembered counts
        with the oldest of them: a burst does not become probable by being dated back."""
        hour = int(at) // HOUR_SECONDS
        known = self.hours.get(str(hour))
        if known is None:
            if len(self.hours) >= HOURS_MAX:
                oldest = min(self.hours, key=int)
                if hour < int(oldest):
                    return self.hours[oldest]
                del self.hours[oldest]
            known = self.hours[str(hour)] = [0, 0]
        return known
