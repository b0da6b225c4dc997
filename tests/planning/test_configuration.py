"""The configuration: what is refused, in which words, and what is filled in."""

import re
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

from liveness.ensemble.recipe import FITTED
from liveness.planning.configuration import complete
from liveness.runtime.errors import InputError
from running import ROOT

MODEL = {"architecture": "test_convnext", "image_size": 64}
SOURCE = {"url": "https://example.org/a.zip", "sha256": "0" * 64}
LEAST: dict[str, Any] = {
    "data": {"train": {"videos": "train", "labels": "labels.csv"}, "test": {"videos": "test"}},
    "models": {"m": MODEL},
}


def changed(key: str, value: Any) -> dict[str, Any]:
    """The smallest configuration with one dotted key set."""
    config = deepcopy(LEAST)
    *folders, last = key.split(".")
    place = config
    for folder in folders:
        place = place.setdefault(folder, {})
    place[last] = value
    return config


def problems(config: dict[str, Any]) -> list[str]:
    with pytest.raises(InputError) as caught:
        complete(config)
    return str(caught.value).splitlines()


def test_data_and_models_are_enough() -> None:
    config = complete(LEAST)
    assert config["folds"] == {"count": 5, "by": "group", "groups": "auto", "max_distance": 20}
    assert config["models"]["m"] == MODEL | {
        "pretrained": True,
        "drop_path": 0.0,
        "folds": [0, 1, 2, 3, 4],
        "weights": {},
    }
    assert config["inference"]["frames"] == config["frames"]["count"] == 8
    assert config["engine"]["parity"] == {
        "frames": 64,
        "max_difference": 0.01,
        "max_difference_int8": 0.03,
        "threshold": 0.5,
        "max_eer_change": 0.005,
    }
    assert config["ensemble"] == {"method": "mean", "weights": {}}
    assert config["tracking"] == {}
    assert config["evaluation"] == {
        "threshold": "eer",
        "frame_level": False,
        "by": [],
        "degradations": ["crop", "half_size", "blur", "recolour", "recompress", "fewer_frames"],
    }
    assert config["training"]["augmentation"]["crop_scale"] == [0.7, 1.0]


def test_the_given_configuration_is_not_changed() -> None:
    given = deepcopy(LEAST)
    complete(given)
    assert given == LEAST


def test_completing_twice_changes_nothing() -> None:
    config = changed("ensemble.weights", {"m": {0: 0.5, 3: 1}})
    config["models"]["m"] = MODEL | {"weights": {2: "two.pth"}}
    once = complete(config)
    assert complete(once) == once


