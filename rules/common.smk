# What the rules share: the checked configuration, paths, digests and input functions. Paths are written here, once.
import hashlib
import os
import re
import sys
from pathlib import Path

import yaml
from snakemake.exceptions import WorkflowError

ROOT = Path(workflow.basedir)
sys.path.insert(0, str(ROOT / "workflow_scripts"))

from liveness.planning import code_digest
from liveness.storage import file_listing
from liveness.runtime import gpu_leases
from liveness.planning.configuration import complete
from liveness.engines.catalog import metadata_in, onnx_precisions
from liveness.runtime.errors import InputError
from liveness.planning.failures import failures
from liveness.storage.s3 import is_remote, listed, local as local_copy
from liveness.ensemble.recipe import BlendRecipe

# Threads that wait for each other must not spin, since jobs share cores: beside two other jobs a training step on
# two threads took 2 s instead of 8. Set here because OpenMP reads it when a job's libraries are loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# Jobs that a cluster's executor sent here have the GPUs that the cluster assigned; all others share the machine's.
if workflow.remote_exec:
    os.environ.setdefault(gpu_leases.SETTING, gpu_leases.OFF)

try:
    schema = yaml.safe_load((ROOT / "schemas/config.schema.yaml").read_text(encoding="utf-8"))
    # in place, since the scripts see this object
    config.update(complete(config, schema))
    PRECISIONS = onnx_precisions(config["engine"]["backend"], config["engine"]["precision"])
except InputError as error:
    raise WorkflowError(f"The configuration cannot be used.\n{error}") from None


def under_root(path):
    """A path of the configuration's `data`, or an s3:// address."""
    path = path if is_remote(path) else os.path.join(config["data_root"], path)
    return path.rstrip("/") if is_remote(path) else str(Path(path))


def resolve_storage(path):
    """Where a file or folder is: below the prefix, if Snakemake was given a default storage, or at its own address."""
    settings = workflow.storage_settings
    if is_remote(path) or settings.default_storage_provider is None:
        return path
    return f"{settings.default_storage_prefix.rstrip('/')}/{os.path.normpath(path)}"


def is_here(path):
    """Whether a path is one of this machine, and not of storage."""
    return resolve_storage(path) == path and not is_remote(path)


def stored(path, **options):
    """The same as an input: what is in storage comes as a local copy, unless `retrieve=False` leaves it there."""
    return path if is_here(path) else storage(resolve_storage(path), **options)


try:
    DATA = {
        split: {key: under_root(path) for key, path in paths.items()}
        for split, paths in config["data"].items()
    }
except InputError as error:
    raise WorkflowError(error) from None
SPLITS = sorted(DATA)
# Engines are compared with their models on training videos, or on test videos where all weights come from outside.
PARITY_SPLIT = "train" if "train" in DATA else "test"
SHARDS = [str(shard) for shard in range(config["shards"])]
# as many files every plan looks at: a tenth of a second on a local disk
LOOKED_AT = 20_000
BACKEND = config["engine"]["backend"]
# What runs on a GPU where there is one, and what cannot do without: see gpus_for.
USE_GPU = {
    "extract": config["frames"]["nvdec"],
    "train": True,
    "compile": BACKEND != "openvino",
    "predict": BACKEND != "openvino" or config["frames"]["nvdec"],
}
NEED_GPU = {
    "compile": BACKEND == "tensorrt",
    "predict": BACKEND.startswith("tensorrt"),
}

# top_k says something to the aggregate of that name only
AGGREGATE = [config["inference"][key] for key in ("aggregate", "top_k")]
if AGGREGATE[0] != "top_k":
    del AGGREGATE[1]

