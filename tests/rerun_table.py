"""What reruns after a change: of each configuration key and of each library module, by rule.

test_reruns.py makes every change and reads the dry run; docs/reruns.md shows it to people. The configuration
is that of the tests, where all has been made before.
"""

from collections.abc import Mapping
from typing import Any

EVALUATED = {"submit", "blend", "evaluate"}
SCORED = {"predict"} | EVALUATED
COMPILED = {"compile"} | SCORED
EXPORTED = {"export"} | COMPILED
TRAINED = {"train"} | EXPORTED
FOLDED = {"folds"} | TRAINED
EXTRACTED = {"extract"} | FOLDED
LISTED = {"manifest"} | EXTRACTED
# the card that `score` and the Python interface read
CARD = {"publish"}
NOTHING: set[str] = set()
ORDER = [
    *("manifest", "extract", "folds", "find_lr", "train", "export", "compile"),
    *("predict", "blend", "evaluate", "submit", "publish"),
]

# what changes, by dotted key, and what reruns; the first key is the one that the row is about
CONFIGURATION: list[tuple[dict[str, Any], set[str]]] = [
    # files of other paths may be other files
    ({"data_root": "moved"}, LISTED),
    ({"data.train.videos": "moved/train"}, LISTED),
    ({"data.train.labels": "moved/labels.csv"}, FOLDED),
    ({"data.test.videos": "moved/test"}, {"manifest", "predict", "submit"}),
    ({"data.test.sample_submission": "moved/sample.csv"}, {"submit"}),
    # changes no score: the next rerun for another reason is cut anew
    ({"shards": 3}, LISTED),
    ({"seed": 7}, FOLDED),
    ({"frames.count": 2}, EXTRACTED | CARD),
    ({"frames.window": [0.0, 0.6]}, EXTRACTED | CARD),
    ({"frames.short_side": 80}, EXTRACTED | CARD),
    ({"frames.snap_to_reference": True}, EXTRACTED | CARD),
    ({"frames.crop": "face"}, EXTRACTED | CARD),
    ({"frames.face_margin": 0.5}, NOTHING),
    ({"frames.face_margin": 0.5, "frames.crop": "face"}, EXTRACTED | CARD),
    ({"frames.nvdec": True}, NOTHING),
    ({"frames.quality": 80}, EXTRACTED),
    ({"folds.count": 3}, FOLDED | CARD),
    ({"folds.by": "attack"}, FOLDED),
    ({"folds.groups": "duplicates"}, FOLDED),
    ({"folds.max_distance": 10}, FOLDED),
    ({"models.vit.architecture": "test_vit2"}, TRAINED),
    ({"models.vit.image_size": 64}, TRAINED),
    ({"models.vit.pretrained": "moved/outside.safetensors"}, TRAINED),
    ({"models.vit.drop_path": 0.1}, TRAINED),
    ({"models.vit.folds": [0]}, SCORED | CARD),
    ({"models.vit.weights": {0: "moved/outside.safetensors"}}, EXPORTED),
    ({"training.epochs": 3}, TRAINED),
    ({"training.warmup_epochs": 1}, TRAINED),
    ({"training.batch_size": 4}, TRAINED),
    ({"training.lr": 0.01}, TRAINED),
    ({"training.lr": "auto"}, {"find_lr"} | TRAINED),
    ({"training.min_lr": 1e-5}, TRAINED),
    ({"training.weight_decay": 0.1}, TRAINED),
    ({"training.label_smoothing": 0.2}, TRAINED),
    ({"training.ema_decay": 0.9}, TRAINED),
    ({"training.precision": "fp32"}, TRAINED),
    ({"training.loss": "focal"}, TRAINED),
    ({"training.focal_gamma": 1.0}, NOTHING),
    ({"training.focal_gamma": 1.0, "training.loss": "focal"}, TRAINED),
    ({"training.class_weights": "balanced"}, TRAINED),
    ({"training.mixup": 0.2}, TRAINED),
    ({"training.cutmix": 0.2}, TRAINED),
    ({"training.layer_decay": 0.8}, TRAINED),
    ({"training.clip_grad": 1.0}, TRAINED),
    ({"training.freeze_epochs": 1}, TRAINED),
    ({"training.patience": 3}, TRAINED),
    ({"training.soup": "greedy"}, TRAINED),
    ({"training.soup_epochs": 2}, NOTHING),
    ({"training.soup_epochs": 2, "training.soup": "greedy"}, TRAINED),
    ({"training.device_batch_size": 4}, NOTHING),
    ({"training.gradient_checkpointing": True}, NOTHING),
    ({"training.compile": True}, NOTHING),
    ({"training.augmentation.crop_scale": [0.5, 1.0]}, TRAINED),
    ({"training.augmentation.hflip": 0.0}, TRAINED),
    ({"training.augmentation.vflip": 0.5}, TRAINED),
    ({"training.augmentation.color_jitter": 0.0}, TRAINED),
    ({"training.augmentation.auto_augment": "rand-m9"}, TRAINED),
    ({"training.augmentation.erasing": 0.25}, TRAINED),
    ({"training.augmentation.recapture": 0.1}, TRAINED),
    ({"training.augmentation.degrade": 0.2}, TRAINED),
    ({"tracking.wandb": {"offline": True}}, NOTHING),
    ({"tracking.mlflow": {}}, NOTHING),
    ({"tracking.comet": {}}, NOTHING),
    ({"engine.backend": "torch"}, EXPORTED | CARD),
    ({"engine.precision": "fp32"}, COMPILED),
    ({"engine.target": "a100"}, COMPILED | CARD),
    ({"engine.max_batch": 8}, COMPILED),
    ({"engine.tensorrt.optimization_level": 1}, NOTHING),
    ({"engine.tensorrt.workspace_mib": 512}, NOTHING),
    ({"engine.tensorrt.hardware_compatible": True}, NOTHING),
    ({"engine.tensorrt.version_compatible": True}, NOTHING),
    ({"engine.torch.compile": True}, NOTHING),
    ({"engine.parity.frames": 8}, EXPORTED),
    ({"engine.parity.max_difference": 0.02}, EXPORTED),
    ({"engine.parity.max_difference_int8": 0.1}, NOTHING),
    ({"engine.parity.threshold": 0.6}, COMPILED),
    ({"engine.parity.max_eer_change": 0.1}, COMPILED),
    ({"inference.frames": 2}, SCORED | CARD),
    ({"inference.views": ["whole", "whole+hflip"]}, SCORED | CARD),
    ({"inference.crop_side": 0.9}, SCORED | CARD),
    ({"inference.aggregate": "median"}, EVALUATED | CARD),
    ({"inference.top_k": 2}, NOTHING),
    ({"inference.top_k": 2, "inference.aggregate": "top_k"}, EVALUATED | CARD),
    ({"inference.batch_size": 4}, NOTHING),
    ({"inference.fallback_score": 0.1}, {"submit"} | CARD),
    ({"inference.max_unreadable": 0.3}, {"submit"}),
    ({"ensemble.method": "stacking"}, EVALUATED | CARD),
    ({"ensemble.weights": {"vit": {0: 1.0}}}, EVALUATED | CARD),
    ({"ensemble.calibration": "temperature"}, EVALUATED | CARD),
    ({"evaluation.threshold": "bpcer20"}, {"blend", "evaluate"}),
    ({"evaluation.frame_level": True}, {"evaluate"}),
    # only asked for by `score`, `forecast` and `compare`
    ({"videos": "moved/test"}, NOTHING),
    ({"evaluation.degradations": ["blur"]}, NOTHING),
    ({"runs": ["results", "other"]}, NOTHING),
    ({"container": "docker://example.org/liveness:1"}, NOTHING),
    # until something needs the file
    ({"fetch.x": {"url": "https://example.org", "sha256": "0" * 64, "to": "x"}}, NOTHING),
]

