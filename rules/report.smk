# What `snakemake --report` shows: figures, tables that sort, sheets of the worst errors.


rule plot:
    """Figures of accuracy."""
    input:
        wait_for_manifest("train"),
        scores=each_shard(SCORES, split="train"),
        folds=FOLDS,
        held_out=HELD_OUT,
        metrics=METRICS,
        labels=training_labels,
    output:
        det=report(
            "results/report/det.svg",
            caption="../report/det.rst",
            category="Accuracy",
            labels={"shows": "DET curve"},
        ),
        roc=report(
            "results/report/roc.svg",
            caption="../report/roc.rst",
            category="Accuracy",
            labels={"shows": "ROC curve"},
        ),
        histograms=report(
            "results/report/histograms.svg",
            caption="../report/histograms.rst",
            category="Accuracy",
            labels={"shows": "scores by class and attack"},
        ),
        reliability=report(
            "results/report/reliability.svg",
            caption="../report/reliability.rst",
            category="Accuracy",
            labels={"shows": "reliability diagram"},
        ),
        models=report(
            "results/report/models.svg",
            caption="../report/models.rst",
            category="Accuracy",
            labels={"shows": "models beside the blend"},
        ),
    log:
        "results/logs/plot.log",
    benchmark:
        "results/benchmarks/plot.tsv"
    conda:
        "../envs/data.yaml"
    params:
        aggregate=AGGREGATE,
        seed=config["seed"],
        code=source_digest("plot.py"),
    script:
        "../workflow_scripts/plot.py"


rule plot_robustness:
    """Figures of damaged videos, attack types and folds."""
    input:
        wait_for_manifest("train"),
        robustness="results/robustness.csv",
    output:
        report(
            "results/report/robustness.svg",
            caption="../report/robustness.rst",
            category="Robustness",
            labels={"shows": "EER of damaged videos, attack types and folds"},
        ),
    log:
        "results/logs/plot_robustness.log",
    benchmark:
        "results/benchmarks/plot_robustness.tsv"
    conda:
        "../envs/data.yaml"
    params:
        code=source_digest("plot_robustness.py"),
    script:
        "../workflow_scripts/plot_robustness.py"


rule plot_training:
    input:
        wait_for_manifest("train"),
        histories=histories_of,
    output:
        report(
            "results/report/training/{model}.svg",
            caption="../report/training.rst",
            category="Training",
            labels={"shows": "learning curves of {model}"},
        ),
    log:
        "results/logs/plot_training/{model}.log",
    benchmark:
        "results/benchmarks/plot_training/{model}.tsv"
    conda:
        "../envs/data.yaml"
    params:
        folds=trained_folds,
        code=source_digest("plot_training.py"),
    script:
        "../workflow_scripts/plot_training.py"


rule plot_lr:
    input:
        wait_for_manifest("train"),
        lr="results/lr/{model}.json",
        curve="results/lr/{model}.csv",
    output:
        report(
            "results/report/lr/{model}.svg",
            caption="../report/lr.rst",
            category="Training",
            labels={"shows": "learning rate of {model}"},
        ),
    log:
        "results/logs/plot_lr/{model}.log",
    benchmark:
        "results/benchmarks/plot_lr/{model}.tsv"
    conda:
        "../envs/data.yaml"
    params:
        code=source_digest("plot_lr.py"),
    script:
        "../workflow_scripts/plot_lr.py"


rule preview_augmentation:
    """Training frames, and what augmentation makes of them."""
    input:
        manifests=manifests_of("train"),
        folds=FOLDS,
    output:
        report(
            "results/report/augmentation.html",
            caption="../report/augmentation.rst",
            category="Training",
            labels={"shows": "augmentation (sheet)"},
        ),
    log:
        "results/logs/preview_augmentation.log",
    benchmark:
        "results/benchmarks/preview_augmentation.tsv"
    conda:
        "../envs/training.yaml"
    params:
        videos=lambda wildcards: resolve_storage(DATA["train"]["videos"]),
        frames=frames_params(),
        augmentation=lookup("training/augmentation", within=config),
        seed=config["seed"],
        code=source_digest("preview_augmentation.py"),
    script:
        "../workflow_scripts/preview_augmentation.py"


