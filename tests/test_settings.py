import pytest
from pydantic import ValidationError

from service.field_words import in_plain_words
from service.settings import Settings
from tests.settings_page import PAGE, settings_table, table_of


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+asyncpg"])
def test_a_database_url_means_the_driver_that_the_service_has(scheme: str) -> None:
    settings = Settings(database_url=f"{scheme}://tanbi:s%40cret@db:5432/tanbi")
    assert settings.database_url == "postgresql+asyncpg://tanbi:s%40cret@db:5432/tanbi"


@pytest.mark.parametrize("url", ["nonsense", "mysql://db/tanbi", ""])
def test_what_is_no_postgresql_url_is_refused_with_the_form_it_should_have(url: str) -> None:
    with pytest.raises(ValidationError, match="postgresql://user:password@host"):
        Settings(database_url=url)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("port", "x", "Must be a whole number"),
        ("port", "70000", "Must be at most 65535"),
        ("shutdown_seconds", "x", "Must be a number"),
        ("shutdown_seconds", "0", "Must be above 0"),
        ("demo", "perhaps", "Must be true or false"),
        ("database_url", "mysql://db/tanbi", "write it as postgresql://user:password@host:5432/database"),
    ],
)
def test_what_a_setting_must_be_is_said_in_plain_words(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, words: str
) -> None:
    monkeypatch.setenv(f"TANBI_{name.upper()}", value)
    with pytest.raises(ValidationError) as caught:
        Settings()
    [found] = caught.value.errors()
    assert in_plain_words(found, None) == words


def test_settings_show_no_passwords() -> None:
    settings = Settings(database_url="postgresql://tanbi:hidden@db/tanbi")
    assert "hidden" not in repr(settings) + str(settings)


def test_every_setting_says_what_it_is() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


def test_the_page_of_settings_is_what_the_settings_make() -> None:
    assert table_of(PAGE.read_text()) == settings_table(), "run `make settings`"
