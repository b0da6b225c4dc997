"""Cross-validation folds: nobody on both sides, both classes everywhere."""

import json
from pathlib import Path
from random import Random

import networkx
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from liveness.dataset.folds import (
    assign_folds,
    assign_folds_by_attack,
    assign_folds_by_source,
    contradictions,
    make_folds,
)
from liveness.dataset.labels import read_folds
from liveness.runtime.errors import InputError
from liveness.settings.folds import Folds

PAIRS = ["first", "second"]


@st.composite
def videos(draw: st.DrawFn) -> tuple[pd.DataFrame, int]:
    """Draw labels and groups, of which as many as folds have both classes."""
    count = draw(st.integers(2, 4))
    both = [*range(count), *range(count)]
    groups = [*both, *draw(st.lists(st.integers(0, 9), max_size=40))]
    size = len(groups) - len(both)
    free = draw(st.lists(st.integers(0, 1), min_size=size, max_size=size))
    labels = [1] * count + [0] * count + free
    table = pd.DataFrame({"label": labels, "group": [f"g{group}" for group in groups]})
    return table.set_axis([f"{row:03}.mp4" for row in range(len(table))]), count


@pytest.mark.filterwarnings("ignore:The least populated class")
@given(videos(), st.integers(0, 5), st.randoms(use_true_random=False))
def test_every_video_has_one_fold_and_groups_stay_together(
    given_videos: tuple[pd.DataFrame, int], seed: int, random: Random
) -> None:
    table, count = given_videos
    try:
        fold = assign_folds(table["label"], table["group"], count, seed)
    except InputError:
        reject()
    assert sorted(fold.index) == sorted(table.index)
    for number in range(count):
        assert table["label"][fold == number].nunique() == table["label"][fold != number].nunique() == 2
    assert set(fold) <= set(range(count))
    assert (fold.groupby(table["group"]).nunique() == 1).all()

    rows = list(table.index)
    random.shuffle(rows)
    shuffled = table.loc[rows]
    pd.testing.assert_series_equal(assign_folds(shuffled["label"], table["group"], count, seed), fold)


@pytest.mark.parametrize("seed", range(10))
def test_classes_are_spread_evenly(seed: int) -> None:
    """With 200 people of one to three videos each, fold sizes and class ratios are within 10 %."""
    rng = np.random.default_rng(seed)
    group = np.repeat(np.arange(200), rng.integers(1, 4, 200)).astype(str)
    label = rng.integers(0, 2, len(group))
    names = [f"{row}.mp4" for row in range(len(group))]
    fold = assign_folds(pd.Series(label, index=names), pd.Series(group, index=names), 5, seed)
    for part in range(5):
        held_out = pd.Series(label, index=names)[fold == part]
        assert abs(len(held_out) / len(group) - 1 / 5) < 0.1 / 5
        assert abs(held_out.mean() / label.mean() - 1) < 0.1


def test_folds_depend_on_the_seed() -> None:
    names = [f"{row}.mp4" for row in range(60)]
    labels, groups = pd.Series([0, 1] * 30, index=names), pd.Series(names, index=names)
    one, same, other = (assign_folds(labels, groups, 3, seed) for seed in (1, 1, 2))
    assert one.equals(same)
    assert not one.equals(other)


def test_too_few_groups_or_videos_for_the_folds() -> None:
    names = list("abcdef")
    labels = pd.Series([0, 1] * 3, index=names)
    with pytest.raises(InputError, match=r"form 2 groups .* fewer than folds\.count \(3\)"):
        assign_folds(labels, pd.Series(list("xxxyyy"), index=names), 3, 0)
    with pytest.raises(InputError, match=r"a class has fewer videos than folds\.count \(4\)"):
        assign_folds(labels, pd.Series(names, index=names), 4, 0)