@pytest.mark.parametrize("precision", ["auto", "fp32", "mixed", "bf16", "fp16", "int8"])
def test_engines_have_more_precisions_than_training(precision: str) -> None:
    assert complete(changed("engine.precision", precision))["engine"]["precision"] == precision


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("shard", 2, "shard is not a known key; did you mean shards?"),
        ("data.trian", {}, "data.trian is not a known key; did you mean train?"),
        ("models.m.imagesize", 64, "models.m.imagesize is not a known key; did you mean image_size?"),
        (
            "training.augmentation.hflp",
            0.5,
            "training.augmentation.hflp is not a known key; did you mean hflip?",
        ),
        (
            "engine.tensorrt.zzz",
            1,
            "engine.tensorrt.zzz is not a known key; known here: optimization_level, workspace_mib, "
            "hardware_compatible, version_compatible.",
        ),
        (
            "engine.target",
            "a/b",
            "engine.target is 'a/b'; expected a text that matches ^[A-Za-z0-9._-]*$.",
        ),
        (
            "engine.tensorrt.optimization_level",
            6,
            "engine.tensorrt.optimization_level is 6; expected at most 5.",
        ),
        ("engine.parity.threshold", -1, "engine.parity.threshold is -1; expected at least 0."),
        ("engine.parity.max_eer_change", 2, "engine.parity.max_eer_change is 2; expected at most 1."),
        (
            "engine.parity.max_difference_int8",
            0,
            "engine.parity.max_difference_int8 is 0; expected more than 0.",
        ),
        (
            "evaluation.degradations",
            ["blurr"],
            "evaluation.degradations.0 is 'blurr'; expected one of crop, half_size, blur, recolour, "
            "recompress, fewer_frames (did you mean blur?).",
        ),
        (
            "folds.by",
            "attacks",
            "folds.by is 'attacks'; expected one of group, attack, source (did you mean attack?).",
        ),
        (
            "training.precision",
            "int8",
            "training.precision is 'int8'; expected one of auto, fp32, bf16, fp16.",
        ),
        ("data", None, "data is None; expected a mapping."),
        ("shards", "two", "shards is 'two'; expected an integer."),
        ("shards", True, "shards is True; expected an integer."),
        ("shards", 1.5, "shards is 1.5; expected an integer."),
        ("shards", 0, "shards is 0; expected at least 1."),
        ("shards", 10**9, "shards is 1000000000; expected at most 100000."),
        ("seed", 2**32, "seed is 4294967296; expected at most 4294967295."),
        ("limits.seconds", 0, "limits.seconds is 0; expected more than 0."),
        ("data.test.videos", "", "data.test.videos is empty; expected at least one entry."),
        ("frames.window", 0.5, "frames.window is 0.5; expected a list."),
        ("frames.window", [0.5], "frames.window is [0.5]; expected exactly 2 values."),
        ("frames.window", [0, 0.5, 1], "frames.window is [0, 0.5, 1]; expected exactly 2 values."),
        ("frames.window", [0, 2], "frames.window.1 is 2; expected at most 1."),
        ("frames.crop", "faces", "frames.crop is 'faces'; expected one of none, face (did you mean face?)."),
        ("frames.crop", None, "frames.crop is None; expected one of none, face (did you mean none?)."),
        ("frames.face_margin", -0.1, "frames.face_margin is -0.1; expected at least 0."),
        ("models", {}, "models is empty; expected at least one entry."),
        ("models", {"a b": MODEL}, "models: the name 'a b' does not match ^[A-Za-z0-9_-]+$; rename it."),
        ("fetch", {"x": {"url": SOURCE["url"]}}, "fetch.x: the key sha256 is missing; add it."),
        (
            "fetch",
            {"x": SOURCE | {"url": "file:///etc/passwd"}},
            "fetch.x.url is 'file:///etc/passwd'; expected a text that matches ^https?://.",
        ),
        (
            "fetch",
            {"x": SOURCE | {"sha256": "0a"}},
            "fetch.x.sha256 is '0a'; expected a text that matches ^[0-9a-f]{64}$.",
        ),
        ("models", {"m": {}}, "models.m: the key architecture, image_size is missing; add it."),
        ("models.m.pretrained", 3, "models.m.pretrained is 3; expected true or false or a text."),
        ("models.m.folds", [], "models.m.folds is empty; expected at least one entry."),
        ("models.m.folds", [1, 1], "models.m.folds: [1, 1] has non-unique elements."),
        (
            "models.m.weights",
            {"x": "w"},
            "models.m.weights: the name 'x' does not match ^[0-9]+$; rename it.",
        ),
        ("training.lr", 0, "training.lr is 0; expected more than 0."),
        ("training.lr", float("nan"), "training.lr is nan; expected a number or auto."),
        ("training.lr", ".inf", "training.lr is '.inf'; expected a number or auto."),
        ("training.label_smoothing", 1, "training.label_smoothing is 1; expected less than 1."),
        (
            "engine.backend",
            "tensort",
            "engine.backend is 'tensort'; expected one of openvino, tensorrt, tensorrt_rtx, torch "
            "(did you mean tensorrt?).",
        ),
        (
            "ensemble.method",
            "stakcing",
            "ensemble.method is 'stakcing'; expected one of weights, mean, rank_mean, optimised, stacking, "
            "blending (did you mean stacking?).",
        ),
        (
            "ensemble.calibration",
            "platt",
            "ensemble.calibration is 'platt'; expected one of temperature, isotonic.",
        ),
        (
            "evaluation.threshold",
            "bpcer10",
            "evaluation.threshold is 'bpcer10'; expected one of eer, min_hter, bpcer20 "
            "(did you mean bpcer20?).",
        ),
        ("evaluation.frame_level", 1, "evaluation.frame_level is 1; expected true or false."),
        ("runs", ["one"], "runs is ['one']; expected exactly 2 values."),
    ],
)
def test_a_mistake_is_told_in_one_sentence(key: str, value: Any, sentence: str) -> None:
    assert problems(changed(key, value)) == [sentence]


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("frames.window", [0.5, 0.5], "frames.window is [0.5, 0.5]; expected its start before its end."),
        ("training.augmentation.crop_scale", [0.9, 0.7], "the smaller value first"),
        ("training.min_lr", 1, "training.min_lr is above training.lr"),
        (
            "training.warmup_epochs",
            12,
            "training.warmup_epochs (12) must be less than training.epochs (12); lower it",
        ),
        (
            "training.epochs",
            1,
            "training.warmup_epochs (1, the default) must be less than training.epochs (1); ",
        ),
        ("inference.frames", 9, "inference.frames is 9; expected at most frames.count (8)"),
        ("fetch", {"x": SOURCE}, "fetch.x: expected one of to (a file) and unzip"),
        ("fetch", {"x": SOURCE | {"to": "a", "unzip": {"b": "c"}}}, "fetch.x: expected one of to"),
        ("data", {}, "data is empty; expected train (videos and labels), test (videos), or both."),
        ("models.m.folds", [4, 5], "models.m: no fold 5; folds.count is 5, so expected 0 to 4."),
        ("models.m.weights", {7: "w.pth"}, "models.m: no fold 7"),
        ("ensemble.weights", {"mm": {0: 1}}, "ensemble.weights.mm names no model; did you mean m?"),
        ("ensemble.weights", {"zzz": {0: 1}}, "ensemble.weights.zzz names no model; models has m."),
        ("ensemble.weights", {"m": {5: 1}}, "ensemble.weights.m.5: the model has no such fold; remove it."),
        (
            "ensemble.weights",
            {"m": {0: 0, 1: 0}},
            "ensemble.weights are all 0; expected at least one above 0.",
        ),
    ],
)
def test_values_that_contradict_each_other(key: str, value: Any, sentence: str) -> None:
    assert any(sentence in problem for problem in problems(changed(key, value)))


