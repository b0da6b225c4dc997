"""Names are compared whatever their Unicode form, and spelt as the file system has them."""

import unicodedata

import pytest

from liveness.dataset.file_names import as_listed
from liveness.runtime.errors import InputError

COMPOSED, APART = (unicodedata.normalize(form, "đêm/ánh sáng.mp4") for form in ("NFC", "NFD"))


@pytest.mark.parametrize(("written", "listed"), [(COMPOSED, APART), (APART, COMPOSED), (APART, APART)])
def test_names_are_spelt_as_listed(written: str, listed: str) -> None:
    assert COMPOSED != APART
    assert as_listed(["a.mp4", written, "gone.mp4"], [listed, "a.mp4"]) == ["a.mp4", listed, "gone.mp4"]


def test_two_files_may_differ_in_their_form_only() -> None:
    assert as_listed([APART, COMPOSED], [COMPOSED, APART]) == [APART, COMPOSED]


def test_one_file_has_one_row() -> None:
    with pytest.raises(InputError, match=r"listed twice, in different Unicode forms \('.+' and '.+'\)"):
        as_listed([APART, COMPOSED], [COMPOSED])