@pytest.mark.parametrize(("people", "count"), [("ab", 2), ("abc", 2), ("abc", 3), ("abcdef", 2)])
def test_a_fold_with_one_class_is_refused(people: str, count: int) -> None:
    """All live videos are of the first person."""
    names = pd.Index([f"{number}.mp4" for number in range(4 * len(people))])
    groups = pd.Series([people[number // 4] for number in range(len(names))], names)
    with pytest.raises(
        InputError, match=r"fold \d (holds|leaves for training) only (live|spoof) videos: .*lower"
    ):
        assign_folds((groups == "a").astype(int), groups, count, 1)


def test_contradictions_are_pairs_of_opposite_labels() -> None:
    pairs = pd.DataFrame([("a", "b", 0), ("a", "c", 3), ("a", "unlabelled", 1)], columns=[*PAIRS, "distance"])
    found = contradictions(pairs, pd.Series({"a": 1, "b": 1, "c": 0}))
    assert json.loads(json.dumps(found.to_dict("records"))) == [{"first": "a", "second": "c", "distance": 3}]
    assert contradictions(pairs.iloc[:0], pd.Series({"a": 1})).empty


@pytest.mark.parametrize("attack", [{}, {"attack": ["", "NA", "replay"]}])
def test_what_the_workflow_writes_is_read_back(tmp_path: Path, attack: dict[str, list[str]]) -> None:
    columns = {"liveness_score": [1, 0, 0], "group": ["007", "NA", "a,b"], **attack, "fold": [1, 0, 1]}
    table = pd.DataFrame(columns, index=pd.Index(["007", "NA", "ặ.mp4"], name="fname"))
    table.to_csv(tmp_path / "folds.csv")
    pd.testing.assert_frame_equal(read_folds(tmp_path / "folds.csv"), table)


@st.composite
def attacked(draw: st.DrawFn) -> tuple[pd.DataFrame, int]:
    """Draw videos of people with zero or more attack types; at least as many types as folds."""
    count = draw(st.integers(2, 3))
    types = [*range(count), *draw(st.lists(st.integers(-1, 4), min_size=1, max_size=40))]
    people = draw(st.lists(st.integers(0, 6), min_size=len(types), max_size=len(types)))
    table = pd.DataFrame({"attack": ["" if kind < 0 else f"a{kind}" for kind in types]})
    table["group"] = [f"g{person}" for person in people]
    live = pd.DataFrame({"attack": "", "group": [f"live{number}" for number in range(2 * count)]})
    table = pd.concat([table, live], ignore_index=True)
    table["label"] = (table["attack"] == "").astype(int)
    return table.set_axis([f"{row:03}.mp4" for row in range(len(table))]), count


@given(attacked(), st.integers(0, 5), st.randoms(use_true_random=False))
def test_folds_by_attack_share_neither_people_nor_types(
    given_videos: tuple[pd.DataFrame, int], seed: int, random: Random
) -> None:
    table, count = given_videos
    try:
        fold = assign_folds_by_attack(table["label"], table["group"], table["attack"], count, seed)
    except InputError:
        reject()
    kept = table.loc[fold.index].assign(fold=fold)
    assert kept["fold"].isin(range(count)).all()
    assert (kept.groupby("group")["fold"].nunique() <= 1).all()
    assert (kept[kept["label"] == 0].groupby("attack")["fold"].nunique() <= 1).all()
    # all live videos are kept, and so are all attacks on people with a single attack type
    assert set(table.index[table["label"] == 1]) <= set(fold.index)
    ways = table[table["label"] == 0].groupby("group")["attack"].nunique()
    assert set(table.index[table["group"].map(ways) == 1]) <= set(fold.index)

    rows = list(table.index)
    random.shuffle(rows)
    shuffled = table.loc[rows]
    again = assign_folds_by_attack(shuffled["label"], shuffled["group"], shuffled["attack"], count, seed)
    pd.testing.assert_series_equal(again, fold)


def test_live_people_are_spread_over_the_folds_by_attack() -> None:
    attack = ["print"] * 30 + ["phone"] * 20 + ["screen"] * 10 + [""] * 60
    names = [f"{row}.mp4" for row in range(len(attack))]
    attacks = pd.Series(attack, index=names)
    groups = pd.Series([f"g{row}" for row in range(len(attack))], index=names)
    labels = (attacks == "").astype(int)
    fold = assign_folds_by_attack(labels, groups, attacks, 3, 0)
    assert fold[labels == 1].value_counts().tolist() == [20, 20, 20]
    assert sorted(fold[labels == 0].value_counts()) == [10, 20, 30]


def test_folds_by_attack_need_the_types() -> None:
    labels = pd.Series([1, 0, 0], index=["a", "b", "c"])
    groups = pd.Series(["p", "q", "r"], index=labels.index)
    with pytest.raises(InputError, match=r"c is a spoof without an attack type; add the type to the column"):
        assign_folds_by_attack(labels, groups, pd.Series(["", "print", ""], index=labels.index), 2, 0)
    with pytest.raises(InputError, match=r"name 1 attack types, fewer than folds\.count \(2\)"):
        assign_folds_by_attack(labels, groups, pd.Series(["", "x", "x"], index=labels.index), 2, 0)


@st.composite
def sourced(draw: st.DrawFn) -> tuple[pd.DataFrame, int]:
    """Draw videos of people and sources, some of which share a person."""
    count = draw(st.integers(2, 3))
    size = draw(st.integers(0, 25))
    people = [*range(100, 100 + 4 * count), *draw(st.lists(st.integers(0, 9), min_size=size, max_size=size))]
    sources = [*range(2 * count), *range(2 * count)]
    sources += draw(st.lists(st.integers(0, 2 * count), min_size=size, max_size=size))
    labels = [1] * (2 * count) + [0] * (2 * count)
    labels += draw(st.lists(st.integers(0, 1), min_size=size, max_size=size))
    table = pd.DataFrame({"label": labels, "group": people, "source": sources}).astype(
        {"group": str, "source": str}
    )
    return table.set_axis([f"{row:03}.mp4" for row in range(len(table))]), count


@pytest.mark.filterwarnings("ignore:The least populated class")
@settings(max_examples=25)
@given(sourced(), st.integers(0, 5), st.randoms(use_true_random=False))
def test_neither_sources_nor_people_straddle_folds_by_source(
    given_videos: tuple[pd.DataFrame, int], seed: int, random: Random
) -> None:
    table, count = given_videos
    try:
        fold, joined = assign_folds_by_source(table["label"], table["group"], table["source"], count, seed)
    except InputError:
        reject()
    assert sorted(fold.index) == sorted(table.index)
    assert sorted(set(fold)) == list(range(count))
    for column in ("group", "source"):
        assert (fold.groupby(table[column]).nunique() == 1).all()
    for number in range(count):
        assert table["label"][fold == number].nunique() == table["label"][fold != number].nunique() == 2
    graph = networkx.Graph([*("s" + table["source"]).items(), *("g" + table["group"]).items()])
    parts = [
        sorted(name[1:] for name in part if name.startswith("s"))
        for part in networkx.connected_components(graph)
    ]
    assert sorted(joined) == sorted(part for part in parts if len(part) > 1)

    rows = list(table.index)
    random.shuffle(rows)
    again, _ = assign_folds_by_source(table["label"].loc[rows], table["group"], table["source"], count, seed)
    pd.testing.assert_series_equal(again, fold)


def test_folds_by_source_need_sources() -> None:
    names = pd.Index(["a", "b", "c", "d"])
    labels = pd.Series([1, 0, 1, 0], index=names)
    people = pd.Series(["p", "q", "r", "s"], index=names)
    with pytest.raises(InputError, match=r"folds\.by is source, but c has no source in the column source"):
        assign_folds_by_source(labels, people, pd.Series(["x", "x", "", "y"], index=names), 2, 0)
    with pytest.raises(
        InputError, match=r"are of 1 sources without a person .* fewer than folds\.count \(2\)"
    ):
        shared = people.replace("r", "p")
        assign_folds_by_source(labels, shared, pd.Series(["x", "x", "y", "y"], index=names), 2, 0)
    with pytest.raises(
        InputError, match=r"fold \d .* only (live|spoof) videos: the sources of the other class"
    ):
        sources = pd.Series(["x", "y", "x", "y"], index=names)
        assign_folds_by_source(labels, people, sources, 2, 0)


def test_folds_of_labels_problems_and_duplicates() -> None:
    """Groups come from labels and near-duplicates; what is unreadable or unlabelled is left out."""
    names = [f"{number}.mp4" for number in range(8)]
    labels = pd.DataFrame(
        {"liveness_score": [1, 0] * 3 + [1], "group": ["a", "a", "b", "b", "", "c", "c"]}, names[:7]
    ).rename_axis("fname")
    problems = pd.Series("", names).where(pd.Series(names, names) != "6.mp4", "truncated")
    duplicates = pd.DataFrame({"first": ["4.mp4"], "second": ["7.mp4"], "distance": [3]})
    folds, leakage = make_folds(labels, problems, duplicates, Folds(count=2), seed=0)
    assert folds.index.tolist() == names[:6]
    assert folds.columns.tolist() == ["liveness_score", "group", "fold"]
    assert folds.groupby("group")["fold"].nunique().eq(1).all()
    assert folds.loc["4.mp4", "group"] == "4.mp4"
    assert leakage.unreadable == {"6.mp4": "truncated"}
    assert leakage.unlabelled == {"7.mp4": "4.mp4"}
    assert leakage.merged_groups == [["4.mp4", "7.mp4"]]
    assert len(leakage.duplicates) == 1
    assert not leakage.contradictory_labels
    alone, _ = make_folds(labels, problems, duplicates, Folds(count=2, groups="duplicates"), seed=0)
    assert alone.loc["0.mp4", "group"] == "0.mp4"


def test_folds_by_source_of_labels_and_duplicates() -> None:
    """A near-duplicate in two sources joins them; the table of folds names no source."""
    names = [f"{number}.mp4" for number in range(8)]
    labels = pd.DataFrame({"liveness_score": [1, 0] * 4, "source": list("aabbccdd")}, names)
    duplicates = pd.DataFrame({"first": ["1.mp4"], "second": ["6.mp4"], "distance": [3]})
    problems = pd.Series("", names)
    folds, leakage = make_folds(labels, problems, duplicates, Folds(count=2, by="source"), seed=0)
    assert folds.columns.tolist() == ["liveness_score", "group", "fold"]
    assert folds["fold"].groupby(labels["source"].replace("d", "a")).nunique().eq(1).all()
    assert leakage.joined_sources == [["a", "d"]]
    unnamed = labels.drop(columns="source")
    with pytest.raises(InputError, match="has no source in the column source"):
        make_folds(unnamed, problems, duplicates, Folds(count=2, by="source"), seed=0)
