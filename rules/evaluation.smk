# Held-out scores -> blend, metrics, robustness; two runs -> their comparison.


rule blend:
    """Fit the blend and its threshold on held-out scores."""
    input:
        wait_for_manifest("train"),
        scores=each_shard(SCORES, split="train"),
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
        aggregate=aggregation_params(),
        code=source_digest("blend.py"),
    script:
        "../workflow_scripts/blend.py"


# The labels are an input for attack types, sources and other columns, which `folds` leaves out, so
# that naming one retrains nothing.
rule evaluate:
    """Compute held-out error rates with intervals: results/metrics.json and .md."""
    input:
        wait_for_manifest("train"),
        scores=each_shard(SCORES, split="train"),
        folds=FOLDS,
        blend=BLEND,
        held_out=HELD_OUT,
        labels=training_labels,
    output:
        metrics=report(
            METRICS,
            caption="../report/rates.rst",
            category="Accuracy",
            labels={"shows": "metrics.json (file)"},
        ),
        summary=report(
            METRICS_TABLE,
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
        threshold=lookup("evaluation/threshold", within=config),
        frame_level=lookup("evaluation/frame_level", within=config),
        by=lookup("evaluation/by", within=config),
        ensemble=lookup("ensemble", within=config),
        aggregate=aggregation_params(),
        supplied=[name for name, model in config["models"].items() if model["weights"]],
        seed=config["seed"],
        code=source_digest("evaluate.py"),
    script:
        "../workflow_scripts/evaluate.py"


# A rule of its own, so that a change of the degradations changes no plain score.
rule predict_degraded:
    """Score a shard of degraded training videos, otherwise as `predict` does."""
    input:
        manifest=shard_manifest,
        engines=all_engines(),
        folds=FOLDS,
    output:
        DEGRADED_SCORES,
    log:
        "results/logs/predict_degraded/{degradation}/{shard}.log",
    benchmark:
        "results/benchmarks/predict_degraded/{degradation}/{shard}.tsv"
    conda:
        "../envs/engines.yaml"
    threads: cores_for("predict", jobs=len(SHARDS))
    resources:
        gpu=gpus_for("predict"),
    params:
        videos=videos_of("train"),
        members=all_members(),
        scoring=scoring_params(),
        code=source_digest("predict_degraded.py"),
    script:
        "../workflow_scripts/predict_degraded.py"


rule evaluate_robustness:
    """Compute held-out rates of degraded videos, attack types and folds."""
    input:
        wait_for_manifest("train"),
        scores=each_shard(SCORES, split="train"),
        degraded=each_shard(DEGRADED_SCORES, degradation=config["evaluation"]["degradations"]),
        folds=FOLDS,
        labels=training_labels,
    output:
        robustness=ROBUSTNESS,
        groups=GROUPS,
    log:
        "results/logs/evaluate_robustness.log",
    benchmark:
        "results/benchmarks/evaluate_robustness.tsv"
    conda:
        "../envs/data.yaml"
    params:
        degradations=lookup("evaluation/degradations", within=config),
        ensemble=lookup("ensemble", within=config),
        threshold=lookup("evaluation/threshold", within=config),
        aggregate=aggregation_params(),
        seed=config["seed"],
        code=source_digest("evaluate_robustness.py"),
    script:
        "../workflow_scripts/evaluate_robustness.py"


# The runs are no inputs, since a comparison must not bring this configuration's results up to date.
# It declares no outputs, so that it prints its table whenever it is asked.
rule compare:
    """Compare two runs side by side: --config runs=[A,B]."""
    log:
        "results/logs/compare.log",
    conda:
        "../envs/data.yaml"
    params:
        runs=config.get("runs"),
        output=prefixed(COMPARISON),
        seed=config["seed"],
        code=source_digest("compare.py"),
    script:
        "../workflow_scripts/compare.py"
