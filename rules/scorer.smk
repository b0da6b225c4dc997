# Scoring of any folder by the engines of a finished run.
from liveness.engines.catalog import metadata_in
from liveness.storage.s3 import listed


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
        return hashlib.sha256(repr(sorted(listed(folder))).encode()).hexdigest()[:16]
    return file_listing.state(folder) if os.path.isdir(folder) else None


def state_of_engines(wildcards):
    """Digest of the engines' metadata, and of a fitted blend: they are no inputs either."""
    paths = [prefixed(path) for path in [*map(metadata_in, all_engines()), *fitted_blend()]]
    state = [Path(path).read_bytes() if Path(path).is_file() else b"" for path in paths]
    return hashlib.sha256(repr(state).encode()).hexdigest()[:16]


# Engines are no inputs of these two rules, so that neither ever compiles or trains.
rule write_scorer_config:
    """Write what `score` and the Python interface read: results/scorer.json."""
    output:
        SCORER_CONFIG,
    log:
        "results/logs/write_scorer_config.log",
    localrule: True
    conda:
        "../envs/data.yaml"
    params:
        scorer=scorer_config,
        code=source_digest("write_scorer_config.py"),
    script:
        "../workflow_scripts/write_scorer_config.py"


rule score:
    """Score a folder with the engines that are there: --config videos=FOLDER."""
    input:
        scorer=SCORER_CONFIG,
    output:
        scored_folder(config.get("videos", "videos")),
    log:
        "results/logs/score.log",
    benchmark:
        "results/benchmarks/score.tsv"
    conda:
        "../envs/engines.yaml"
    resources:
        gpu=gpus_for("predict"),
    params:
        videos=folder_to_score,
        state=state_of_folder,
        engines=state_of_engines,
        code=source_digest("score.py"),
    script:
        "../workflow_scripts/score.py"
