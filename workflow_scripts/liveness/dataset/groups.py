"""Groups of videos that stay together: merged by near-duplicates, or with another grouping."""

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components


def merge_groups(groups: pd.Series, duplicates: pd.DataFrame) -> tuple[pd.Series, list[list[str]]]:
    """Merge the groups that near-duplicates connect.

    `groups` maps each fname (index) to its group; `duplicates` has the columns first and second.
    Returns the merged groups, each named after its first member in sorted order, and the lists of
    groups that were merged.
    """
    names = sorted(groups.unique())
    number = {name: i for i, name in enumerate(names)}
    first = groups.loc[duplicates["first"]].map(number).to_numpy(dtype=int)
    second = groups.loc[duplicates["second"]].map(number).to_numpy(dtype=int)
    links = coo_array((np.ones(len(first), dtype=bool), (first, second)), shape=(len(names), len(names)))
    _, component = connected_components(links, directed=False)
    members: dict[int, list[str]] = {}
    for name, part in zip(names, component, strict=True):
        members.setdefault(int(part), []).append(name)
    joined = groups.map({name: members[int(component[number[name]])][0] for name in names})
    return joined, [names for names in members.values() if len(names) > 1]


def join_groupings(first: pd.Series, second: pd.Series) -> tuple[pd.Series, list[list[str]]]:
    """Return the finest grouping in which the groups of both stay together, named like `first`.

    Both map the same fnames to groups. Also returns the lists of groups of `first` that were
    merged.
    """
    leader = second.groupby(second).transform(lambda group: group.index[0])
    return merge_groups(first, pd.DataFrame({"first": leader.to_numpy(), "second": leader.index}))
