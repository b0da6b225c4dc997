# Manifest shard + engines -> scores of frames -> submission.


# The one scoring path: test videos by all engines, training videos by those that held them out.
rule predict:
    """Score the frames of a shard's videos."""
    input:
        manifest=shard_manifest,
        engines=all_engines(),
        folds=folds_of_training_videos,
    output:
        directory(SCORES),
    log:
        "results/logs/predict/{split}/{shard}.log",
    benchmark:
        PREDICT_BENCHMARK
    conda:
        "../envs/engines.yaml"
    threads: cores_for("predict", jobs=len(SPLITS) * len(SHARDS))
    resources:
        gpu=gpus_for("predict"),
    params:
        videos=videos_of(None),
        members=all_members(),
        scoring=scoring_params(),
        code=source_digest("predict.py"),
    script:
        "../workflow_scripts/predict.py"


rule submit:
    """Blend the scores of test videos into results/submission.csv."""
    input:
        wait_for_manifest("test"),
        wait_for_manifest(PARITY_SPLIT),
        scores=each_shard(SCORES, split="test"),
        blend=fitted_blend(),
        rows=sample_submission,
    output:
        submission=report(
            SUBMISSION,
            caption="../report/submission.rst",
            category="Submission",
            labels={"shows": "submission.csv (file)"},
        ),
        unreadable=UNREADABLE,
        times=TIMES,
    log:
        "results/logs/submit.log",
    benchmark:
        "results/benchmarks/submit.tsv"
    conda:
        "../envs/data.yaml"
    params:
        ensemble=lookup("ensemble", within=config),
        aggregate=aggregation_params(),
        fallback_score=lookup("inference/fallback_score", within=config),
        max_unreadable=lookup("inference/max_unreadable", within=config),
        code=source_digest("submit.py"),
    script:
        "../workflow_scripts/submit.py"
