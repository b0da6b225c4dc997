"""Measure error rates on cameras that training never saw, against plain fine-tuning.

All real clips are divided by source (camera set-up) into four fixed folds. For each fold the
workflow trains a configuration on the other three, with its own inner folds, and scores the fold's
videos as its test videos; plain fine-tuning of the same backbone (plain_fine_tune.py) takes turns
with it. Three seeds. `generalisation.auc` is the mean AUC over sources, `eer` that of all clips
pooled, and `hter` the mean over sources of the HTER at the threshold (EER) of all *other* sources.
Rates are means over seeds; `auc_gain` is ours minus plain, ratios are ours to plain, and `_low` and
`_high` are 95 % intervals that resample sources with both recipes on the same draws.

Scores are kept per recipe, seed and fold in `--folder`, by a digest of code, configuration and
data: an interrupted run goes on, and another `--config` is compared with the plain scores that are
there. Frames are kept there as well, outside the checkout. Needs about 27,000 CPU seconds, half
of them for plain fine-tuning; `--quick` (one seed, two folds) a sixth. Ends with lines `name
value`.
"""

import hashlib
import json
import tempfile
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import plain_fine_tune
import yaml
from measure import ROOT, SMOKE, argument_parser, report, sized, small_config, snakemake, stand_in
from tqdm import tqdm

from liveness.dataset.labels import read_labels
from liveness.evaluation.divisions import Division
from liveness.metrics.bootstrap import bootstrap, interval
from liveness.metrics.error_rates import error_curve, hull_eer
from liveness.planning.code_digest import source_digest
from liveness.planning.configuration import complete
from liveness.runtime.atomic_write import atomic_write

SHARED = ROOT.parent / "shared/data"
# Fixed before any figure was seen. By descending number of clips, then by name, each source went to
# the fold with the least share of all live and of all spoof clips, weighted by its own; msu
# alone is a quarter of the clips. The three phones of the challenge (zac) count as one source.
SOURCE_FOLDS = (
    ("ahmedoo", "msu"),
    ("alexc", "diogo", "eyashita", "prabhu", "spp77", "trickyfox", "vigu", "ydf", "zac"),
    (
        *("afzal", "aksultan", "balveer", "codersw", "dracarys", "jtboing", "kalyani", "shivam", "sudipto"),
        "willy",
    ),
    (
        *("krzysiek", "lestari", "neonipun", "pyimagesearch", "rien", "siva", "suman", "tamle"),
        "yashpatil",
    ),
)
KINDS = ("ours", "plain")
COLUMNS = ["liveness_score", "group", "attack", "source"]
# what lies between a configuration and the scores of test videos
SCRIPTS = ("manifest", "extract", "folds", "find_lr", "train", "export", "compile", "predict", "submit")

Figures = dict[str, np.ndarray]


def real_clips(data: Path) -> pd.DataFrame:
    """Return path, liveness_score, group, attack, source and fold of all real clips, by fname.

    In `real` a source is named by the part of the group before an underscore.
    """
    tables = {
        "wild": (data / "wild/label.csv", data / "wild/videos"),
        "train": (data / "real/train/groups.csv", data / "real/train/videos"),
        "test": (data / "real/test/answers.csv", data / "real/test/videos"),
    }
    parts = []
    for name, (labels, videos) in tables.items():
        table = read_labels(labels)
        table["path"] = [str((videos / fname).absolute()) for fname in table["fname"]]
        if "source" not in table:
            table["source"] = table["group"].str.split("_").str[0]
        parts.append(table.assign(fname=f"{name}_" + table["fname"]))
    clips = pd.concat(parts).set_index("fname")
    clips["attack"] = clips["attack"].fillna("")
    fold = {source: number for number, sources in enumerate(SOURCE_FOLDS) for source in sources}
    return clips.assign(fold=clips["source"].map(fold).astype(int))


def stand_in_clips(folder: Path) -> pd.DataFrame:
    """Write tiny clips of six people, each a source, in two folds."""
    stand_in(folder)
    parts = []
    for split, labels in (("train", "labels.csv"), ("test", "answers.csv")):
        table = read_labels(folder / split / labels)
        table["path"] = [str(folder / split / "videos" / fname) for fname in table["fname"]]
        parts.append(table)
    clips = pd.concat(parts).set_index("fname")
    return clips.assign(source=clips["group"], fold=clips["group"].str[-1].astype(int) % 2)


def digest(*parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:16]