MANIFESTS = "results/manifest/{split}"
MANIFEST = "results/manifest/{split}/{shard}.csv"
FRAMES = "results/frames/{split}/{shard}.arrow"
FOLDS = "results/folds/folds.csv"
LEAKAGE = "results/folds/leakage.json"
WEIGHTS = "results/weights/{model}/{fold}.safetensors"
HISTORY = "results/history/{model}/{fold}.csv"
# What an engine is built from: ONNX, or for the torch back end a checkpoint.
SOURCES = [
    f"results/exported/{{model}}/{{fold}}.{suffix}"
    for suffix in [f"{precision}.onnx" for precision in PRECISIONS] or ["safetensors"]
]
REFERENCE = "results/exported/{model}/{fold}.reference.npz"
# engines run on the kind of GPU that they were built on, so each kind has a folder
ENGINES = "-".join(filter(None, [BACKEND, config["engine"]["target"]]))
ENGINE = f"results/engines/{ENGINES}/{{model}}/{{fold}}"
SCORES = "results/scores/{split}/{shard}"
DEGRADED = "results/degraded/{degradation}/{shard}.parquet"
PARITY = "results/parity.csv"
DESCRIPTION = "results/data.md"
SCORER_CONFIG = "results/scorer.json"
# Large, and not looked at again while what was made of them is there.
INTERMEDIATE = [f"results/{name}" for name in ("frames", "exported", "degraded")]
BLEND = "results/blend/blend.json"
HELD_OUT = "results/blend/held_out.csv"
SUBMISSION = "results/submission.csv"
METRICS = "results/metrics.json"


wildcard_constraints:
    split="train|test",
    shard=r"\d+",
    model="|".join(map(re.escape, config["models"])),
    fold=r"\d+",
    degradation=r"\w+",


def source_digest(script):
    """Digest of a rule's script and of the library code that it reaches: see liveness/planning/code_digest.py.

    A params function, since each job is a process that parses all rules and needs the digest of one.
    """
    folder = ROOT / "workflow_scripts"
    return lambda wildcards: code_digest.source_digest(folder / script, folder / "liveness")


def labels_digest(wildcards):
    """Digest of the labels without order, and without attack types where folds do not use these: naming them
    then retrains nothing.

    Of wildcards alone, since Snakemake does not compare params that are made from input. Labels that are yet to
    be made have none, nor have those that folds will refuse.
    """
    from liveness.dataset.labels import read_labels  # here: see wrong_tables

    used = ["fname", "liveness_score", "group", *["attack"] * (config["folds"]["by"] == "attack")]
    try:
        with local_copy(resolve_storage(DATA["train"]["labels"])) as path:
            labels = read_labels(path)
    except (FileNotFoundError, InputError):
        return None
    table = labels.sort_values("fname")[[column for column in used if column in labels]]
    return hashlib.sha256(table.to_csv(index=False).encode()).hexdigest()[:16]


def gpus_for(name):
    """A resources function: one GPU for the jobs that need one, or use one where the machine has it.

    The machine is the one that plans. A cluster's profile says it itself: set-resources: {train: {gpu: 1}}.
    """
    return lambda wildcards: int(
        NEED_GPU.get(name, False) or (USE_GPU[name] and bool(gpu_leases.visible_gpus()))
    )


