"""Assign training videos to folds that no person and no near-duplicate straddles."""

import json
import logging
from dataclasses import asdict

import pandas as pd

from liveness.dataset.folds import (
    Leakage,
    assign_folds,
    assign_folds_by_attack,
    contradictions,
    merge_groups,
)
from liveness.dataset.labels import check_videos_exist, read_labels
from liveness.dataset.near_duplicates import find_near_duplicates, hash_frames
from liveness.runtime.atomic_write import atomic_write
from liveness.runtime.errors import InputError
from liveness.runtime.job_log import start_log
from liveness.video.frame_store import FrameStore
from liveness.video.manifest import read_manifest

start_log(snakemake.log[0])
settings = snakemake.params.folds
labels = read_labels(snakemake.input.labels).set_index("fname")
manifest = read_manifest(snakemake.input.manifests).set_index("fname")
check_videos_exist(labels.index, manifest.index, snakemake.input.labels)

if settings["groups"] == "labels" and "group" not in labels:
    raise InputError(
        f"{snakemake.input.labels}: has no column group, but folds.groups is labels; add it, or use auto."
    )
# every video is a group of its own until the labels or the search say otherwise
groups = pd.Series(manifest.index, index=manifest.index)
if settings["groups"] != "duplicates" and "group" in labels:
    named = labels["group"][labels["group"] != ""]
    groups.update(named)
duplicates = pd.DataFrame(columns=["first", "second", "distance"])
if settings["groups"] != "labels":
    store = FrameStore(snakemake.input.frames)
    fnames, hashes = hash_frames(store, snakemake.threads)
    duplicates = find_near_duplicates(fnames, hashes, settings["max_distance"])
groups, merged = merge_groups(groups, duplicates)

unreadable = manifest.loc[~manifest["readable"], "problem"]
labels = labels.drop(unreadable.index, errors="ignore")
labels["group"] = groups.loc[labels.index]
truth, count, seed = labels["liveness_score"], settings["count"], snakemake.params.seed
attacks = labels["attack"] if "attack" in labels else pd.Series("", labels.index)
if settings["by"] == "attack":
    fold = assign_folds_by_attack(truth, labels["group"], attacks, count, seed)
else:
    fold = assign_folds(truth, labels["group"], count, seed)
other_attacks = attacks.drop(fold.index)
labels = labels.loc[fold.index].assign(fold=fold)
leakage = Leakage(
    groups=int(groups.nunique()),
    duplicates=duplicates.to_dict("records"),
    merged_groups=merged,
    contradictory_labels=contradictions(duplicates, truth).to_dict("records"),
    unlabelled=groups.drop(
        [*labels.index, *unreadable.index, *other_attacks.index], errors="ignore"
    ).to_dict(),
    unreadable=unreadable.to_dict(),
    other_attacks=other_attacks.to_dict(),
)
logging.info(
    "%d labelled videos in %d groups; %d near-duplicate pairs, %d of them with contradictory labels; "
    "left out are %d videos without a label, %d unreadable ones, %d attacks of other folds' types (see %s)",
    len(labels), labels["group"].nunique(), len(leakage.duplicates), len(leakage.contradictory_labels),
    len(leakage.unlabelled), len(leakage.unreadable), len(leakage.other_attacks), snakemake.output.leakage,
)  # fmt: skip

# no attack: naming an attack afterwards must not retrain anything
with atomic_write(snakemake.output.folds) as path:
    labels[["liveness_score", "group", "fold"]].sort_index().to_csv(path)
with atomic_write(snakemake.output.leakage) as path:
    path.write_text(json.dumps(asdict(leakage), indent=2, ensure_ascii=False), encoding="utf-8")
