"""The whole configuration, section by section. Every other description of it is made from this."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from annotated_types import Interval, Len, MinLen

from liveness.settings.constraints import (
    FoldNumber,
    Name,
    Natural,
    Nullable,
    Pattern,
    Rate,
    Text,
    Unique,
)
from liveness.settings.engine import Engine
from liveness.settings.ensemble import Ensemble, Evaluation
from liveness.settings.folds import Folds
from liveness.settings.frames import Frames
from liveness.settings.inference import Inference
from liveness.settings.limits import Limits
from liveness.settings.training import Training


@dataclass(frozen=True)
class TrainVideos:
    """Labelled videos."""

    videos: Text
    """Folder of labelled videos, sub-folders included (mp4, mov, avi, webm, mkv, ...)."""
    labels: Text
    """CSV with fname,liveness_score (1 = live, 0 = spoof) and, if known, group (person), attack and
    source (camera, site, data set); evaluation.by may name others."""


@dataclass(frozen=True)
class TestVideos:
    """Videos to score."""

    videos: Text
    """Folder of videos to score."""
    sample_submission: Text | None = None
    """CSV whose fname column gives the rows of the submission and their order; without it, every
    test video has a row."""


@dataclass(frozen=True)
class Data:
    """Videos and their labels; at least one of train and test."""

    train: TrainVideos | None = None
    """Labelled videos, for training and for held-out rates."""
    test: TestVideos | None = None
    """Videos to score, for the submission."""


@dataclass(frozen=True)
class Source:
    """A file from the web, fetched when something needs it."""

    url: Annotated[str, Pattern("^https?://")]
    """Its address (http or https). Another address of the same file reruns nothing."""
    sha256: Annotated[str, Pattern("^[0-9a-f]{64}$")]
    """Its SHA-256 checksum, in hexadecimal."""
    to: Text | None = None
    """Path of a file that is not an archive, such as weights for models.*.pretrained."""
    unzip: Mapping[str, Text] = field(default_factory=dict)
    """For a zip archive, instead of to: maps folders (with a trailing slash) and files in it to
    paths relative to the working directory."""


@dataclass(frozen=True)
class Model:
    """A network, trained once per fold."""

    architecture: Text
    """Any timm architecture."""
    image_size: Annotated[int, Interval(ge=32, le=2048)]
    """Side of the square that the network sees, in pixels."""
    pretrained: bool | str = True
    """true (timm's hub), false, a .safetensors or .pth file, or package:NAME (weights inside an
    installed package)."""
    drop_path: Rate = 0.0
    """Stochastic depth rate."""
    folds: Annotated[list[Natural], MinLen(1), Unique()] | None = None
    """Folds to train; all by default."""
    weights: Mapping[FoldNumber, Text] = field(default_factory=dict)
    """Checkpoints to use instead of training, by fold."""


Options = Annotated[Mapping[str, Any] | None, Nullable()]


@dataclass(frozen=True)
class Tracking:
    """Experiment trackers beside TensorBoard and CSV, where their packages are installed; values
    are options of Lightning's loggers."""

    wandb: Options = None
    """Weights & Biases, for example {project: liveness, offline: true}."""
    mlflow: Options = None
    """MLflow, for example {experiment_name: liveness}."""
    comet: Options = None
    """Comet."""


@dataclass(frozen=True)
class Configuration:
    """Configuration of the workflow."""

    data: Data
    """Videos and their labels."""
    models: Annotated[Mapping[Name, Model], MinLen(1)]
    """Models by name; reports use the names."""
    data_root: str = ""
    """Folder that relative paths under data start from; empty means the working directory."""
    fetch: Mapping[Annotated[str, Pattern("^[A-Za-z0-9_]+$")], Source] = field(default_factory=dict)
    """Files from the web, under any names; each is fetched when something needs it."""
    seed: Annotated[int, Interval(ge=0, le=2**32 - 1)] = 42
    """Seed for everything random."""
    shards: Annotated[int, Interval(ge=1, le=100_000)] = 1
    """Pieces that each split is cut into, each of hundreds of videos; one job per piece."""
    frames: Frames = field(default_factory=Frames)
    """Which frames of a video are looked at, and in what form."""
    folds: Folds = field(default_factory=Folds)
    """Cross-validation."""
    training: Training = field(default_factory=Training)
    """How a model is fine-tuned."""
    tracking: Tracking = field(default_factory=Tracking)
    """Experiment trackers beside TensorBoard and CSV."""
    ensemble: Ensemble = field(default_factory=Ensemble)
    """How the scores of engines become one."""
    evaluation: Evaluation = field(default_factory=Evaluation)
    """What held-out scores are judged by."""
    engine: Engine = field(default_factory=Engine)
    """What models are compiled to."""
    inference: Inference = field(default_factory=Inference)
    """How unseen and held-out videos are scored."""
    limits: Limits = field(default_factory=Limits)
    """What one video may cost."""
    container: Text = "liveness.sif"
    """Image for --software-deployment-method apptainer; without that it has no effect."""
    videos: Text | None = None
    """Folder for `snakemake score`, which scores it with the engines that are there."""
    runs: Annotated[list[Text], Len(2, 2)] | None = None
    """Two result folders for `snakemake compare`."""
