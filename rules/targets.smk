# The targets: rules that run nothing and name what they bring up to date.


def all_files(wildcards):
    """The submission if there are test videos, the held-out rates if there are training videos, and
    the configuration that `score` and the Python interface read.
    """
    return [
        *([SUBMISSION] if "test" in DATA else []),
        *([METRICS] if "train" in DATA else []),
        SCORER_CONFIG,
    ]


def submission_file(wildcards):
    """The submission, for a target that needs test videos."""
    needed("test")
    return SUBMISSION


def metrics_file(wildcards):
    """The held-out rates, for a target that needs training videos."""
    needed("train")
    return METRICS


def report_files(wildcards):
    """All that the report shows: some of it only with training or test videos, or of models trained
    here.
    """
    files = [*rules.plot_throughput.output, *rules.tabulate_parity.output]
    if "test" in DATA:
        files += [SUBMISSION, *rules.tabulate_submission.output]
    if "train" in DATA:
        files += [METRICS, DATA_SUMMARY]
        drawn = (
            rules.plot,
            rules.plot_robustness,
            rules.tabulate_results,
            rules.analyse_errors,
            rules.find_label_errors,
        )
        files += [path for rule in drawn for path in rule.output]
        models = config["models"].items()
        trained = [name for name, model in models if set(model["folds"]) - set(model["weights"])]
        files += expand(rules.plot_training.output, model=trained)
        if config["training"]["lr"] == "auto":
            files += expand(rules.plot_lr.output, model=trained)
        files += rules.preview_augmentation.output if trained else []
    return files


rule manifests:
    """Tables of the videos that were found, and why some cannot be read."""
    input:
        expand(MANIFESTS, split=SPLITS),


rule frames:
    """Stored frames of the training videos."""
    input:
        training_frames,


rule models:
    """Weights of every model and fold."""
    input:
        all_weights(),


rule engines:
    """Compiled engines that passed the parity gate."""
    input:
        all_engines(),


rule scores:
    """Scores of every frame, of test videos and of held-out ones."""
    input:
        each_shard(SCORES, split=SPLITS),


rule submission:
    """results/submission.csv: a score per test video."""
    input:
        submission_file,


rule evaluation:
    """results/metrics.json and .md: held-out rates with intervals."""
    input:
        metrics_file,


rule report:
    """What `snakemake report --report results/report.html` then puts into one page."""
    input:
        report_files,


rule clean_intermediate:
    """Remove stored frames and ONNX files. Training that follows makes its frames anew."""
    log:
        "results/logs/clean_intermediate.log",
    conda:
        "../envs/data.yaml"
    params:
        folders=[prefixed(folder) for folder in INTERMEDIATE],
    script:
        "../workflow_scripts/clean_intermediate.py"