def cores_for(name, jobs, without_gpu=64):
    """A threads function: each GPU's share of the cores, so that the rule's `jobs` run side by side, each on a GPU;
    where they use none, `without_gpu`, which is cut to what --cores gives.
    """

    def threads(wildcards):
        gpus = len(gpu_leases.visible_gpus()) if USE_GPU[name] and not workflow.remote_exec else 0
        return (
            max(1, (workflow.resource_settings.cores or 64) // min(gpus, jobs))
            if gpus
            else without_gpu
        )

    return threads


def each_shard(pattern, shards=SHARDS, **wildcards):
    """An input function: the pattern's file of every shard. A function, since each of thousands of jobs parses all
    rules, and needs the files of one.
    """
    return lambda _: expand(pattern, shard=shards, **wildcards)


def training_frames(wildcards):
    return expand(FRAMES, split="train", shard=SHARDS) if "train" in DATA else []


def parity_manifests(wildcards):
    """Some of the test videos, where there are no training frames; those that came since compile nothing again."""
    if "train" in DATA:
        return []
    return [ancient(path) for path in manifests_of("test", SHARDS[:8])(wildcards)]


def missing_paths():
    """Files and folders that the configuration names, that are not there, and that no rule makes; one line each.

    Snakemake would take what an earlier run made of another path for finished.
    """
    models = config["models"].items()
    named = [
        *((f"data.{split}.{key}", path) for split in SPLITS for key, path in DATA[split].items()),
        *(
            (f"models.{name}.pretrained", path)
            for name, model in models
            for path in starting_files(model)
        ),
        *(
            (f"models.{name}.weights.{fold}", path)
            for name, model in models
            for fold, path in model["weights"].items()
        ),
    ]
    # weights from outside are not for train to make, whatever their path
    makers = [rule for rule in workflow.rules if rule.name != "train"]
    for key, path in named:
        if (
            is_here(path)
            and not os.path.exists(path)
            and not any(maker.is_producer(path) for maker in makers)
        ):
            yield f"{key}: {path}: no such file or folder; correct the path (from {os.getcwd()})."


def wrong_tables():
    """What is wrong with the labels and the rows of the submission, which otherwise late jobs would tell."""
    # here, since jobs parse the rules too, and pandas takes half a second
    from liveness.dataset.labels import check_videos_exist, read_labels, read_names

    def check_labels(path):
        named, folder = read_labels(path)["fname"], DATA["train"]["videos"]
        if is_here(folder) and os.path.isdir(folder) and len(named) <= LOOKED_AT:
            there = [name for name in named if os.path.exists(os.path.join(folder, name))]
            check_videos_exist(named, there, path)

    for split, key, check in (
        ("train", "labels", check_labels),
        ("test", "sample_submission", read_names),
    ):
        path = DATA.get(split, {}).get(key, "")
        if is_here(path) and os.path.isfile(path):
            try:
                check(path)
            except InputError as error:
                yield str(error)


def needed(split):
    """The paths of a split, of which rules can do without one."""
    if split not in DATA:
        raise WorkflowError(f"data.{split} is missing; what was asked for needs its videos.")
    return DATA[split]


def folder_of_videos(wildcards):
    """A split's videos as an input, for their time. Jobs open what they need of it: storage would copy it whole."""
    return stored(needed(wildcards.split)["videos"], retrieve=False)


def state_of_videos(wildcards):
    """Digest of the files in a folder of videos, of which Snakemake sees the folder's own time only: neither what
    happens in sub-folders, nor what is overwritten, nor what comes into a folder that a rule made. Of more files than
    every plan can look at, that time.
    """
    folder = DATA[wildcards.split]["videos"]
    if not (is_here(folder) and os.path.isdir(folder)):
        return None
    return file_listing.state(folder, LOOKED_AT) or os.stat(folder).st_mtime_ns


def training_labels(wildcards):
    return stored(needed("train")["labels"])


def manifests_of(split, shards=SHARDS):
    """An input function: the manifests of shards, once the checkpoint has made their folder. Local copies stay, since
    Snakemake would remove them before it takes the checksums that spare a rerun.
    """

    def manifests(wildcards):
        checkpoints.manifest.get(split=split)
        return [
            stored(path, keep_local=True) for path in expand(MANIFEST, split=split, shard=shards)
        ]

    return manifests


def shard_manifest(wildcards):
    """The shard's manifest, once there is also that of what engines are made from."""
    # `predict_degraded` has no such wildcard: it damages training videos
    (manifest,) = manifests_of(wildcards.get("split", "train"), [wildcards.shard])(wildcards)
    wait_for_manifest(PARITY_SPLIT)(wildcards)
    return manifest


def frames_params(*without):
    """What decides on frames, which the decoder's hardware does not, nor the margin of a crop that is not made."""
    unused = ["face_margin"] * (config["frames"]["crop"] == "none")
    return {
        key: value
        for key, value in config["frames"].items()
        if key not in ("nvdec", *without, *unused)
    }


def wait_for_manifest(split):
    """Adds no file. A rule whose input function asks the checkpoint is judged again once that has run, and stays
    done where the manifests turn out as before; without it, everything below would rerun with the checkpoint.
    """

    def wait(wildcards):
        checkpoints.manifest.get(split=split)
        return []

    return wait


def checkpoint_of(model, fold):
    """Checkpoint of a model and fold: the one from outside, or the one that train makes."""
    outside = config["models"][model]["weights"]
    return stored(outside[fold]) if fold in outside else WEIGHTS.format(model=model, fold=fold)


def weights_of(wildcards):
    return checkpoint_of(wildcards.model, int(wildcards.fold))


def folds_that_trained(wildcards):
    """Labels for the parity gate, where the weights depend on them anyway: a relabel exports no others again."""
    outside = config["models"][wildcards.model]["weights"]
    return [] if int(wildcards.fold) in outside or "train" not in DATA else [FOLDS]


def exported(wildcards):
    """What the engine is built from. A function: where a rule's last one waits for the checkpoint, Snakemake (9.27)
    makes the job twice, and stumbles over the first where the job is in a group.
    """
    return expand(SOURCES, **wildcards)


def parity_limits():
    """What the parity gate lets pass of the configured precision."""
    parity = config["engine"]["parity"]
    kind = "max_difference_int8" if config["engine"]["precision"] == "int8" else "max_difference"
    return {
        "max_difference": parity[kind],
        "threshold": parity["threshold"],
        "max_eer_change": parity["max_eer_change"],
    }


def training_params(*without):
    """What decides on weights, which memory and speed do not, nor what only another loss or soup would read."""
    hardware = ("device_batch_size", "gradient_checkpointing", "compile")
    training = config["training"]
    unused = ["focal_gamma"] * (training["loss"] != "focal")
    unused += ["soup_epochs"] * (training["soup"] == "none")
    return {
        key: value for key, value in training.items() if key not in (*hardware, *unused, *without)
    }


def found_lr(wildcards):
    """The learning rate, where it is to be found."""
    return [f"results/lr/{wildcards.model}.json"] if config["training"]["lr"] == "auto" else []


def starting_files(model):
    """The file that a model starts from, where it is one: neither timm's hub nor inside a package."""
    source = model["pretrained"]
    return [source] if isinstance(source, str) and not source.startswith("package:") else []


def pretrained_file(wildcards):
    return [stored(path) for path in starting_files(config["models"][wildcards.model])]


def all_members():
    return [(name, fold) for name, model in config["models"].items() for fold in model["folds"]]


def all_weights():
    return [checkpoint_of(*member) for member in all_members()]


def all_engines():
    """The folders of all engines that score."""
    return [ENGINE.format(model=name, fold=fold) for name, fold in all_members()]


def trained_folds(wildcards):
    """The model's folds whose weights do not come from outside."""
    model = config["models"][wildcards.model]
    return [fold for fold in model["folds"] if fold not in model["weights"]]


def histories_of(wildcards):
    return expand(HISTORY, model=wildcards.model, fold=trained_folds(wildcards))


def report_files(wildcards):
    """All that the report shows: some of it only with training videos, or of models trained here."""
    files = [SUBMISSION, *rules.plot_throughput.output, *rules.tabulate_outputs.output]
    if "train" in DATA:
        files += [METRICS, DESCRIPTION]
        drawn = (
            rules.plot,
            rules.plot_robustness,
            rules.tabulate_results,
            rules.analyse_errors,
            rules.find_label_errors,
        )
        files += [path for rule in drawn for path in rule.output]
        models = config["models"].items()
        trained = [name for name, model in models if set(model["folds"]) - set(model["weights"])]
        files += expand(rules.plot_training.output, model=trained)
        if config["training"]["lr"] == "auto":
            files += expand(rules.plot_lr.output, model=trained)
        files += rules.preview_augmentation.output if trained else []
    return files


def folds_of_training_videos(wildcards):
    """Held-out scoring needs to know which engines may score a video."""
    return [FOLDS] if wildcards.split == "train" else []


def model_key(key):
    """A params function: one key of the wildcards' model."""
    return lambda wildcards: config["models"][wildcards.model][key]
