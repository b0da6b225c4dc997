"""Compare configs/small.yaml on real clips with plain fine-tuning of the same backbone.

The recipe is trained with and without `recapture` and `degrade`, and the variant is selected by its
held-out EER alone. Then it and the plain baseline (5 centre-cropped frames per video, 8 epochs,
AdamW at 3e-4, flips and brightness) are trained with seeds 0 to 2 and evaluated on the test videos,
whose labels are used for nothing else. Groups are the people in train/groups.csv. Takes half an
hour on two idle cores and ends with lines `name value`.
"""

import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import yaml
from measure import ROOT, SMOKE, argument_parser, report, sized, small_config, snakemake, stand_in
from torch.utils.data import DataLoader, TensorDataset
from torchvision.transforms import v2
from tqdm import tqdm

from liveness.dataset.labels import read_labels
from liveness.metrics.error_rates import equal_error_rate, log_loss
from liveness.models.checkpoint import create
from liveness.video.decoder import probe, read_frames
from liveness.video.preprocessing import sample_times

REAL = ROOT.parent / "shared/data/real"
SEEDS = range(sized(3, 1))
VARIANTS = {
    "plain_views": {},
    **sized(
        {
            "recapture": {"recapture": 0.2},
            "degrade": {"degrade": 0.3},
            "both": {"recapture": 0.2, "degrade": 0.3},
        },
        {},
    ),
}
EPOCHS, LR, BATCH, SIZE, FRAMES = sized(8, 1), 3e-4, sized(16, 4), sized(224, 32), 5


class Recipe:
    """Runs of the workflow on the real videos in one folder, so that frames are extracted once."""

    def __init__(self, real: Path, folder: Path) -> None:
        self.real, self.folder = real, folder
        self.config = yaml.safe_load((ROOT / "configs/small.yaml").read_text(encoding="utf-8"))
        if SMOKE:
            self.config = small_config(self.config)
        labels = pd.read_csv(real / "train/label.csv", dtype={"fname": str})
        people = pd.read_csv(real / "train/groups.csv", dtype=str, usecols=["fname", "group"])
        labels.merge(people, on="fname", validate="1:1").to_csv(folder / "labels.csv", index=False)

    def _run(self, seed: int, variant: dict[str, float], target: str) -> None:
        config: dict[str, Any] = self.config | {"data_root": str(self.real), "seed": seed}
        config["data"] = self.config["data"] | {
            "train": {"videos": str(self.real / "train/videos"), "labels": str(self.folder / "labels.csv")}
        }
        config["training"] = self.config["training"] | {"augmentation": variant}
        snakemake(self.folder, config, target)

    def held_out(self, seed: int, variant: dict[str, float]) -> tuple[float, float]:
        """Return the EER and log loss of the training videos, scored out of fold."""
        self._run(seed, variant, "evaluation")
        blend = json.loads((self.folder / "results/metrics.json").read_text(encoding="utf-8"))["blend"]
        return blend["eer"], blend["log_loss"]

    def test(self, seed: int, variant: dict[str, float]) -> pd.Series:
        self._run(seed, variant, "submission")
        table = pd.read_csv(self.folder / "results/submission.csv", dtype={"fname": str})
        return table.set_index("fname")["liveness_score"]


def centre_cropped(video: Path) -> torch.Tensor:
    """Return centre-cropped frames of a video, float [FRAMES, 3, SIZE, SIZE] in 0..1."""
    crop = v2.Compose(
        [v2.Resize(SIZE, antialias=True), v2.CenterCrop(SIZE), v2.ToDtype(torch.float32, scale=True)]
    )
    times = sample_times(probe(video).duration, FRAMES, (0.0, 1.0)).tolist()
    frames = [torch.from_numpy(frame.image.copy()).permute(2, 0, 1) for frame in read_frames(video, times)]
    return torch.stack([crop(frame) for frame in frames])


