"""Rules that rerun after a change of each configuration key and each library module.

test_reruns.py makes every change and reads the dry run; docs/reruns.md shows the table to users. It
holds for the configuration of the tests after a complete run.
"""

from collections.abc import Mapping
from typing import Any

REPORTED = {"evaluate"}
EVALUATED = {"submit", "blend"} | REPORTED
SCORED = {"predict"} | EVALUATED
COMPILED = {"compile"} | SCORED
EXPORTED = {"export"} | COMPILED
TRAINED = {"train"} | EXPORTED
TRIED = {"check_model"} | TRAINED
FOLDED = {"folds"} | TRAINED
EXTRACTED = {"extract"} | FOLDED
LISTED = {"manifest"} | EXTRACTED
# the configuration that `score` and the Python interface read
SCORER_CONFIG = {"write_scorer_config"}
NOTHING: set[str] = set()
ORDER = [
    *("manifest", "extract", "folds", "check_model", "find_lr", "train", "export", "compile"),
    *("predict", "blend", "evaluate", "submit", "write_scorer_config"),
]

# changes by dotted key, and the rules that rerun; the first key is the subject of the row
CONFIGURATION: list[tuple[dict[str, Any], set[str]]] = [
    # files at other paths may differ
    ({"data_root": "moved"}, LISTED),
    ({"data.train.videos": "moved/train"}, LISTED),
    ({"data.train.labels": "moved/labels.csv"}, FOLDED),
    ({"data.test.videos": "moved/test"}, {"manifest", "predict", "submit"}),
    ({"data.test.sample_submission": "moved/sample.csv"}, {"submit"}),
    # scores do not change; the next rerun for another reason uses the new shards
    ({"shards": 3}, LISTED),
    ({"seed": 7}, FOLDED),
    ({"frames.count": 2}, EXTRACTED | SCORER_CONFIG),
    ({"frames.window": [0.0, 0.6]}, EXTRACTED | SCORER_CONFIG),
    ({"frames.short_side": 80}, EXTRACTED | SCORER_CONFIG),
    ({"frames.snap_to_reference": True}, EXTRACTED | SCORER_CONFIG),
    ({"frames.crop": "face"}, EXTRACTED | SCORER_CONFIG),
    ({"frames.face_margin": 0.5}, NOTHING),
    ({"frames.face_margin": 0.5, "frames.crop": "face"}, EXTRACTED | SCORER_CONFIG),
    ({"frames.nvdec": True}, NOTHING),
    ({"frames.quality": 80}, EXTRACTED),
    ({"folds.count": 3}, FOLDED | SCORER_CONFIG),
    # plans refuse labels without attack types, and without sources
    ({"folds.by": "attack", "data.train.labels": "moved/named.csv"}, FOLDED),
    ({"folds.by": "source", "data.train.labels": "moved/named.csv"}, FOLDED),
    ({"folds.groups": "duplicates"}, FOLDED),
    ({"folds.max_distance": 10}, FOLDED),
    ({"models.vit.architecture": "test_vit2"}, TRIED),
    ({"models.vit.image_size": 64}, TRIED),
    ({"models.vit.pretrained": "moved/outside.safetensors"}, TRAINED),
    ({"models.vit.drop_path": 0.1}, TRIED),
    ({"models.vit.folds": [0]}, SCORED | SCORER_CONFIG),
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
    ({"engine.backend": "torch"}, EXPORTED | SCORER_CONFIG),
    ({"engine.precision": "fp32"}, COMPILED),
    ({"engine.target": "a100"}, COMPILED | SCORER_CONFIG),
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
    ({"inference.frames": 2}, SCORED | SCORER_CONFIG),
    ({"inference.views": ["whole", "whole+hflip"]}, SCORED | SCORER_CONFIG),
    ({"inference.crop_side": 0.9}, SCORED | SCORER_CONFIG),
    ({"inference.aggregate": "median"}, EVALUATED | SCORER_CONFIG),
    ({"inference.top_k": 2}, NOTHING),
    ({"inference.top_k": 2, "inference.aggregate": "top_k"}, EVALUATED | SCORER_CONFIG),
    ({"inference.batch_size": 4}, NOTHING),
    ({"inference.fallback_score": 0.1}, {"submit"} | SCORER_CONFIG),
    ({"inference.max_unreadable": 0.3}, {"submit"}),
    ({"ensemble.method": "stacking"}, EVALUATED | SCORER_CONFIG),
    ({"ensemble.weights": {"vit": {0: 1.0}}}, EVALUATED | SCORER_CONFIG),
    ({"ensemble.calibration": "temperature"}, EVALUATED | SCORER_CONFIG),
    ({"evaluation.threshold": "bpcer20"}, {"blend", "evaluate"}),
    ({"evaluation.frame_level": True}, {"evaluate"}),
    ({"evaluation.by": ["group"]}, {"evaluate"}),
    # only used by `score`, `evaluate_robustness` and `compare`
    ({"videos": "moved/test"}, NOTHING),
    ({"evaluation.degradations": ["blur"]}, NOTHING),
    ({"runs": ["results", "other"]}, NOTHING),
    # neither changes the frames of a video that is within them
    ({"limits.seconds": 60}, NOTHING),
    ({"limits.memory_mb": 4096}, NOTHING),
    ({"container": "docker://example.org/liveness:1"}, NOTHING),
    # nothing runs until a rule needs the file
    ({"fetch.x": {"url": "https://example.org", "sha256": "0" * 64, "to": "x"}}, NOTHING),
]


