# Held-out scores -> blend, metrics; training videos -> tables; two runs -> their comparison.


rule blend:
    input:
        after_manifest("train"),
        scores=expand(SCORES, split="train", shard=SHARDS),
        folds=FOLDS,
    output:
        blend=BLEND,
        held_out=HELD_OUT,
    log:
        "results/logs/blend.log",
    benchmark:
        "results/benchmarks/blend.tsv"
    conda:
        "../envs/data.yaml"
    params:
        ensemble=lookup("ensemble", within=config),
        threshold=lookup("evaluation/threshold", within=config),
        aggregate=AGGREGATE,
        code=source_digest("blend.py"),
    script:
        "../workflow_scripts/blend.py"


# The labels again, for their attack types: folds leaves them out, so that naming an attack retrains nothing.
rule evaluate:
    input:
        after_manifest("train"),
        scores=expand(SCORES, split="train", shard=SHARDS),
        folds=FOLDS,
        blend=BLEND,
        held_out=HELD_OUT,
        labels=lambda wildcards: DATA["train"]["labels"],
    output:
        metrics=report(
            "results/metrics.json",
            caption="../report/rates.rst",
            category="Accuracy",
            labels={"shows": "metrics.json (file)"},
        ),
        summary=report(
            "results/metrics.md",
            caption="../report/rates.rst",
            category="Accuracy",
            labels={"shows": "metrics.md (file)"},
        ),
    log:
        "results/logs/evaluate.log",
    benchmark:
        "results/benchmarks/evaluate.tsv"
    conda:
        "../envs/data.yaml"
    params:
        evaluation=lookup("evaluation", within=config),
        calibration=config["ensemble"].get("calibration"),
        aggregate=AGGREGATE,
        supplied=[name for name, model in config["models"].items() if model["weights"]],
        seed=config["seed"],
        code=source_digest("evaluate.py"),
    script:
        "../workflow_scripts/evaluate.py"


rule describe:
    input:
        after_manifest("train"),
        manifests=expand(MANIFEST, split="train", shard=SHARDS),
        folds=FOLDS,
        leakage=LEAKAGE,
        labels=lambda wildcards: DATA["train"]["labels"],
    output:
        report(
            DESCRIPTION,
            caption="../report/data.rst",
            category="Data",
            labels={"shows": "data.md (file)"},
        ),
    log:
        "results/logs/describe.log",
    benchmark:
        "results/benchmarks/describe.tsv"
    conda:
        "../envs/data.yaml"
    params:
        code=source_digest("describe.py"),
    script:
        "../workflow_scripts/describe.py"


# Its runs are no inputs, since they may be this configuration's own results, which a comparison must not bring up to date; and it
# declares no outputs, so that it prints its table whenever it is asked.
rule compare:
    log:
        "results/logs/compare.log",
    conda:
        "../envs/data.yaml"
    params:
        runs=config.get("runs"),
        seed=config["seed"],
        code=source_digest("compare.py"),
    script:
        "../workflow_scripts/compare.py"
