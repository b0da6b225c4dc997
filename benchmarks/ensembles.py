"""Compare ensembles and model soups on the demo: EER and speed of two models on three folds each.

Trains once, in a separate folder; the methods then share weights and scores. Held-out EERs are
nested, as reported by `snakemake evaluation`. A soup averages a model's weights over folds and
gives one engine per model instead of three. Every training video was used by some member, so soups
have no held-out EER; their EER is measured on test videos, whose people are in no fold. The greedy
soup selects its members on one half of the test people and is evaluated on the other, and vice
versa. Takes about ten minutes on two idle cores and ends with lines `name value`.
"""

import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import yaml
from measure import ROOT, SMOKE, argument_parser, report, sized, small_config, snakemake, stand_in

from liveness.dataset.labels import read_labels
from liveness.evaluation.run_comparison import videos_per_second
from liveness.metrics.error_rates import area_under_curve, equal_error_rate, error_curve
from liveness.models.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from liveness.models.model_soup import State, greedy_soup, uniform_soup
from liveness.video.decoder import probe
from liveness.video.preprocessing import model_input
from liveness.video.sampling import Sampling, read_video

FOLDS = range(sized(3, 2))
METHODS = sized(("mean", "optimised", "stacking"), ("stacking",))
# small models and short training, since methods are compared, not models
MODELS = sized({"lite0": 112, "lite0_small": 80}, {"lite0": 32})


def submission(folder: Path) -> pd.Series:
    scores = pd.read_csv(folder / "results/submission.csv", dtype={"fname": str})
    return scores.set_index("fname")["liveness_score"]


class Kitchen:
    """The members of one model's soups, and scores of soups on the test videos."""

    def __init__(self, folder: Path, name: str, frames: Mapping[str, Sequence[np.ndarray]]) -> None:
        paths = [folder / f"results/weights/{name}/{fold}.safetensors" for fold in FOLDS]
        self.checkpoint: Checkpoint = load_checkpoint(paths[0])
        self.members: list[State] = [load_checkpoint(path).module.state_dict() for path in paths]
        self.inputs = {
            fname: torch.from_numpy(
                np.stack([model_input(image, self.checkpoint.image_size) for image in images])
            )
            for fname, images in frames.items()
        }

    @torch.inference_mode()
    def scores(self, state: State) -> pd.Series:
        """Return the mean probability of live by fname, computed in PyTorch."""
        self.checkpoint.module.load_state_dict(state)
        mean, std = (torch.tensor(v)[:, None, None] for v in (self.checkpoint.mean, self.checkpoint.std))
        return pd.Series(
            {
                fname: float(
                    self.checkpoint.module((pixels.permute(0, 3, 1, 2) / 255 - mean) / std)
                    .softmax(dim=1)[:, 1]
                    .mean()
                )
                for fname, pixels in self.inputs.items()
            }
        )

    def greedy(self, answers: pd.Series, chosen_on: pd.Index, judged_on: pd.Index) -> tuple[pd.Series, int]:
        """Choose a soup on some videos; return its scores of the others and its size."""

        def evaluate(state: State) -> float:
            scores = self.scores(state).loc[chosen_on]
            # the EER of few videos is too coarse
            return float(area_under_curve(error_curve(answers.loc[chosen_on], scores)))

        soup, chosen = greedy_soup(self.members, evaluate)
        return self.scores(soup).loc[judged_on], len(chosen)


def halves(answers: pd.DataFrame) -> list[pd.Index]:
    """Split the test videos into two parts without common people, with both classes in each."""
    people = answers["group"] if "group" in answers else pd.Series(answers.index, answers.index)
    live = answers["liveness_score"].groupby(people).mean().sort_values(kind="stable")
    second = people.isin(live.index[1::2])
    return [answers.index[~second], answers.index[second]]


def measure(folder: Path) -> dict[str, float]:
    config = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    config["folds"]["count"] = len(FOLDS)
    config["training"]["epochs"] = 4
    config["models"] = {
        name: config["models"]["lite0"] | {"image_size": size} for name, size in MODELS.items()
    }
    if SMOKE:
        config = small_config(config, trained=FOLDS)
        stand_in(folder / "demo")
    figures: dict[str, float] = {}
    for method in METHODS:
        snakemake(folder, config | {"ensemble": {"method": method}}, "submission", "evaluation")
        answers = read_labels(folder / "demo/test/answers.csv").set_index("fname")
        truth, scores = answers["liveness_score"], submission(folder)
        metrics = json.loads((folder / "results/metrics.json").read_text(encoding="utf-8"))
        figures[f"ensembles.{method}.held_out_eer"] = metrics["blend"]["eer"]
        figures[f"ensembles.{method}.test_eer"] = equal_error_rate(truth.loc[scores.index], scores)
    figures["ensembles.engines.videos_per_second"] = videos_per_second(folder / "results") or float("nan")

    videos = folder / "demo/test/videos"
    sampling = Sampling(**config["frames"])
    frames = {
        fname: read_video(videos / fname, probe(videos / fname).duration, sampling)[0]
        for fname in truth.index
    }
    models, greedy = {}, []
    for name, model in config["models"].items():
        kitchen = Kitchen(folder, name, frames)
        one, other = halves(answers)
        parts = [kitchen.greedy(truth, one, other), kitchen.greedy(truth, other, one)]
        greedy.append(pd.concat([scores for scores, _ in parts]))
        figures[f"ensembles.soup_greedy.{name}.members"] = sum(count for _, count in parts) / 2
        kitchen.checkpoint.module.load_state_dict(uniform_soup(kitchen.members))
        path = folder / f"{name}_soup.safetensors"
        save_checkpoint(kitchen.checkpoint, path)
        models[name] = model | {"folds": [0], "weights": {0: str(path)}}
    figures["ensembles.soup_greedy.test_eer"] = equal_error_rate(
        truth.loc[greedy[0].index], sum(part.loc[greedy[0].index] for part in greedy)
    )
    soups = folder / "soups"
    soups.mkdir(exist_ok=True)
    snakemake(soups, config | {"data": {"test": {"videos": str(videos)}}, "models": models}, "submission")
    scores = submission(soups)
    figures["ensembles.soup_uniform.test_eer"] = equal_error_rate(truth.loc[scores.index], scores)
    figures["ensembles.soup.videos_per_second"] = videos_per_second(soups / "results") or float("nan")
    return figures


def main() -> None:
    parser = argument_parser(__doc__)
    parser.add_argument(
        "--folder", type=Path, help="where to run and keep the files (default: a temporary one)"
    )
    arguments = parser.parse_args()
    if arguments.folder:
        arguments.folder.mkdir(parents=True, exist_ok=True)
        report(lambda: measure(arguments.folder.absolute()))
        return
    with tempfile.TemporaryDirectory(prefix="ensembles-") as folder:
        report(lambda: measure(Path(folder)))


if __name__ == "__main__":
    main()
