"""Which rules rerun after a change of the configuration or of the code: exactly these, no others."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from liveness.sources import WITHOUT_EFFECT, reached_modules
from running import ROOT, Run, tiny_config

pytestmark = [pytest.mark.slow, pytest.mark.thorough]

EVALUATED = {"submit", "blend", "evaluate"}
SCORED = {"predict"} | EVALUATED
COMPILED = {"compile"} | SCORED
EXPORTED = {"export"} | COMPILED
TRAINED = {"train"} | EXPORTED
FOLDED = {"folds"} | TRAINED
EXTRACTED = {"extract"} | FOLDED

TINY = tiny_config()["training"]

CONFIGURATION: dict[str, tuple[dict[str, Any], set[str]]] = {
    "nothing": ({}, set()),
    "inference.batch_size": ({"inference": {"batch_size": 4}}, set()),
    "inference.fallback_score": ({"inference": {"fallback_score": 0.1}}, {"submit", "publish"}),
    "inference.max_unreadable": ({"inference": {"max_unreadable": 0.3}}, {"submit"}),
    "inference.aggregate": ({"inference": {"aggregate": "median"}}, EVALUATED | {"publish"}),
    "inference.top_k": ({"inference": {"aggregate": "top_k", "top_k": 2}}, EVALUATED | {"publish"}),
    "inference.top_k, unused": ({"inference": {"top_k": 2}}, set()),
    "inference.frames": ({"inference": {"frames": 2}}, SCORED | {"publish"}),
    "inference.views": ({"inference": {"views": ["whole", "whole+hflip"]}}, SCORED | {"publish"}),
    "inference.crop_side": ({"inference": {"crop_side": 0.9}}, SCORED | {"publish"}),
    "ensemble.weights": ({"ensemble": {"weights": {"vit": {0: 1.0}}}}, EVALUATED | {"publish"}),
    "ensemble.method": ({"ensemble": {"method": "stacking"}}, EVALUATED | {"publish"}),
    "ensemble.calibration": ({"ensemble": {"calibration": "temperature"}}, EVALUATED | {"publish"}),
    "evaluation.threshold": ({"evaluation": {"threshold": "bpcer20"}}, {"blend", "evaluate"}),
    "evaluation.frame_level": ({"evaluation": {"frame_level": True}}, {"evaluate"}),
    "evaluation.degradations": ({"evaluation": {"degradations": ["blur"]}}, set()),
    "runs": ({"runs": ["results", "other"]}, set()),
    "engine.max_batch": ({"engine": {"max_batch": 8}}, COMPILED),
    "engine.precision": ({"engine": {"precision": "fp32"}}, COMPILED),
    "engine.target": ({"engine": {"target": "a100"}}, COMPILED | {"publish"}),
    "engine.torch, unused": ({"engine": {"torch": {"compile": True}}}, set()),
    "engine.tensorrt, unused": ({"engine": {"tensorrt": {"optimization_level": 1}}}, set()),
    "engine.parity.frames": ({"engine": {"parity": {"frames": 8}}}, EXPORTED),
    "engine.parity.max_difference": ({"engine": {"parity": {"max_difference": 0.02}}}, EXPORTED),
    "engine.parity.max_difference_int8": ({"engine": {"parity": {"max_difference_int8": 0.1}}}, set()),
    "engine.parity.threshold": ({"engine": {"parity": {"threshold": 0.6}}}, COMPILED),
    "engine.parity.max_eer_change": ({"engine": {"parity": {"max_eer_change": 0.1}}}, COMPILED),
    **{
        f"training.{key}": ({"training": TINY | {key: value}}, rules)
        for key, value, rules in (
            ("lr", "auto", {"find_lr"} | TRAINED),
            ("lr", 0.01, TRAINED),
            ("loss", "focal", TRAINED),
            ("focal_gamma", 1.0, TRAINED),
            ("class_weights", "balanced", TRAINED),
            ("mixup", 0.2, TRAINED),
            ("cutmix", 0.2, TRAINED),
            ("layer_decay", 0.8, TRAINED),
            ("clip_grad", 1.0, TRAINED),
            ("freeze_epochs", 1, TRAINED),
            ("patience", 3, TRAINED),
            ("soup", "greedy", TRAINED),
            ("soup_epochs", 2, TRAINED),
            ("device_batch_size", 4, set()),
            ("gradient_checkpointing", True, set()),
            ("compile", True, set()),
            ("augmentation", {"recapture": 0.1, "degrade": 0.2}, TRAINED),
        )
    },
    "tracking": ({"tracking": {"wandb": {"offline": True}}}, set()),
    "training.lr, another": (
        {"training": TINY | {"lr": 0.01}},
        TRAINED,
    ),
    "folds.count": ({"folds": {"count": 3, "groups": "labels"}}, FOLDED | {"publish"}),
    "folds.by": ({"folds": {"count": 2, "groups": "labels", "by": "attack"}}, FOLDED),
    "seed": ({"seed": 7}, FOLDED),
    "frames.snap_to_reference": (
        {"frames": {"count": 3, "short_side": 96, "snap_to_reference": True}},
        EXTRACTED | {"publish"},
    ),
    "frames.crop": ({"frames": {"count": 3, "short_side": 96, "crop": "face"}}, EXTRACTED | {"publish"}),
    "frames.face_margin, unused": ({"frames": {"count": 3, "short_side": 96, "face_margin": 0.5}}, set()),
    "frames.nvdec": ({"frames": {"count": 3, "short_side": 96, "nvdec": True}}, set()),
    "frames.quality": ({"frames": {"count": 3, "short_side": 96, "quality": 80}}, EXTRACTED),
}

MODULES: dict[str, set[str]] = {
    "augmentation": TRAINED,
    "random_degradation": TRAINED,
    "recapture": TRAINED,
    "datasets": TRAINED,
    "training": TRAINED,
    "fitting": TRAINED,
    **dict.fromkeys(("task", "batches", "classifier", "callbacks", "learning_rate", "losses"), TRAINED),
    "tracking": set(),
    "models": TRAINED,
    "duplicates": FOLDED,
    "decoding": SCORED,
    "pipeline": SCORED,
    "throughput": SCORED,
    "shard": SCORED,
    "degradation": set(),
    "robustness": set(),
    "explanation": set(),
    "doubts": set(),
    "scorer": set(),
    "parallel": {"manifest"} | EXTRACTED,
    "submission": {"submit"},
    "scores": EVALUATED,
    "recipe": EVALUATED,
    "combination": EVALUATED,
    "calibration": EVALUATED,
    "blend": EVALUATED,
    "bootstrap": {"evaluate"},
    "evaluation": {"evaluate"},
    "summary": {"evaluate"},
    "comparison": set(),
    "metrics": COMPILED,
    "inventory": set(),
    # captions and figures: nothing but the target `report` makes them
    **{name: set() for name in ("figures", "plots", "bands", "pages", "mistakes", "examples")},
    "soups": TRAINED,
    **{name: {"manifest"} | EXTRACTED for name in ("manifest", "video")},
    **{name: {"manifest", "publish"} | EXTRACTED for name in ("errors", "log", "outputs")},
    "labels": FOLDED,
    "folds": FOLDED,
    "failures": set(),
    **{
        f"engines/{name}": COMPILED
        for name in ("backends", "cuda", "metadata", "mixed_onnx", "openvino_engine", "tensorrt_engine")
    },
    "engines/torch_engine": COMPILED,
    "engines/classifier": EXPORTED,
    "engines/engine": EXPORTED,
    "engines/compiling": COMPILED,
    "engines/loading": SCORED,
    "engines/ensemble": SCORED,
    "engines/cuda_ensemble": SCORED,
    "engines/resize_kernel": SCORED,
    "engines/mixing": COMPILED,
    "engines/parity": COMPILED,
    "engines/reference": EXPORTED,
    "engines/report": set(),
    "engines/graph": EXPORTED,
    "preprocessing": EXTRACTED,
    "frames": EXTRACTED,
    "faces": EXTRACTED,
    "openvino_core": EXTRACTED,
    "demo": set(),
    "portrait": set(),
    "engines/opening": COMPILED,
    "configuration": set(),
    "sources": set(),
    "leases": set(),
}


@pytest.fixture(scope="module")
def moved(finished: Run, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The finished run, planned by a copy of the checkout whose code may be changed."""
    checkout = tmp_path_factory.mktemp("checkout")
    for name in ("Snakefile", "config.yaml"):
        shutil.copy2(ROOT / name, checkout)
    for name in ("rules", "envs", "schemas", "profiles", "report", "workflow_scripts"):
        shutil.copytree(ROOT / name, checkout / name, ignore=shutil.ignore_patterns("__pycache__"))
    run = finished.copy(tmp_path_factory.mktemp("moved"))
    return Run(run.folder, tiny_config(), checkout)


