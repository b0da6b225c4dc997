"""The example configurations: the winning recipe is complete, and all plan the expected jobs."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from liveness.planning.configuration import complete
from running import ROOT, Run


def read(name: str) -> dict[str, Any]:
    return yaml.safe_load((ROOT / f"configs/{name}.yaml").read_text(encoding="utf-8"))


def test_the_winning_recipe_is_complete() -> None:
    config = complete(read("zac2022"))
    xl, large = config["models"]["xl"], config["models"]["l"]
    assert (xl["architecture"], xl["image_size"], xl["folds"]) == ("convnext_xlarge", 128, [0, 1, 2, 3, 4])
    assert (large["architecture"], large["image_size"], large["folds"]) == ("convnext_large", 224, [0, 1, 2])
    assert xl["drop_path"] == large["drop_path"] == 0.2
    assert Path(xl["pretrained"]).name == "convnext_xlarge_22k_1k_224_ema.pth"
    assert Path(large["pretrained"]).name == "convnext_large_22k_1k_224.pth"
    assert config["seed"] == 42
    assert config["folds"]["count"] == 5
    assert (config["frames"]["count"], config["frames"]["window"]) == (3, [0.2, 1.0])
    assert (config["inference"]["frames"], config["inference"]["aggregate"]) == (2, "mean")
    training = config["training"]
    assert (training["epochs"], training["warmup_epochs"]) == (12, 4)
    assert (training["lr"], training["min_lr"]) == (1e-4, 1e-6)
    assert training["batch_size"] == 2 * training["device_batch_size"] == 2 * 32
    assert training["label_smoothing"] == 0.1
    assert training["loss"] == "cross_entropy"
    assert 0 < training["ema_decay"] < 1
    augmentation = training["augmentation"]
    assert augmentation["auto_augment"].startswith("rand-m9")
    assert augmentation["erasing"] == 0.25
    assert augmentation["hflip"] == augmentation["vflip"] == 0.5
    blend = {"l": [0.3, 0.3, 0.4], "xl": [0.25, 0.3, 0.15, 0.15, 0.15]}
    share = {"l": 0.3, "xl": 0.7}
    assert config["ensemble"]["method"] == "weights"
    for name, weights in blend.items():
        given = config["ensemble"]["weights"][name]
        assert given == {fold: pytest.approx(share[name] * weight) for fold, weight in enumerate(weights)}
    assert (config["engine"]["backend"], config["engine"]["precision"]) == ("tensorrt", "fp16")


def test_the_stronger_recipe_has_what_should_generalise() -> None:
    config = complete(read("strong"))
    assert config["frames"]["count"] == 8
    assert "whole+hflip" in config["inference"]["views"]
    assert config["training"]["augmentation"]["recapture"] > 0
    assert config["training"]["augmentation"]["degrade"] > 0


@pytest.mark.slow
@pytest.mark.parametrize(("name", "engines"), [("zac2022", 8), ("strong", 10), ("medium", 5), ("small", 3)])
def test_every_configuration_plans_a_job_per_model_and_fold(name: str, engines: int, tmp_path: Path) -> None:
    for split in ("train", "test"):
        (tmp_path / split / "videos").mkdir(parents=True)
        for number in range(10):
            (tmp_path / split / "videos" / f"{number}.mp4").touch()
    rows = "\n".join(f"{number}.mp4,{number % 2}" for number in range(10))
    (tmp_path / "train/label.csv").write_text(f"fname,liveness_score\n{rows}\n")
    (tmp_path / "test/sample_submission.csv").write_text(f"fname,liveness_score\n{rows}\n")
    config = read(name)
    (tmp_path / "weights").mkdir()
    for model in config["models"].values():
        if str(model.get("pretrained", "")).startswith("weights/"):
            (tmp_path / model["pretrained"]).touch()
    planned = Run(tmp_path, config).planned()
    assert planned["train"] == planned["export"] == planned["compile"] == engines
    assert planned["extract"] == config["shards"]
    assert planned["predict"] == 2 * config["shards"]
