"""Cross-validation folds that never split a person or near-duplicate videos."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedGroupKFold

from liveness.dataset.groups import join_groupings, merge_groups
from liveness.dataset.labels import check_sources
from liveness.runtime.errors import InputError
from liveness.settings.folds import Folds


@dataclass(frozen=True)
class Leakage:
    """Findings for the report: what would have leaked between folds without groups."""

    groups: int
    duplicates: list[dict[Any, Any]] = field(default_factory=list)
    merged_groups: list[list[str]] = field(default_factory=list)
    joined_sources: list[list[str]] = field(default_factory=list)
    contradictory_labels: list[dict[Any, Any]] = field(default_factory=list)
    unlabelled: dict[Any, str] = field(default_factory=dict)
    unreadable: dict[Any, str] = field(default_factory=dict)
    other_attacks: dict[Any, str] = field(default_factory=dict)


def make_folds(
    labels: pd.DataFrame, problems: pd.Series, duplicates: pd.DataFrame, settings: Folds, seed: int
) -> tuple[pd.DataFrame, Leakage]:
    """Assign labelled, readable videos to folds.

    Args:
        labels: liveness_score and, if known, group, attack and source, by fname.
        problems: the reason why a video cannot be read ("" if it can), by fname, for all videos.
        duplicates: pairs of near-duplicates, with the columns first and second.
        settings: the section `folds` of the configuration.
        seed: seed of the random choice among equally good assignments.

    Returns:
        liveness_score, group and fold by fname, sorted; and what would have leaked between folds.
        Attack types and sources are left out, so that naming one later does not retrain any model.

    Raises:
        InputError: see `assign_folds`, `assign_folds_by_attack` and `assign_folds_by_source`.
    """
    # each video is its own group unless the labels or near-duplicates say otherwise
    groups = pd.Series(problems.index, index=problems.index)
    if settings.groups != "duplicates" and "group" in labels:
        groups.update(labels["group"][labels["group"] != ""])
    groups, merged = merge_groups(groups, duplicates)

    unreadable = problems[problems != ""]
    labels = labels.drop(unreadable.index, errors="ignore")
    labels["group"] = groups.loc[labels.index]
    truth = labels["liveness_score"]
    attacks = labels["attack"] if "attack" in labels else pd.Series("", labels.index)
    joined_sources: list[list[str]] = []
    match settings.by:
        case "attack":
            fold = assign_folds_by_attack(truth, labels["group"], attacks, settings.count, seed)
        case "source":
            sources = labels["source"] if "source" in labels else pd.Series("", labels.index)
            fold, joined_sources = assign_folds_by_source(
                truth, labels["group"], sources, settings.count, seed
            )
        case "group":
            fold = assign_folds(truth, labels["group"], settings.count, seed)
    other_attacks = attacks.drop(fold.index)
    labels = labels.loc[fold.index].assign(fold=fold)
    left_out = [*labels.index, *unreadable.index, *other_attacks.index]
    leakage = Leakage(
        groups=int(groups.nunique()),
        duplicates=duplicates.to_dict("records"),
        merged_groups=merged,
        joined_sources=joined_sources,
        contradictory_labels=contradictions(duplicates, truth).to_dict("records"),
        unlabelled=groups.drop(left_out, errors="ignore").to_dict(),
        unreadable=unreadable.to_dict(),
        other_attacks=other_attacks.to_dict(),
    )
    return labels[["liveness_score", "group", "fold"]].sort_index(), leakage


def assign_folds(labels: pd.Series, groups: pd.Series, count: int, seed: int) -> pd.Series:
    """Assign each video to a fold (0 to count - 1): classes are balanced and groups stay together.

    `labels` (1 live, 0 spoof) and `groups` share their index of file names. The result does not
    depend on the order of rows. Raises InputError if there are fewer groups than folds, or if a
    fold would hold, or leave for training, one class only.
    """
    if groups.nunique() < count:
        raise InputError(
            f"the training videos form {groups.nunique()} groups of people or near-duplicates, fewer than "
            f"folds.count ({count}); lower folds.count or, if different people were merged, lower "
            "folds.max_distance or set folds.groups: labels."
        )
    return _spread(labels, groups, count, seed, "people")


def _spread(labels: pd.Series, units: pd.Series, count: int, seed: int, what: str) -> pd.Series:
    """Assign units of videos to folds; `what` they are is for error messages."""
    labels = labels.sort_index()
    units = units.loc[labels.index]
    if labels.value_counts().min() < count:
        raise InputError(
            f"a class has fewer videos than folds.count ({count}); lower it, or label more videos."
        )
    fold = pd.Series(0, index=labels.index, name="fold")
    splitter = StratifiedGroupKFold(count, shuffle=True, random_state=seed)
    for number, (_, held_out) in enumerate(splitter.split(labels, labels, units)):
        fold.iloc[held_out] = number
    _check_classes(labels, fold, what)
    return fold


def assign_folds_by_source(
    labels: pd.Series, groups: pd.Series, sources: pd.Series, count: int, seed: int
) -> tuple[pd.Series, list[list[str]]]:
    """Assign videos to folds so that no source straddles two, and no group either.

    Sources that share a group are held out together. The arguments share their index of file names;
    `sources` names the source of every video. Returns the folds by fname, and the lists of sources
    that were joined.

    Raises InputError if a video has no source, if there are fewer sources than folds, or if a fold
    would hold, or leave for training, one class only.
    """
    check_sources(sources)
    units, joined = join_groupings(sources, groups)
    if units.nunique() < count:
        raise InputError(
            f"folds.by is source, but the training videos are of {units.nunique()} sources without a person "
            f"or near-duplicate in common, fewer than folds.count ({count}); lower folds.count, or set "
            "folds.by: group."
        )
    return _spread(labels, units, count, seed, "sources"), joined


def assign_folds_by_attack(
    labels: pd.Series, groups: pd.Series, attacks: pd.Series, count: int, seed: int
) -> pd.Series:
    """Assign videos to folds so that each fold holds out attack types that no other fold contains.

    Groups stay together. Attack types are distributed over the folds, the most common first. A
    group goes to the fold that keeps most of its attacks or, among equals, to the one with the
    fewest videos of its class. Attacks whose type belongs to a different fold than their group are
    left out of the result, because training on them would reveal a type that must stay unseen. The
    arguments share their index of file names; `attacks` names the type of every spoof.

    Raises InputError if there are fewer types than folds, if a spoof has no type, or if a fold
    would hold, or leave for training, one class only.
    """
    spoof = labels[labels == 0].index.sort_values()
    types = attacks.loc[spoof]
    if (types == "").any():
        raise InputError(
            f"folds.by is attack, but {types.index[types == ''][0]} is a spoof without an attack type; add "
            "the type to the column attack of the labels, or set folds.by: group."
        )
    if types.nunique() < count:
        raise InputError(
            f"folds.by is attack, but the labels name {types.nunique()} attack types, fewer than "
            f"folds.count ({count}); lower folds.count, or set folds.by: group."
        )
    attack_fold: dict[str, int] = {}
    load = np.zeros(count)
    commonest_first = types.value_counts(sort=False).sort_index().sort_values(kind="stable")[::-1]
    for name, videos in commonest_first.items():
        attack_fold[str(name)] = int(load.argmin())
        load[load.argmin()] += videos

    # one row per group, one column per fold: how many of the group's attacks the fold would keep
    kept = pd.crosstab(groups.loc[spoof], types.map(attack_fold)).reindex(
        index=sorted(groups.unique()), columns=range(count), fill_value=0
    )
    live = (labels == 1).groupby(groups).sum()
    group_fold: dict[str, int] = {}
    loads = np.zeros((2, count))
    for number in np.random.default_rng(seed).permutation(len(kept)):
        own, lives = kept.iloc[number].to_numpy(), live[kept.index[number]]
        best = np.flatnonzero(own == own.max())
        chosen = int(min(best, key=lambda fold: loads[int(lives > 0), fold]))
        group_fold[str(kept.index[number])] = chosen
        loads[:, chosen] += own[chosen], lives
    fold = groups.sort_index().map(group_fold).rename("fold")
    fold = fold[(labels.loc[fold.index] == 1) | (attacks.loc[fold.index].map(attack_fold) == fold)]
    _check_classes(labels, fold, "people")
    return fold


def _check_classes(labels: pd.Series, fold: pd.Series, what: str) -> None:
    """Raise InputError if a fold holds one class only, or leaves only one to train on."""
    truth = labels.loc[fold.index]
    for number in sorted(fold.unique()):
        for videos, verb in (
            (truth[fold == number], "holds"),
            (truth[fold != number], "leaves for training"),
        ):
            if videos.nunique() < 2:
                only = "live" if videos.iloc[0] else "spoof"
                raise InputError(
                    f"fold {number} {verb} only {only} videos: the {what} of the other class are too few, "
                    "or have too different numbers of videos; lower folds.count, or label videos of more "
                    f"{what}."
                )


def contradictions(duplicates: pd.DataFrame, labels: pd.Series) -> pd.DataFrame:
    """Return the near-duplicate pairs with one video labelled live and the other spoof."""
    labelled = duplicates[duplicates["first"].isin(labels.index) & duplicates["second"].isin(labels.index)]
    differ = labels.loc[labelled["first"]].to_numpy() != labels.loc[labelled["second"]].to_numpy()
    return labelled[differ]
