# Held-out scores -> metrics.


rule evaluate:
    input:
        after_manifest("train"),
        scores=expand(SCORES, split="train", shard=SHARDS),
        folds=FOLDS,
    output:
        "results/metrics.json",
    log:
        "results/logs/evaluate.log",
    benchmark:
        "results/benchmarks/evaluate.tsv"
    conda:
        "../envs/data.yaml"
    params:
        weights=lookup("ensemble/weights", within=config),
        aggregate=lookup("inference/aggregate", within=config),
        top_k=lookup("inference/top_k", within=config),
        supplied=[name for name, model in config["models"].items() if model["weights"]],
        code=source_digest("evaluate.py"),
    script:
        "../workflow_scripts/evaluate.py"
