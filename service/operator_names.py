"""Names on API keys: pure. One person may have two keys, and then both have one name, however it is written."""

import unicodedata
from typing import Final
from uuid import UUID

NAME_CHARACTERS_MAX: Final = 200
# Control, format, surrogate, private and unassigned characters, and ends of lines: none shows as it is.
UNREADABLE: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
# Cyrillic and Greek letters, folded, and the Latin ones that they, or their capitals, look like. Fillers are letters
# that show as nothing.
LOOK_ALIKES: Final = str.maketrans("авекмнорстухіјѕαβεζηικμνορτυχ", "abekmhopctyxijsabezhikmnoptyx", "\u115f\u1160")


def is_readable(name: str) -> bool:
    """Whether people who see it see all of it, and something by which to tell it from others."""
    shown = not any(unicodedata.category(character) in UNREADABLE for character in name)
    return shown and len(name) <= NAME_CHARACTERS_MAX and plain_name(name) != ""


def plain_name(name: str) -> str:
    """What is compared: letters and digits only, without case, width, marks, spaces and look-alikes."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    return "".join(each for each in folded if unicodedata.category(each)[0] in "LN").translate(LOOK_ALIKES)


def is_same_operator(key_id: UUID, name: str, other_key_id: UUID, other_name: str) -> bool:
    """Keys of one name are one operator's. Names are as plain_name makes them."""
    return key_id == other_key_id or name == other_name