rule plot_throughput:
    """Figure of what each stage of scoring takes."""
    input:
        [wait_for_manifest(split) for split in SPLITS],
        **{split: each_shard(SCORES, split=split) for split in SPLITS},
    output:
        figure=report(
            "results/report/throughput.svg",
            caption="../report/throughput.rst",
            category="Speed",
            labels={"shows": "stages of scoring"},
        ),
        table=report(
            "results/report/throughput.html",
            caption="../report/throughput.rst",
            category="Speed",
            labels={"shows": "stages of scoring (table)"},
        ),
    log:
        "results/logs/plot_throughput.log",
    benchmark:
        "results/benchmarks/plot_throughput.tsv"
    conda:
        "../envs/data.yaml"
    params:
        code=source_digest("plot_throughput.py"),
    script:
        "../workflow_scripts/plot_throughput.py"


rule tabulate_results:
    """Tables of rates, videos and data."""
    input:
        manifests=manifests_of("train"),
        scores=each_shard(SCORES, split="train"),
        folds=FOLDS,
        leakage=LEAKAGE,
        held_out=HELD_OUT,
        metrics=METRICS,
        labels=training_labels,
    output:
        rates=report(
            "results/report/rates.html",
            caption="../report/rates.rst",
            category="Accuracy",
            labels={"shows": "all rates (table)"},
        ),
        videos=report(
            "results/report/videos.html",
            caption="../report/videos.rst",
            category="Errors",
            labels={"shows": "every held-out video (table)"},
        ),
        data=report(
            "results/report/data.html",
            caption="../report/data.rst",
            category="Data",
            labels={"shows": "balance and formats (tables)"},
        ),
        leakage=report(
            "results/report/leakage.html",
            caption="../report/leakage.rst",
            category="Data",
            labels={"shows": "near-duplicates and doubtful labels (table)"},
        ),
    log:
        "results/logs/tabulate_results.log",
    benchmark:
        "results/benchmarks/tabulate_results.tsv"
    conda:
        "../envs/data.yaml"
    params:
        aggregate=AGGREGATE,
        code=source_digest("tabulate_results.py"),
    script:
        "../workflow_scripts/tabulate_results.py"


rule tabulate_outputs:
    """Tables of the submission and of parity."""
    input:
        [wait_for_manifest(split) for split in SPLITS],
        submission=SUBMISSION,
        parity=PARITY,
    output:
        submission=report(
            "results/report/submission.html",
            caption="../report/submission.rst",
            category="Submission",
            labels={"shows": "scores of the test videos (table)"},
        ),
        parity=report(
            "results/report/parity.html",
            caption="../report/parity.rst",
            category="Engines",
            labels={"shows": "engines beside their PyTorch models (table)"},
        ),
    log:
        "results/logs/tabulate_outputs.log",
    benchmark:
        "results/benchmarks/tabulate_outputs.tsv"
    conda:
        "../envs/data.yaml"
    params:
        code=source_digest("tabulate_outputs.py"),
    script:
        "../workflow_scripts/tabulate_outputs.py"


rule analyse_errors:
    """The held-out videos that were judged worst, with what each model saw in them."""
    input:
        manifests=manifests_of("train"),
        scores=each_shard(SCORES, split="train"),
        weights=all_weights(),
        folds=FOLDS,
        held_out=HELD_OUT,
        labels=training_labels,
    output:
        accepts=report(
            "results/report/accepts.html",
            caption="../report/accepts.rst",
            category="Errors",
            labels={"shows": "false accepts: attacks that look live"},
        ),
        rejects=report(
            "results/report/rejects.html",
            caption="../report/rejects.rst",
            category="Errors",
            labels={"shows": "false rejects: live videos that look like attacks"},
        ),
    log:
        "results/logs/analyse_errors.log",
    benchmark:
        "results/benchmarks/analyse_errors.tsv"
    conda:
        "../envs/training.yaml"
    params:
        videos=lambda wildcards: resolve_storage(DATA["train"]["videos"]),
        frames=frames_params(),
        members=all_members(),
        models={
            name: {key: model[key] for key in ("architecture", "image_size")}
            for name, model in config["models"].items()
        },
        code=source_digest("analyse_errors.py"),
    script:
        "../workflow_scripts/analyse_errors.py"