def test_the_method_follows_the_weights() -> None:
    config = changed("ensemble.weights", {"m": {0: 1}})
    assert complete(config)["ensemble"]["method"] == "weights"
    config["ensemble"]["method"] = "stacking"
    assert problems(config) == [
        "ensemble.weights is given, but ensemble.method stacking takes none; remove one of them."
    ]
    assert problems(changed("ensemble.method", "weights")) == [
        "ensemble.method is weights, but ensemble.weights is missing; add it, or use mean."
    ]


FITTING = [*({"method": method} for method in FITTED), {"calibration": "temperature"}]


@pytest.mark.parametrize("ensemble", FITTING, ids=str)
def test_what_is_fitted_needs_training_data(ensemble: dict[str, str]) -> None:
    config = changed("models.m.weights", {0: "a.pth", 1: "b.pth"})
    config["ensemble"] = ensemble
    complete(config)
    del config["data"]["train"]
    (sentence,) = problems(config)
    key = " ".join(*ensemble.items()) if "method" in ensemble else "calibration"
    assert sentence == (
        f"ensemble.{key} is fitted on held-out scores; add data.train, or use mean or weights, uncalibrated."
    )


@pytest.mark.parametrize("ensemble", FITTING, ids=str)
def test_what_is_fitted_needs_two_folds_that_all_models_share(ensemble: dict[str, str]) -> None:
    config = changed("models.n", MODEL | {"folds": [0, 3]})
    config["ensemble"] = ensemble
    config["models"]["m"] = MODEL | {"folds": [0, 3, 4]}
    complete(config)
    config["models"]["m"]["folds"] = [1, 3]
    (sentence,) = problems(config)
    assert "is judged on folds that it was not fitted on; expected all models to share two" in sentence