@pytest.mark.parametrize("key", CONFIGURATION)
def test_configuration_key(moved: Run, key: str) -> None:
    changes, rules = CONFIGURATION[key]
    moved.configure(tiny_config(**changes))
    assert set(moved.planned()) == rules


def test_one_models_image_size_reruns_that_model_only(moved: Run) -> None:
    config = tiny_config()
    config["models"]["vit"]["image_size"] = 64
    moved.configure(config)
    jobs = {"train": 2, "export": 2, "compile": 2, "predict": 4, "submit": 1, "blend": 1, "evaluate": 1}
    assert moved.planned() == jobs


def test_threads_and_gpus_rerun_nothing(moved: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    moved.configure(tiny_config())
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    gpus = [f"{rule}:gpu=4" for rule in ("train", "compile", "predict", "score", "extract")]
    assert moved.planned() == {}
    assert moved.planned("--resources", "gpu=8", "--set-resources", *gpus, "--set-threads", "extract=2") == {}


@pytest.fixture
def source(moved: Run, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A module of the copied checkout, put back afterwards."""
    moved.configure(tiny_config())
    path = moved.root / "workflow_scripts/liveness" / f"{request.param}.py"
    text = path.read_text(encoding="utf-8")
    yield path
    path.write_text(text, encoding="utf-8")


# one module of each kind is really changed; of the others it is enough to know which scripts they reach
EXAMPLES = {frozenset(rules): module for module, rules in MODULES.items()}


@pytest.mark.parametrize(
    ("source", "rules"), [(module, set(rules)) for rules, module in EXAMPLES.items()], indirect=["source"]
)
def test_library_module(moved: Run, source: Path, rules: set[str]) -> None:
    source.write_text(source.read_text(encoding="utf-8") + "\nADDED = 1\n", encoding="utf-8")
    assert set(moved.planned()) == rules


# what reruns with a rule of the target `all`, in this configuration
FOLLOWING = {
    "manifest": {"manifest"} | EXTRACTED,
    "extract": EXTRACTED,
    "folds": FOLDED,
    "train": TRAINED,
    "export": EXPORTED,
    "compile": COMPILED,
    "predict": SCORED,
    "blend": {"blend", "evaluate"},
    "evaluate": {"evaluate"},
    "submit": {"submit"},
    "publish": {"publish"},
}


@pytest.mark.parametrize("module", MODULES)
def test_every_module_reaches_the_scripts_of_its_rules(module: str) -> None:
    folder = ROOT / "workflow_scripts"
    path = folder / "liveness" / f"{module}.py"
    assert path.is_file()
    reached = [
        rules
        for rule, rules in FOLLOWING.items()
        if path.name not in WITHOUT_EFFECT
        and path in reached_modules(folder / f"{rule}.py", folder / "liveness")
    ]
    assert set().union(*reached) == MODULES[module]


def test_no_module_is_missing_from_the_table() -> None:
    library = ROOT / "workflow_scripts/liveness"
    modules = {path.relative_to(library).with_suffix("").as_posix() for path in library.rglob("*.py")}
    assert {name for name in modules if not name.endswith("__init__")} == set(MODULES)


@pytest.mark.parametrize("source", ["preprocessing", "engines/graph"], indirect=True)
def test_docstrings_and_comments_rerun_nothing(moved: Run, source: Path) -> None:
    text = source.read_text(encoding="utf-8")
    changed = text.replace('"""', '"""Other words. ', 1) + "\n# a comment\n"
    assert changed != text
    source.write_text(changed, encoding="utf-8")
    assert moved.planned() == {}
