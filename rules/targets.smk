# The targets: rules that run nothing and name what they bring up to date.


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
