# Held-out scores -> blend, metrics, robustness; training videos -> tables; two runs -> their comparison.


rule blend:
    """The fitted blend, its threshold, and held-out scores."""
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
        aggregate=AGGREGATE,
        code=source_digest("blend.py"),
    script:
        "../workflow_scripts/blend.py"


# The labels again, for their attack types: folds leaves them out, so that naming an attack retrains nothing.
rule evaluate:
    """results/metrics.json and .md."""
    input:
        wait_for_manifest("train"),
        scores=each_shard(SCORES, split="train"),
        folds=FOLDS,
        blend=BLEND,
        held_out=HELD_OUT,
        labels=training_labels,
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
        evaluation={key: config["evaluation"][key] for key in ("threshold", "frame_level")},
        calibration=config["ensemble"].get("calibration"),
        aggregate=AGGREGATE,
        supplied=[name for name, model in config["models"].items() if model["weights"]],
        seed=config["seed"],
        code=source_digest("evaluate.py"),
    script:
        "../workflow_scripts/evaluate.py"


# predict once more, on damaged videos; a rule of its own, so that what it does to them changes no plain score.
rule predict_degraded:
    input:
        manifest=shard_manifest,
        engines=all_engines(),
        folds=FOLDS,
    output:
        DEGRADED,
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
        videos=lambda wildcards: resolve_storage(DATA["train"]["videos"]),
        members=all_members(),
        frames=frames_params("quality"),
        first=lookup("inference/frames", within=config),
        views=lookup("inference/views", within=config),
        crop_side=lookup("inference/crop_side", within=config),
        code=source_digest("predict_degraded.py"),
    script:
        "../workflow_scripts/predict_degraded.py"


rule evaluate_robustness:
    """Held-out rates of damaged videos, attack types and folds: will the figures hold?"""
    input:
        wait_for_manifest("train"),
        scores=each_shard(SCORES, split="train"),
        degraded=each_shard(DEGRADED, degradation=config["evaluation"]["degradations"]),
        folds=FOLDS,
        labels=training_labels,
    output:
        robustness="results/robustness.csv",
        groups="results/groups.csv",
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
        aggregate=AGGREGATE,
        seed=config["seed"],
        code=source_digest("evaluate_robustness.py"),
    script:
        "../workflow_scripts/evaluate_robustness.py"


rule find_label_errors:
    """Training videos whose label is likely wrong."""
    input:
        manifests=manifests_of("train"),
        held_out=HELD_OUT,
        folds=FOLDS,
        labels=training_labels,
    output:
        table="results/label_errors.csv",
        sheet=report(
            "results/report/label_errors.html",
            caption="../report/label_errors.rst",
            category="Data",
            labels={"shows": "labels that are likely wrong"},
        ),
    log:
        "results/logs/find_label_errors.log",
    benchmark:
        "results/benchmarks/find_label_errors.tsv"
    conda:
        "../envs/data.yaml"
    params:
        videos=lambda wildcards: resolve_storage(DATA["train"]["videos"]),
        frames=frames_params(),
        code=source_digest("find_label_errors.py"),
    script:
        "../workflow_scripts/find_label_errors.py"


rule describe:
    """results/data.md: balance, formats, near-duplicates, doubtful labels, unreadable files."""
    input:
        manifests=manifests_of("train"),
        folds=FOLDS,
        leakage=LEAKAGE,
        labels=training_labels,
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
    """Two runs side by side: --config runs=[A,B]."""
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
