# Parameters of rules: what changes their results, and nothing else.
from dataclasses import asdict

from liveness.engines.catalog import metadata_in
from liveness.ensemble.recipe import BlendRecipe
from liveness.planning import code_digest
from liveness.storage import file_listing
from liveness.storage.s3 import list_files, local as local_copy

# Every plan looks at up to so many files, which takes a tenth of a second on a local disk.
LOOKED_AT = 20_000


def source_digest(script):
    """Digest of a rule's script and of the library code that it reaches (planning/code_digest.py).

    A params function, since each job is a process that parses all rules and needs one digest.
    """
    folder = ROOT / "workflow_scripts"
    return lambda wildcards: code_digest.source_digest(folder / script, folder / "liveness")


def listing_digest(folder, most=None):
    """Digest of the files below a folder; None if it has more than `most`, or cannot be read."""
    try:
        return file_listing.listing_digest(folder, most)
    except InputError:
        return None


def labels_digest(wildcards):
    """Digest of the labels, whatever their order; with attack types or sources only if folds use
    them, so that naming one retrains nothing.

    A function of wildcards only, since Snakemake does not compare params that depend on inputs.
    Labels that are yet to be made have no digest, nor have those that `folds` will refuse.
    """
    from liveness.dataset.labels import read_labels  # pandas is slow to import, and jobs parse this

    used = dict.fromkeys(["fname", "liveness_score", "group", config["folds"]["by"]])
    try:
        with local_copy(resolve_storage(DATA["train"]["labels"])) as path:
            labels = read_labels(path)
    except (FileNotFoundError, InputError):
        return None
    table = labels.sort_values("fname")[[column for column in used if column in labels]]
    return hashlib.sha256(table.to_csv(index=False).encode()).hexdigest()[:16]


def state_of_videos(wildcards):
    """Digest of the files in a folder of videos. Snakemake sees the folder's own time only: neither
    changes in sub-folders, nor overwritten files, nor additions to a folder that a rule made.
    A folder with more files than a plan can look at has its time instead; one that cannot be read is
    for `manifest` to refuse.
    """
    folder = prefixed(DATA[wildcards.split]["videos"])
    if not (is_here(folder) and os.path.isdir(folder)):
        return None
    return listing_digest(folder, LOOKED_AT) or os.stat(folder).st_mtime_ns


def frames_params(*without):
    """Settings that change frames: not the decoder's hardware, nor the margin of an unused crop."""
    unused = ["face_margin"] * (config["frames"]["crop"] == "none")
    return {
        key: value
        for key, value in config["frames"].items()
        if key not in ("nvdec", *without, *unused)
    }


def scoring_params():
    """Settings of `scoring.scoring_settings.ScoringSettings`; quality is of stored frames only."""
    inference = config["inference"]
    return {
        "frames": frames_params("quality"),
        "first": inference["frames"],
        "views": inference["views"],
        "crop_side": inference["crop_side"],
    }


def aggregation_params():
    """Settings of `ensemble.aggregation.Aggregation`; only the method top_k uses top_k."""
    method, top_k = config["inference"]["aggregate"], config["inference"]["top_k"]
    return {"method": method} | ({"top_k": top_k} if method == "top_k" else {})


def training_params(*without):
    """Settings that change weights: not memory and speed, nor those of an unused loss or soup."""
    hardware = ("device_batch_size", "gradient_checkpointing", "compile")
    training = config["training"]
    unused = ["focal_gamma"] * (training["loss"] != "focal")
    unused += ["soup_epochs"] * (training["soup"] == "none")
    return {
        key: value for key, value in training.items() if key not in (*hardware, *unused, *without)
    }


def parity_limits():
    """Settings of `engines.parity.Limits` for the configured precision."""
    parity = config["engine"]["parity"]
    kind = "max_difference_int8" if config["engine"]["precision"] == "int8" else "max_difference"
    return {
        "max_difference": parity[kind],
        "threshold": parity["threshold"],
        "max_eer_change": parity["max_eer_change"],
    }


def is_blend_fitted():
    return BlendRecipe(**config["ensemble"]).fitted


def model_key(key):
    """A params function: one key of the wildcards' model."""
    return lambda wildcards: config["models"][wildcards.model][key]


def trained_folds(wildcards):
    """The model's folds whose weights do not come from outside."""
    model = config["models"][wildcards.model]
    return [fold for fold in model["folds"] if fold not in model["weights"]]


def trained_models():
    """The models with folds to train."""
    models = config["models"].items()
    return [name for name, model in models if set(model["folds"]) - set(model["weights"])]


def all_members():
    return [(name, fold) for name, model in config["models"].items() for fold in model["folds"]]


def scored_folder(videos):
    """The table of a folder that is scored: the folder's own path, below results/scored."""
    path = os.path.abspath(f"/{videos.replace('://', '/')}" if is_remote(videos) else videos)
    path = path.removeprefix(os.path.join(os.getcwd(), "")).lstrip("/")
    # braces would be wildcards
    return re.sub("[{}]", "_", f"{SCORED}/{path}.csv")


def scorer_config(wildcards):
    """All that lies between a video and its score. Paths of engines and of a fitted blend are
    relative to the file, so that the folder can be moved.
    """

    def relative(path):
        return os.path.relpath(path, os.path.dirname(SCORER_CONFIG))

    return {
        "engines": [
            {
                "model": name,
                "fold": fold,
                "metadata": relative(metadata_in(ENGINE.format(model=name, fold=fold))),
            }
            for name, fold in all_members()
        ],
        "scoring": scoring_params(),
        "aggregate": aggregation_params(),
        "ensemble": config["ensemble"],
        "fitted_blend": relative(BLEND) if is_blend_fitted() else None,
        "fallback_score": config["inference"]["fallback_score"],
    }


def folder_to_score(wildcards):
    if "videos" not in config:
        raise WorkflowError("Which folder? Name it: snakemake score --config videos=FOLDER")
    return config["videos"]


def state_of_folder(wildcards):
    """Digest of names, sizes and times of all files of the folder to score. The folder is no input,
    since a rule that makes it (the demo's) must not run again.
    """
    folder = folder_to_score(wildcards)
    if is_remote(folder):
        return hashlib.sha256(repr(sorted(list_files(folder))).encode()).hexdigest()[:16]
    return listing_digest(folder) if os.path.isdir(folder) else None


def state_of_engines(wildcards):
    """Digest of the engines' metadata, and of a fitted blend: they are no inputs either."""
    paths = [prefixed(path) for path in [*map(metadata_in, all_engines()), *fitted_blend()]]
    state = [Path(path).read_bytes() if Path(path).is_file() else b"" for path in paths]
    return hashlib.sha256(repr(state).encode()).hexdigest()[:16]
