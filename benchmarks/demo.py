"""Measure the demo's EER, and the EERs of a trivial baseline and of shuffled labels.

Runs the demo like `make demo` in a separate folder, then trains it again on labels shuffled within
the training split, with three seeds. The baseline uses mean colours and sharpness only. Takes about
ten minutes on two cores and ends with lines `name value`.
"""

import shutil
import tempfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import yaml
from measure import ROOT, SMOKE, argument_parser, small_config, snakemake, stand_in
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from liveness.dataset.labels import read_folds, read_labels
from liveness.ensemble.aggregation import Aggregation, model_scores, read_video_scores
from liveness.metrics.error_rates import equal_error_rate
from liveness.video.decoder import probe, read_frames


def demo_config() -> dict[str, Any]:
    config: dict[str, Any] = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    return small_config(config) if SMOKE else config


def held_out(run: Path) -> tuple[pd.Series, pd.Series]:
    """Return labels and mean scores of the training videos by file name."""
    shards = sorted(run.glob("results/scores/train/*/scores.parquet"))
    scores = model_scores(read_video_scores(shards, Aggregation("mean"))).mean(axis=1)
    return read_folds(run / "results/folds/folds.csv")["liveness_score"].loc[scores.index], scores


def plain_features(video: Path) -> np.ndarray:
    """Return a video's mean and deviation of each colour and its sharpness, float [7].

    Sharpness is the variance of the Laplacian.
    """
    images = [f.image for f in read_frames(video, np.linspace(0, probe(video).duration, 6, endpoint=False))]
    colours = np.stack(images).reshape(-1, 3).astype(float)
    greys = [cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in images]
    sharpness = np.mean([cv2.Laplacian(grey, cv2.CV_64F).var() for grey in greys])
    return np.array([*colours.mean(0), *colours.std(0), sharpness])


def plain_baseline(demo: Path) -> dict[str, float]:
    """Return EERs of a logistic regression on plain features: grouped held-out, and on test."""
    train = read_labels(demo / "train/labels.csv")
    test = read_labels(demo / "test/answers.csv")
    x_train = np.stack([plain_features(demo / "train/videos" / name) for name in train["fname"]])
    x_test = np.stack([plain_features(demo / "test/videos" / name) for name in test["fname"]])
    model = make_pipeline(StandardScaler(), LogisticRegression())
    folds = StratifiedGroupKFold(2, shuffle=True, random_state=42)
    y_train, y_test = train["liveness_score"].to_numpy(), test["liveness_score"].to_numpy()
    cv = cross_val_predict(model, x_train, y_train, cv=folds, groups=train["group"], method="predict_proba")[
        :, 1
    ]
    fitted = model.fit(x_train, y_train).predict_proba(x_test)[:, 1]
    return {
        "demo.plain_held_out_eer": equal_error_rate(y_train, cv),
        "demo.plain_test_eer": equal_error_rate(y_test, fitted),
        "demo.plain_pooled_eer": equal_error_rate([*y_train, *y_test], [*cv, *fitted]),
    }


def shuffled_run(demo: Path, run: Path, seed: int) -> float:
    """Return the held-out EER after training on labels shuffled within the training split."""
    config = demo_config()
    labels = read_labels(demo / "train/labels.csv").drop(columns="attack")
    labels["liveness_score"] = np.random.default_rng(seed).permutation(labels["liveness_score"])
    labels.to_csv(run / "labels.csv", index=False)
    config["data"]["train"] = {"videos": str(demo / "train/videos"), "labels": "labels.csv"}
    config["data"]["test"] = {"videos": str(demo / "test/videos")}
    config["seed"] = seed
    snakemake(run, config, "evaluation")
    return equal_error_rate(*held_out(run))


def main() -> None:
    parser = argument_parser(__doc__)
    parser.add_argument("--seeds", type=int, default=3, help="shuffled runs (default: %(default)s)")
    parser.add_argument(
        "--folder", type=Path, help="where to run and keep the files (default: a temporary one)"
    )
    arguments = parser.parse_args()
    folder = (arguments.folder or Path(tempfile.mkdtemp(prefix="demo-"))).absolute()
    folder.mkdir(parents=True, exist_ok=True)

    if SMOKE:
        stand_in(folder / "demo")
        arguments.seeds = 1
    snakemake(folder, demo_config())
    labels, scores = held_out(folder)
    answers = read_labels(folder / "demo/test/answers.csv").set_index("fname")["liveness_score"]
    submission = pd.read_csv(folder / "results/submission.csv", dtype={"fname": str})
    test_scores = submission.set_index("fname")["liveness_score"]
    test_labels = answers.loc[test_scores.index]
    figures = {
        "demo.held_out_eer": equal_error_rate(labels, scores),
        "demo.test_eer": equal_error_rate(test_labels, test_scores),
        "demo.pooled_eer": equal_error_rate([*labels, *test_labels], [*scores, *test_scores]),
    }
    figures |= plain_baseline(folder / "demo")
    shuffled = []
    for seed in range(arguments.seeds):
        run = folder / f"shuffled-{seed}"
        run.mkdir(exist_ok=True)
        shuffled.append(shuffled_run(folder / "demo", run, seed))
        figures[f"demo.shuffled_eer_{seed}"] = shuffled[-1]
    figures["demo.shuffled_eer"] = float(np.mean(shuffled))
    for name, value in figures.items():
        print(f"{name} {value:.4f}")
    if arguments.folder is None:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
