"""Groups merged by near-duplicates, and joined with another grouping."""

import networkx
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from liveness.dataset.groups import join_groupings, merge_groups

PAIRS = ["first", "second"]


@given(
    groups=st.lists(st.integers(0, 8), min_size=1, max_size=15),
    pairs=st.lists(st.tuples(st.integers(0, 14), st.integers(0, 14)), max_size=12),
)
def test_merged_groups_are_the_transitive_closure(groups: list[int], pairs: list[tuple[int, int]]) -> None:
    names = [f"{row}.mp4" for row in range(len(groups))]
    own = pd.Series([f"g{group}" for group in groups], index=names)
    linked = [(names[a], names[b]) for a, b in pairs if max(a, b) < len(names)]
    joined, merged = merge_groups(own, pd.DataFrame(linked, columns=PAIRS))

    graph = networkx.Graph([*own.items(), *linked])
    for part in networkx.connected_components(graph):
        inside = sorted(part - set(names))
        assert set(joined[sorted(part & set(names))]) == {inside[0]}
        assert (inside in merged) == (len(inside) > 1)
    assert joined.nunique() == networkx.number_connected_components(graph)


def test_nothing_to_merge() -> None:
    own = pd.Series(["x", "y"], index=["a", "b"])
    joined, merged = merge_groups(own, pd.DataFrame(columns=[*PAIRS, "distance"]))
    assert joined.equals(own)
    assert merged == []


def test_two_groupings_are_joined_where_they_overlap() -> None:
    sources = pd.Series(["x", "x", "y", "z", "z"], index=list("abcde"))
    people = pd.Series(["p", "q", "q", "r", "s"], index=list("abcde"))
    joined, merged = join_groupings(sources, people)
    assert joined.tolist() == ["x", "x", "x", "z", "z"]
    assert merged == [["x", "y"]]
