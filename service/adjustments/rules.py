"""Who may approve: pure."""

from uuid import UUID


def is_same_operator(key_id: UUID, plain_name: str, other_key_id: UUID, other_plain_name: str) -> bool:
    """One person may have two keys: keys of one name are one operator's.

    Names are as service/operator_names.py makes them plain.
    """
    return key_id == other_key_id or plain_name == other_plain_name
