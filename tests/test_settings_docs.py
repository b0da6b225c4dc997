"""What is generated from the typed settings: current, complete, and true."""

from documentation import CONFIGURATION_PAGE, SCHEMA
from settings_docs import configuration_page, editor_schema, keys


def test_the_page_and_the_schema_are_current() -> None:
    """Otherwise run `make docs`."""
    assert CONFIGURATION_PAGE.read_text(encoding="utf-8") == configuration_page()
    assert SCHEMA.read_text(encoding="utf-8") == editor_schema()


def test_every_key_has_a_meaning_that_ends_like_a_sentence() -> None:
    assert not [key.name for key in keys() if not key.meaning.endswith(".")]
    assert len({key.name for key in keys()}) == len(list(keys())) > 100


def test_the_page_says_what_reruns_for_every_key() -> None:
    rows = [line for line in configuration_page().splitlines() if line.startswith("| `")]
    assert rows
    assert not [row for row in rows if row.rstrip(" |").endswith("|")]


def test_a_required_key_of_an_optional_section_names_the_section() -> None:
    page = configuration_page()
    assert "| `data.test.videos` | text | **required** within `data.test` |" in page
    assert "| `fetch.NAME.url` | text | **required** within `fetch.NAME` |" in page
    assert "| `models.NAME.architecture` | text | **required** |" in page
