"""Assign training videos to folds that no person and no near-duplicate straddles."""

import json
import logging
from dataclasses import asdict

import pandas as pd
from snakemake.iocontainers import Snakemake

from liveness.dataset.csv_table import write_csv
from liveness.dataset.file_names import as_listed
from liveness.dataset.folds import make_folds
from liveness.dataset.labels import check_videos_exist, other_columns, read_labels
from liveness.dataset.near_duplicates import find_near_duplicates, hash_frames
from liveness.runtime.atomic_write import atomic_write
from liveness.runtime.errors import InputError
from liveness.runtime.job_log import start_log
from liveness.settings.folds import Folds
from liveness.video.frame_store import FrameStore
from liveness.video.manifest import read_manifest

snakemake: Snakemake

start_log(snakemake.log[0])
settings = Folds(**snakemake.params.folds)
labels = read_labels(snakemake.input.labels)
if others := other_columns(snakemake.input.labels):
    logging.info("%s: only evaluation.by uses the columns %s", snakemake.input.labels, ", ".join(others))
manifest = read_manifest(snakemake.input.manifests).set_index("fname")
labels["fname"] = as_listed(labels["fname"], manifest.index)
labels = labels.set_index("fname")
check_videos_exist(labels.index, manifest.index, snakemake.input.labels)
if settings.groups == "labels" and "group" not in labels:
    raise InputError(
        f"{snakemake.input.labels}: has no column group, but folds.groups is labels; add it, or use auto."
    )
duplicates = pd.DataFrame(columns=["first", "second", "distance"])
if settings.groups != "labels":
    fnames, hashes = hash_frames(FrameStore(snakemake.input.frames), snakemake.threads)
    duplicates = find_near_duplicates(fnames, hashes, settings.max_distance)
problems = manifest["problem"].where(~manifest["readable"], "")
folds, leakage = make_folds(labels, problems, duplicates, settings, snakemake.params.seed)
logging.info(
    "%d labelled videos in %d groups; %d near-duplicate pairs, %d of them with contradictory labels; "
    "left out: %d videos without a label, %d unreadable videos, %d attacks of other folds' types (see %s)",
    len(folds), folds["group"].nunique(), len(leakage.duplicates), len(leakage.contradictory_labels),
    len(leakage.unlabelled), len(leakage.unreadable), len(leakage.other_attacks), snakemake.output.leakage,
)  # fmt: skip
with atomic_write(snakemake.output.folds) as path:
    write_csv(folds, path, index=True)
with atomic_write(snakemake.output.leakage) as path:
    path.write_text(json.dumps(asdict(leakage), indent=2, ensure_ascii=False), encoding="utf-8")