def _of(package: str, *modules: str) -> list[str]:
    return [f"{package}/{module}" for module in modules]


MODULES: dict[str, set[str]] = {
    **dict.fromkeys(
        _of("runtime", "errors", "job_log", "atomic_write", "disk", "child_process"),
        LISTED | SCORER_CONFIG,
    ),
    "runtime/workers": LISTED,
    **dict.fromkeys(_of("storage", "s3", "file_listing", "natural_order"), LISTED),
    **dict.fromkeys(_of("video", "manifest", "decoder", "container"), LISTED),
    **dict.fromkeys(_of("video", "orientation", "seeking"), LISTED),
    **dict.fromkeys(_of("video", "preprocessing", "sampling", "frame_store", "jpeg"), EXTRACTED),
    **dict.fromkeys(_of("video", "face_crop", "openvino_core"), EXTRACTED),
    "video/frame_subset": EXPORTED,
    "dataset/file_names": FOLDED,
    **dict.fromkeys(_of("dataset", "labels", "csv_table", "folds", "groups", "near_duplicates"), FOLDED),
    **dict.fromkeys(_of("augmentation", "training_views", "random_degradation", "recapture"), TRAINED),
    **dict.fromkeys(_of("models", "checkpoint", "normalisation", "architectures"), TRAINED),
    **dict.fromkeys(_of("models", "pretrained", "weights_file"), TRAINED),
    "models/model_soup": TRAINED,
    **dict.fromkeys(_of("training", "job", "task", "datasets", "data_loading", "fine_tune"), TRAINED),
    **dict.fromkeys(_of("training", "lightning_module", "callbacks", "losses", "lr_finder"), TRAINED),
    **dict.fromkeys(["training/depthwise", "runtime/malloc", "runtime/file_digest"], TRAINED),
    "training/atomic_checkpoints": TRAINED,
    **dict.fromkeys(_of("engines", "interface", "catalog", "pixel_classifier", "onnx_export"), EXPORTED),
    "engines/parity_sample": EXPORTED,
    **dict.fromkeys(_of("engines", "registry", "compile", "metadata", "parity"), COMPILED),
    **dict.fromkeys(_of("engines", "precision_search", "onnx_mixed_precision", "cuda"), COMPILED),
    **dict.fromkeys(_of("engines", "openvino_engine", "tensorrt_engine", "torch_engine"), COMPILED),
    "metrics/error_rates": COMPILED,
    **dict.fromkeys(_of("engines", "load", "runner", "cuda_runner", "resize_kernel"), SCORED),
    **dict.fromkeys(_of("scoring", "decoding", "pipeline", "shard", "shard_files", "timing"), SCORED),
    "scoring/scoring_settings": SCORED,
    **dict.fromkeys(_of("ensemble", "aggregation", "recipe", "combination", "blend"), EVALUATED),
    "ensemble/calibration": EVALUATED,
    "ensemble/class_order": {"blend"} | REPORTED,
    "scoring/submission": {"submit"},
    **dict.fromkeys(
        [
            *("metrics/bootstrap", "evaluation/rates", "evaluation/divisions"),
            *("evaluation/held_out_metrics", "report/markdown"),
        ],
        REPORTED,
    ),
    # only used by other targets: report, describe, evaluate_robustness, compare, score, demo, ...
    **dict.fromkeys(_of("report", "plot_style", "plots", "html_pages", "grad_cam", "error_sheets"), NOTHING),
    **dict.fromkeys(_of("report", "augmentation_sheet", "data_summary"), NOTHING),
    **dict.fromkeys(_of("evaluation", "error_analysis", "robustness", "label_errors"), NOTHING),
    **dict.fromkeys(["evaluation/run_comparison", "metrics/confidence_bands"], NOTHING),
    **dict.fromkeys(["augmentation/fixed_degradation", "engines/parity_table", "scorer"], NOTHING),
    **dict.fromkeys(_of("demo", "dataset", "portrait"), NOTHING),
    # fetched files are identified by their checksums
    **dict.fromkeys(_of("storage", "zip_archives", "download"), NOTHING),
    # checking, planning and monitoring
    **dict.fromkeys(_of("planning", "configuration", "schema", "checks", "failures"), NOTHING),
    **dict.fromkeys(_of("planning", "code_digest", "result_paths", "space"), NOTHING),
    # plain data, whose values are parameters
    **dict.fromkeys(_of("settings", "configuration", "constraints", "frames", "folds"), NOTHING),
    **dict.fromkeys(_of("settings", "training", "engine", "inference", "ensemble", "limits"), NOTHING),
    **dict.fromkeys(["runtime/gpu_leases", "training/trackers"], NOTHING),
}


def changed(config: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return a configuration with new values of dotted keys; unchanged parts are shared."""
    result = dict(config)
    for key, value in changes.items():
        *above, last = key.split(".")
        part = result
        for name in above:
            part[name] = dict(part.get(name, {}))
            part = part[name]
        part[last] = value
    return result
