"""Of what the public sees: two operators publish it."""

import pytest

from service.indicator import public_documents
from tests.indicator.public.calls import Client
from tests.indicator.test_publications import Publisher


@pytest.fixture(autouse=True)
def made_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each request sees what there is: that a minute is waited is tested by itself."""
    monkeypatch.setattr(public_documents, "KEPT_SECONDS", 0)


@pytest.fixture
def first(client: Client, keys: dict[str, str]) -> Publisher:
    return Publisher(client, keys["operator"])


@pytest.fixture
def second(client: Client, keys: dict[str, str]) -> Publisher:
    return Publisher(client, keys["admin"])