def plain_fine_tune(
    train: TensorDataset, test: dict[str, torch.Tensor], pretrained: str, seed: int
) -> pd.Series:
    """Return test scores after conventional fine-tuning on all training videos."""
    torch.manual_seed(seed)
    checkpoint = create("tf_efficientnet_lite0", SIZE, pretrained)
    network = checkpoint.module
    normalise = v2.Normalize(checkpoint.mean, checkpoint.std)
    augment = v2.Compose([v2.RandomHorizontalFlip(), v2.ColorJitter(brightness=0.2), normalise])
    optimizer = torch.optim.AdamW(network.parameters(), lr=LR)
    network.train()
    for _ in tqdm(range(EPOCHS), desc=f"plain fine-tune, seed {seed}", unit="epoch"):
        for images, labels in DataLoader(train, BATCH, shuffle=True, drop_last=True):
            loss = torch.nn.functional.cross_entropy(
                network(torch.stack([augment(x) for x in images])), labels
            )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    network.eval()
    with torch.inference_mode():
        return pd.Series(
            {fname: float(network(normalise(x)).softmax(1)[:, 1].mean()) for fname, x in test.items()}
        )


def stand_in_for_real(real: Path) -> None:
    """Write the stand-in in the layout of the real videos."""
    stand_in(real)
    train = pd.read_csv(real / "train/labels.csv")
    train[["fname", "liveness_score"]].to_csv(real / "train/label.csv", index=False)
    train[["fname", "group"]].to_csv(real / "train/groups.csv", index=False)
    test = pd.read_csv(real / "test/answers.csv")
    test[["fname", "liveness_score"]].to_csv(real / "test/sample_submission.csv", index=False)


def measure(real: Path, folder: Path) -> dict[str, float]:
    figures: dict[str, float] = {}
    if SMOKE:
        real = folder / "real"
        stand_in_for_real(real)
    recipe = Recipe(real, folder)
    found = {}
    for name, variant in VARIANTS.items():
        found[name] = recipe.held_out(0, variant)
        figures[f"real.{name}.held_out_eer"], figures[f"real.{name}.held_out_log_loss"] = found[name]
    chosen = min(found, key=found.__getitem__)
    print("selected by held-out EER:", chosen)

    answers = read_labels(real / "test/answers.csv").set_index("fname")["liveness_score"]
    labels = read_labels(real / "train/label.csv").set_index("fname")["liveness_score"]
    frames = {
        split: {
            fname: centre_cropped(real / split / "videos" / fname)
            for fname in tqdm(names, desc=f"{split} videos", unit="video")
        }
        for split, names in (("train", labels.index), ("test", answers.index))
    }
    counts = [len(images) for images in frames["train"].values()]
    train = TensorDataset(
        torch.cat([*frames["train"].values()]), torch.from_numpy(np.repeat(labels.to_numpy(), counts))
    )
    errors: dict[str, list[float]] = {"ours": [], "plain": []}
    for seed in SEEDS:
        ours = recipe.test(seed, VARIANTS[chosen])
        plain = plain_fine_tune(train, frames["test"], recipe.config["models"]["lite0"]["pretrained"], seed)
        for name, scores in (("ours", ours), ("plain", plain)):
            errors[name].append(equal_error_rate(answers.loc[scores.index], scores))
            figures[f"real.{name}.test_eer_{seed}"] = errors[name][-1]
            figures[f"real.{name}.test_log_loss_{seed}"] = float(log_loss(answers.loc[scores.index], scores))
    for name, values in errors.items():
        figures[f"real.{name}.test_eer"] = float(np.mean(values))
    figures["real.test_eer_gain"] = figures["real.plain.test_eer"] - figures["real.ours.test_eer"]
    return figures


def main() -> None:
    parser = argument_parser(__doc__)
    parser.add_argument("--real", type=Path, default=REAL, help="the real videos (default: %(default)s)")
    parser.add_argument(
        "--folder", type=Path, help="where to run and keep the files (default: a temporary one)"
    )
    arguments = parser.parse_args()
    if arguments.folder:
        arguments.folder.mkdir(parents=True, exist_ok=True)
        report(lambda: measure(arguments.real, arguments.folder.absolute()))
        return
    with tempfile.TemporaryDirectory(prefix="real-") as folder:
        report(lambda: measure(arguments.real, Path(folder)))


if __name__ == "__main__":
    main()