MODULES: dict[str, set[str]] = {
    **dict.fromkeys(("manifest", "video", "objects", "folders"), LISTED),
    **dict.fromkeys(("errors", "log", "outputs"), LISTED | CARD),
    "parallel": LISTED,
    **dict.fromkeys(
        ("preprocessing", "frame_store", "jpeg", "sampling", "faces", "openvino_core"), EXTRACTED
    ),
    **dict.fromkeys(("labels", "folds", "duplicates"), FOLDED),
    **dict.fromkeys(("augmentation", "random_degradation", "recapture", "datasets", "models"), TRAINED),
    **dict.fromkeys(("training", "fitting", "task", "batches", "classifier", "callbacks"), TRAINED),
    **dict.fromkeys(("learning_rate", "losses", "soups", "normalisation", "depthwise", "heap"), TRAINED),
    "excerpt": EXPORTED,
    **{f"engines/{name}": EXPORTED for name in ("classifier", "engine", "graph", "reference")},
    **{f"engines/{name}": COMPILED for name in ("backends", "cuda", "compiling", "metadata", "mixed_onnx")},
    **{f"engines/{name}": COMPILED for name in ("mixing", "opening", "parity")},
    **{f"engines/{name}_engine": COMPILED for name in ("openvino", "tensorrt", "torch")},
    "metrics": COMPILED,
    **{f"engines/{name}": SCORED for name in ("loading", "ensemble", "cuda_ensemble", "resize_kernel")},
    **dict.fromkeys(("decoding", "pipeline", "throughput", "shard", "shard_files"), SCORED),
    **dict.fromkeys(("scores", "recipe", "combination", "calibration", "blend"), EVALUATED),
    "submission": {"submit"},
    **{name: {"evaluate"} for name in ("bootstrap", "evaluation", "summary")},
    # what only other targets reach: report, describe, forecast, doubt, compare, parity_report, score, demo
    **dict.fromkeys(("figures", "plots", "bands", "pages", "mistakes", "explanation"), NOTHING),
    "examples": NOTHING,
    **dict.fromkeys(("inventory", "degradation", "robustness", "doubts", "comparison", "scorer"), NOTHING),
    **dict.fromkeys(("engines/report", "demo", "portrait"), NOTHING),
    # of the rules that fetch, the checksum says what their files are
    **dict.fromkeys(("archives", "download"), NOTHING),
    # what checks, plans and watches
    **dict.fromkeys(("configuration", "failures", "leases", "sources", "tracking"), NOTHING),
}


def changed(config: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration with values of dotted keys; parts that do not change are shared."""
    result = dict(config)
    for key, value in changes.items():
        *above, last = key.split(".")
        part = result
        for name in above:
            part[name] = dict(part.get(name, {}))
            part = part[name]
        part[last] = value
    return result
