# Manifest shard + engines -> frame scores -> submission.


# One scoring path: test shards by all engines, training shards by the engines of the folds that held a video out.
rule predict:
    input:
        manifest=shard_manifest,
        engines=all_engines(),
        folds=folds_of_training_videos,
    output:
        directory(SCORES),
    log:
        "results/logs/predict/{split}/{shard}.log",
    benchmark:
        "results/benchmarks/predict/{split}/{shard}.tsv"
    conda:
        "../envs/engines.yaml"
    threads: cores_for("predict", jobs=len(SPLITS) * len(SHARDS))
    resources:
        gpu=gpus_for("predict"),
    params:
        videos=lambda wildcards: resolve_storage(DATA[wildcards.split]["videos"]),
        members=all_members(),
        # quality is of stored frames only
        frames=frames_params("quality"),
        first=lookup("inference/frames", within=config),
        views=lookup("inference/views", within=config),
        crop_side=lookup("inference/crop_side", within=config),
        code=source_digest("predict.py"),
    script:
        "../workflow_scripts/predict.py"


rule submit:
    """results/submission.csv, unreadable.csv, time_submission.csv."""
    input:
        wait_for_manifest("test"),
        wait_for_manifest(PARITY_SPLIT),
        scores=each_shard(SCORES, split="test"),
        blend=[BLEND] if BlendRecipe(**config["ensemble"]).fitted else [],
        rows=[stored(DATA["test"][key]) for key in ("sample_submission",) if key in DATA["test"]],
    output:
        submission=report(
            SUBMISSION,
            caption="../report/submission.rst",
            category="Submission",
            labels={"shows": "submission.csv (file)"},
        ),
        unreadable="results/unreadable.csv",
        times="results/time_submission.csv",
    log:
        "results/logs/submit.log",
    benchmark:
        "results/benchmarks/submit.tsv"
    conda:
        "../envs/data.yaml"
    params:
        ensemble=lookup("ensemble", within=config),
        aggregate=AGGREGATE,
        fallback_score=lookup("inference/fallback_score", within=config),
        max_unreadable=lookup("inference/max_unreadable", within=config),
        code=source_digest("submit.py"),
    script:
        "../workflow_scripts/submit.py"


# The engines are no inputs here: neither of these two rules ever asks for an engine, let alone for training.
rule write_scorer_config:
    """results/scorer.json: what `score` and the Python interface read."""
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
