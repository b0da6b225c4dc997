# What `snakemake --report` shows: figures, sortable tables, sheets of the worst errors.


rule plot:
    """Plot error trade-offs, score distributions and calibration."""
    input:
        wait_for_manifest("train"),
        scores=each_shard(SCORES, split="train"),
        folds=FOLDS,
        held_out=HELD_OUT,
        metrics=METRICS,
        labels=training_labels,
    output:
        det=report(
            f"{REPORT}/det.svg",
            caption="../report/det.rst",
            category="Accuracy",
            labels={"shows": "DET curve"},
        ),
        roc=report(
            f"{REPORT}/roc.svg",
            caption="../report/roc.rst",
            category="Accuracy",
            labels={"shows": "ROC curve"},
        ),
        histograms=report(
            f"{REPORT}/histograms.svg",
            caption="../report/histograms.rst",
            category="Accuracy",
            labels={"shows": "scores by class and attack"},
        ),
        reliability=report(
            f"{REPORT}/reliability.svg",
            caption="../report/reliability.rst",
            category="Accuracy",
            labels={"shows": "reliability diagram"},
        ),
        models=report(
            f"{REPORT}/models.svg",
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
        aggregate=aggregation_params(),
        seed=config["seed"],
        code=source_digest("plot.py"),
    script:
        "../workflow_scripts/plot.py"


rule plot_robustness:
    """Plot error rates of degraded videos, attack types and folds."""
    input:
        wait_for_manifest("train"),
        robustness=ROBUSTNESS,
    output:
        report(
            f"{REPORT}/robustness.svg",
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
    """Plot the learning curves of a model."""
    input:
        wait_for_manifest("train"),
        histories=histories_of,
    output:
        report(
            f"{REPORT}/training/{{model}}.svg",
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
    """Plot the curve of a model's learning-rate finder."""
    input:
        wait_for_manifest("train"),
        lr=FOUND_LR,
        curve=LR_CURVE,
    output:
        report(
            f"{REPORT}/lr/{{model}}.svg",
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


rule plot_throughput:
    """Plot and tabulate the throughput of each stage of scoring."""
    input:
        [wait_for_manifest(split) for split in SPLITS],
        **{split: each_shard(SCORES, split=split) for split in SPLITS},
    output:
        figure=report(
            f"{REPORT}/throughput.svg",
            caption="../report/throughput.rst",
            category="Speed",
            labels={"shows": "stages of scoring"},
        ),
        table=report(
            f"{REPORT}/throughput.html",
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


rule describe:
    """Summarise the training videos: results/data.md."""
    input:
        manifests=manifests_of("train"),
        folds=FOLDS,
        leakage=LEAKAGE,
        labels=training_labels,
    output:
        report(
            DATA_SUMMARY,
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


rule tabulate_results:
    """Make sortable pages of rates, held-out videos and training data."""
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
            f"{REPORT}/rates.html",
            caption="../report/rates.rst",
            category="Accuracy",
            labels={"shows": "all rates (table)"},
        ),
        videos=report(
            f"{REPORT}/videos.html",
            caption="../report/videos.rst",
            category="Errors",
            labels={"shows": "every held-out video (table)"},
        ),
        data=report(
            f"{REPORT}/data.html",
            caption="../report/data.rst",
            category="Data",
            labels={"shows": "balance and formats (tables)"},
        ),
        leakage=report(
            f"{REPORT}/leakage.html",
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
        aggregate=aggregation_params(),
        code=source_digest("tabulate_results.py"),
    script:
        "../workflow_scripts/tabulate_results.py"


rule tabulate_submission:
    """Make a sortable page of the submission."""
    input:
        wait_for_manifest("test"),
        table=SUBMISSION,
    output:
        report(
            f"{REPORT}/submission.html",
            caption="../report/submission.rst",
            category="Submission",
            labels={"shows": "scores of the test videos (table)"},
        ),
    log:
        "results/logs/tabulate_submission.log",
    benchmark:
        "results/benchmarks/tabulate_submission.tsv"
    conda:
        "../envs/data.yaml"
    params:
        title="Submission",
        code=source_digest("tabulate_csv.py"),
    script:
        "../workflow_scripts/tabulate_csv.py"


rule tabulate_parity:
    """Make a sortable page of the engines' parity."""
    input:
        wait_for_manifest(PARITY_SPLIT),
        table=PARITY,
    output:
        report(
            f"{REPORT}/parity.html",
            caption="../report/parity.rst",
            category="Engines",
            labels={"shows": "engines beside their PyTorch models (table)"},
        ),
    log:
        "results/logs/tabulate_parity.log",
    benchmark:
        "results/benchmarks/tabulate_parity.tsv"
    conda:
        "../envs/data.yaml"
    params:
        title="Engines beside their PyTorch models",
        code=source_digest("tabulate_csv.py"),
    script:
        "../workflow_scripts/tabulate_csv.py"


rule analyse_errors:
    """Show the held-out videos that were judged worst, with Grad-CAM evidence."""
    input:
        manifests=manifests_of("train"),
        scores=each_shard(SCORES, split="train"),
        weights=all_weights(),
        folds=FOLDS,
        held_out=HELD_OUT,
        labels=training_labels,
    output:
        accepts=report(
            f"{REPORT}/accepts.html",
            caption="../report/accepts.rst",
            category="Errors",
            labels={"shows": "false accepts: attacks that look live"},
        ),
        rejects=report(
            f"{REPORT}/rejects.html",
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
        videos=videos_of("train"),
        frames=frames_params(),
        members=all_members(),
        models={
            name: {key: model[key] for key in ("architecture", "image_size")}
            for name, model in config["models"].items()
        },
        code=source_digest("analyse_errors.py"),
    script:
        "../workflow_scripts/analyse_errors.py"


rule find_label_errors:
    """List and show training videos whose label is likely wrong."""
    input:
        manifests=manifests_of("train"),
        held_out=HELD_OUT,
        folds=FOLDS,
        labels=training_labels,
    output:
        table=LABEL_ERRORS,
        sheet=report(
            f"{REPORT}/label_errors.html",
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
        videos=videos_of("train"),
        frames=frames_params(),
        code=source_digest("find_label_errors.py"),
    script:
        "../workflow_scripts/find_label_errors.py"


rule preview_augmentation:
    """Show training frames, and what augmentation makes of them."""
    input:
        manifests=manifests_of("train"),
        folds=FOLDS,
    output:
        report(
            f"{REPORT}/augmentation.html",
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
        videos=videos_of("train"),
        frames=frames_params(),
        augmentation=lookup("training/augmentation", within=config),
        seed=config["seed"],
        code=source_digest("preview_augmentation.py"),
    script:
        "../workflow_scripts/preview_augmentation.py"