class Ours:
    """Runs of the workflow with one configuration: a folder per source fold, whose frames are
    extracted once for all seeds.
    """

    def __init__(self, clips: pd.DataFrame, path: Path, folder: Path) -> None:
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
        config["data"] = {"train": {"videos": "train", "labels": "labels.csv"}, "test": {"videos": "test"}}
        config["data_root"] = ""
        self.config: dict[str, Any] = small_config(config) if SMOKE else config
        self.clips, self.folder = clips, folder / "runs" / f"{path.stem}-{digest(self.config)}"
        library = ROOT / "workflow_scripts/liveness"
        code = [source_digest(library.parent / f"{name}.py", library) for name in SCRIPTS]
        rules = [rule.read_text(encoding="utf-8") for rule in sorted((ROOT / "rules").glob("*.smk"))]
        self.digest = digest(complete(self.config), code, rules)

    def backbone(self) -> tuple[str, bool | str]:
        """Return the architecture and the weights of the first model."""
        model = next(iter(complete(self.config)["models"].values()))
        return model["architecture"], model["pretrained"]

    def scores(self, seed: int, fold: int) -> pd.Series:
        folder = self.folder / str(fold)
        held_out = self.clips["fold"] == fold
        for split, clips in (("train", self.clips[~held_out]), ("test", self.clips[held_out])):
            (folder / split).mkdir(parents=True, exist_ok=True)
            for fname, path in clips["path"].items():
                link = folder / split / str(fname)
                if not link.is_symlink():
                    link.symlink_to(path)
        self.clips[~held_out][COLUMNS].to_csv(folder / "labels.csv")
        snakemake(folder, self.config | {"seed": seed}, "submission", log=folder / "snakemake.log")
        table = pd.read_csv(folder / "results/submission.csv", dtype={"fname": str})
        return table.set_index("fname")["liveness_score"]


class Plain:
    """Plain fine-tuning of a backbone; frames are decoded once and kept."""

    def __init__(self, clips: pd.DataFrame, backbone: tuple[str, bool | str], folder: Path) -> None:
        self.clips, self.backbone, self.folder = clips, backbone, folder
        code = source_digest(Path(plain_fine_tune.__file__), ROOT / "workflow_scripts/liveness")
        self.digest = digest(backbone, code, SMOKE)
        self._frames: dict[str, np.ndarray] = {}

    def frames(self) -> dict[str, np.ndarray]:
        path = self.folder / "frames" / f"{digest(self.digest, self.clips.index.tolist())}.npz"
        if not self._frames and path.is_file():
            with np.load(path) as kept:
                self._frames = dict(kept)
        if not self._frames:
            rows = tqdm(self.clips["path"].items(), desc="decoding", unit="video", total=len(self.clips))
            self._frames = {str(fname): plain_fine_tune.centre_cropped(Path(video)) for fname, video in rows}
            path.parent.mkdir(parents=True, exist_ok=True)
            with atomic_write(path) as partial, partial.open("wb") as file:
                np.savez(file, **self._frames)
        return self._frames

    def scores(self, seed: int, fold: int) -> pd.Series:
        held_out = self.clips["fold"] == fold
        labels = self.clips.loc[~held_out, "liveness_score"]
        tested = self.clips.index[held_out]
        return plain_fine_tune.fine_tune(self.frames(), labels, tested, *self.backbone, seed)


def kept(path: Path, make: Callable[[], pd.Series]) -> pd.Series:
    """Return the scores kept in a file, or make and keep them."""
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as partial:
            make().rename("score").rename_axis("fname").to_csv(partial)
    return pd.read_csv(path, dtype={"fname": str}).set_index("fname")["score"]


def all_scores(
    clips: pd.DataFrame, config: Path, folder: Path, seeds: range, folds: range
) -> dict[str, list[pd.DataFrame]]:
    """Return, by kind, a table per seed of all clips with their labels, sources and scores."""
    ours = Ours(clips, config, folder)
    recipes: dict[str, Ours | Plain] = {"ours": ours, "plain": Plain(clips, ours.backbone(), folder)}
    data = digest(clips.reset_index()[["fname", *COLUMNS, "fold"]].to_csv(index=False))
    parts: dict[tuple[str, int], list[pd.Series]] = {}
    for seed, fold, kind in tqdm([*product(seeds, folds, KINDS)], desc="seeds and folds", unit="recipe"):
        recipe = recipes[kind]
        path = folder / "scores" / kind / digest(recipe.digest, data) / f"{seed}-{fold}.csv"
        parts.setdefault((kind, seed), []).append(kept(path, lambda: recipe.scores(seed, fold)))  # noqa: B023
    # the rates are those of a division by source, each source being a group
    return {
        kind: [
            clips[["liveness_score", "source"]]
            .join(pd.concat(parts[kind, seed]), how="inner")
            .assign(threshold=np.nan, group=lambda table: table["source"])
            for seed in seeds
        ]
        for kind in KINDS
    }


