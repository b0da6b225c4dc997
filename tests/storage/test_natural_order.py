"""Natural order of file names."""

from itertools import permutations
from operator import itemgetter

from hypothesis import given
from hypothesis import strategies as st

from liveness.storage.natural_order import natural_order

NAMES = ["01.mp4", "1.mp4", "9.mp4", "10.mp4", "sub/2.mp4", "sub/10.mp4"]


def test_numbers_are_compared_as_numbers_and_ties_as_text() -> None:
    for names in permutations(NAMES):
        assert natural_order(names) == NAMES


def test_rows_are_sorted_by_the_name_in_them() -> None:
    rows = [(name, -position) for position, name in enumerate(NAMES)]
    assert natural_order(sorted(rows, key=itemgetter(1)), key=itemgetter(0)) == rows


@given(names=st.sets(st.text(alphabet="01a./", min_size=1, max_size=6)), data=st.data())
def test_the_order_does_not_depend_on_that_of_the_input(names: set[str], data: st.DataObject) -> None:
    shuffled = data.draw(st.permutations(sorted(names)))
    assert natural_order(shuffled) == natural_order(sorted(names))
