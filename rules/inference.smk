# Manifest shard + engines -> frame scores -> submission.


# One scoring path: test shards by all engines, training shards by the engines of the folds that held a video out.
rule predict:
    input:
        after_manifest(PARITY_SPLIT),
        manifest=shard_manifest,
        metadata=all_engines(".json"),
        engines=all_engines(PARITY_SUFFIX, *ENGINE_SUFFIXES[BACKEND]),
        folds=folds_of_training_videos,
    output:
        scores=SCORES,
        unreadable=UNREADABLE,
    log:
        "results/logs/predict/{split}/{shard}.log",
    benchmark:
        "results/benchmarks/predict/{split}/{shard}.tsv"
    conda:
        "../envs/engines.yaml"
    params:
        videos=lambda wildcards: DATA[wildcards.split]["videos"],
        members=all_members(),
        # quality is of stored frames only
        frames={key: config["frames"][key] for key in ("count", "window", "short_side")},
        first=lookup("inference/frames", within=config),
        code=source_digest("predict.py"),
    script:
        "../workflow_scripts/predict.py"


rule submit:
    input:
        after_manifest("test"),
        after_manifest(PARITY_SPLIT),
        manifests=expand(MANIFEST, split="test", shard=SHARDS),
        scores=expand(SCORES, split="test", shard=SHARDS),
        unreadable=expand(UNREADABLE, split="test", shard=SHARDS),
        blend=[BLEND] if Recipe(**config["ensemble"]).fitted else [],
        rows=[DATA["test"][key] for key in ("sample_submission",) if key in DATA["test"]],
    output:
        submission=SUBMISSION,
        unreadable="results/unreadable.csv",
    log:
        "results/logs/submit.log",
    benchmark:
        "results/benchmarks/submit.tsv"
    conda:
        "../envs/data.yaml"
    params:
        ensemble=lookup("ensemble", within=config),
        aggregate=lookup("inference/aggregate", within=config),
        fallback_score=lookup("inference/fallback_score", within=config),
        max_unreadable=lookup("inference/max_unreadable", within=config),
        code=source_digest("submit.py"),
    script:
        "../workflow_scripts/submit.py"