def test_weights_of_a_fold_that_the_model_leaves_out() -> None:
    config = changed("models.m", MODEL | {"folds": [0], "weights": {1: "w.pth"}})
    assert problems(config) == [
        "models.m.weights names fold 1, which its key folds leaves out; add it there."
    ]


def test_every_problem_is_told_each_on_its_line() -> None:
    found = problems({"models": {"m": {"size": 3, "pretraind": True}}, "shards": "x", "fold": {}})
    assert len(found) == len(set(found)) == 6
    assert any("the key data is missing" in line for line in found)
    for key in ("fold", "shards", "models.m.size", "models.m.pretraind", "models.m"):
        assert any(re.match(rf"{re.escape(key)}[ :]", line) for line in found), key


@pytest.mark.parametrize(
    "policy",
    ["", "rand-m9-mstd0.5", "rand-m9-mstd0.5-inc1", "augmix-m5-w4-d2", "original", "v0r-mstd0.5", "3a"],
)
def test_policies_of_timm_are_known(policy: str) -> None:
    complete(changed("training.augmentation.auto_augment", policy))


@pytest.mark.parametrize("policy", ["randaugment", "rand m9", "m9", "rand-", "auto"])
def test_policies_that_timm_does_not_have(policy: str) -> None:
    (sentence,) = problems(changed("training.augmentation.auto_augment", policy))
    assert sentence.startswith(f"training.augmentation.auto_augment is '{policy}'; expected a text that")


def test_text_of_the_command_line_becomes_numbers_and_booleans() -> None:
    """`--config 'frames={count: 4}'` arrives as '4', and YAML reads 1e-4 as text."""
    config = changed("frames", {"count": "4", "window": "[0.1, 0.9]"})
    config["training"] = {"lr": "1e-3", "epochs": "3", "batch_size": 8.0}
    config["models"]["m"] = MODEL | {"pretrained": "false", "folds": ["1", "0"]}
    config["data_root"] = "7"
    done = complete(config)
    assert done["frames"]["count"] == 4
    assert done["frames"]["window"] == [0.1, 0.9]
    assert done["training"]["lr"] == 0.001
    assert isinstance(done["training"]["batch_size"], int)
    assert done["models"]["m"]["pretrained"] is False
    assert done["models"]["m"]["folds"] == [0, 1]
    assert done["data_root"] == "7"


def test_what_looks_like_a_number_stays_text_where_text_is_wanted() -> None:
    config = changed("models.m.pretrained", "package:some_package")
    config["data"]["test"]["videos"] = "2022"
    done = complete(config)
    assert done["models"]["m"]["pretrained"] == "package:some_package"
    assert done["data"]["test"]["videos"] == "2022"


def test_fold_keys_are_integers() -> None:
    config = changed("models.m.weights", {"0": "a.pth", 1: "b.pth"})
    config["ensemble"] = {"weights": {"m": {"0": "0.25", 1: 1}}}
    done = complete(config)
    assert done["models"]["m"]["weights"] == {0: "a.pth", 1: "b.pth"}
    assert done["ensemble"]["weights"] == {"m": {0: 0.25, 1: 1}}


def test_with_weights_for_its_folds_a_model_needs_no_training_data() -> None:
    config = changed("models.m.weights", {1: "b.pth", 0: "a.pth"})
    del config["data"]["train"]
    assert complete(config)["models"]["m"]["folds"] == [0, 1]

    sentence = "models.m has folds to train without data.train; add it, or weights for every fold."
    config["models"]["m"]["folds"] = [0, 1, 2]
    assert problems(config) == [sentence]
    config["models"]["m"] = MODEL
    assert problems(config) == [sentence]


def test_the_demo_is_valid() -> None:
    complete(yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8")))


@pytest.mark.parametrize("path", sorted((ROOT / "configs").glob("*.yaml")), ids=lambda path: path.name)
def test_the_configurations_to_choose_from_are_valid(path: Path) -> None:
    complete(yaml.safe_load(path.read_text(encoding="utf-8")))
