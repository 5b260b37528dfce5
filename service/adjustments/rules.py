"""Who may approve: pure."""

import unicodedata
from uuid import UUID


def is_same_operator(key_id: UUID, name: str, other_key_id: UUID, other_name: str) -> bool:
    """One person may have two keys: keys of the same name are one operator's, however the name is written."""
    return key_id == other_key_id or _plain(name) == _plain(other_name)


def _plain(name: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())