def rates_of(scored: dict[str, list[pd.DataFrame]]) -> Callable[[np.ndarray], Figures]:
    """Return the statistics of the bootstrap: means over seeds of both kinds, and comparisons."""
    divisions = {
        kind: [Division(table, table["source"], "eer") for table in tables] for kind, tables in scored.items()
    }

    def rates(counts: np.ndarray) -> Figures:
        found: Figures = {}
        for kind, parts in divisions.items():
            own = [part.rates(counts) for part in parts]
            for name in ("auc", "hter"):
                found[f"{kind} {name}"] = np.mean([one[f"macro {name}"][:, 0] for one in own], axis=0)
            curves = [error_curve(table["liveness_score"], table["score"], counts) for table in scored[kind]]
            found[f"{kind} eer"] = np.mean([hull_eer(curve) for curve in curves], axis=0)
        found["auc_gain"] = found["ours auc"] - found["plain auc"]
        # so that a rate of 0 has a ratio: half a clip
        least = 0.5 / counts.shape[1]
        for name in ("eer", "hter"):
            ours, plain = (np.maximum(found[f"{kind} {name}"], least) for kind in KINDS)
            found[f"{name}_ratio"] = ours / plain
        return found

    return rates


def by_source(scored: dict[str, list[pd.DataFrame]]) -> pd.DataFrame:
    """Return clips, and AUC and HTER of both kinds, means over seeds, by source."""
    table = scored["ours"][0]
    columns: dict[str, Any] = {"clips": table.groupby("source").size()}
    for kind, tables in scored.items():
        divisions = [Division(one, one["source"], "eer") for one in tables]
        found = [part.rates(np.ones((1, len(table)))) for part in divisions]
        for name in ("auc", "hter"):
            mean = np.mean([one[name][0] for one in found], axis=0)
            columns[f"{kind} {name}"] = pd.Series(mean, divisions[0].names)
    return pd.DataFrame(columns)


def named(figures: Figures) -> Iterator[tuple[str, np.ndarray]]:
    """Yield names as they are printed: ours alone by the rate, plain by its kind as well."""
    for name, values in figures.items():
        yield name.removeprefix("ours ").replace(" ", "."), values


def measure(data: Path, config: Path, folder: Path, quick: bool) -> dict[str, float]:
    clips = stand_in_clips(folder / "clips") if SMOKE else real_clips(data)
    seeds, folds = range(sized(1 if quick else 3, 1)), range(sized(2 if quick else 4, 1))
    scored = all_scores(clips, config, folder, seeds, folds)
    table = scored["ours"][0]
    rates = rates_of(scored)
    point = dict(named(rates(np.ones((1, len(table))))))
    spread = dict(named(bootstrap(rates, table["group"], 0)))
    figures: dict[str, float] = {}
    for name, values in point.items():
        figures[f"generalisation.{name}"] = float(values[0])
        low, high = interval(spread[name]) or (np.nan, np.nan)
        figures |= {f"generalisation.{name}_low": low, f"generalisation.{name}_high": high}
    sources = by_source(scored)
    print(sources.round(3).to_string())
    for source, hter in sources["ours hter"].dropna().items():
        figures[f"generalisation.hter.{source}"] = float(hter)
    return figures


def main() -> None:
    parser = argument_parser(__doc__)
    parser.add_argument("--quick", action="store_true", help="one seed and two folds")
    parser.add_argument(
        "--config", type=Path, default=ROOT / "configs/small.yaml", help="the recipe (default: %(default)s)"
    )
    parser.add_argument(
        "--data", type=Path, default=SHARED, help="has wild/ and real/ (default: %(default)s)"
    )
    parser.add_argument(
        "--folder",
        type=Path,
        default=Path(tempfile.gettempdir()) / "generalisation",
        help="where scores and frames are kept (default: %(default)s)",
    )
    given = parser.parse_args()
    named_so = [f"{given.config.stem}-{digest(given.config.read_text(encoding='utf-8'))}"]
    named_so += ["quick"] * given.quick
    if SMOKE:
        with tempfile.TemporaryDirectory(prefix="generalisation-") as folder:
            report(lambda: measure(given.data, given.config, Path(folder), given.quick), named_so)
        return
    report(lambda: measure(given.data, given.config, given.folder.absolute(), given.quick), named_so)


if __name__ == "__main__":
    main()
