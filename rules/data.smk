# Videos -> manifests and folds.


# The one checkpoint. It lists videos and cuts them into shards; it knows no labels.
checkpoint manifest:
    """List and probe the videos of a split: one table per shard."""
    input:
        videos=folder_of_videos,
    output:
        # a folder, since Snakemake would search for each of thousands of files
        directory(MANIFESTS),
    log:
        "results/logs/manifest/{split}.log",
    benchmark:
        "results/benchmarks/manifest/{split}.tsv"
    # so that mistakes in either folder show at once
    priority: 2
    conda:
        "../envs/data.yaml"
    params:
        shards=len(SHARDS),
        state=state_of_videos,
        cache=lambda wildcards: prefixed(expand(PROBES, **wildcards)[0]),
        code=source_digest("manifest.py"),
    script:
        "../workflow_scripts/manifest.py"


rule folds:
    """Assign training videos to folds that no person and no near-duplicate straddles."""
    input:
        manifests=manifests_of("train"),
        frames=training_frames,
        # params say what counts in them
        labels=lambda wildcards: ancient(training_labels(wildcards)),
    output:
        folds=FOLDS,
        leakage=report(
            LEAKAGE,
            caption="../report/leakage.rst",
            category="Data",
            labels={"shows": "leakage.json (file)"},
        ),
    log:
        "results/logs/folds.log",
    benchmark:
        "results/benchmarks/folds.tsv"
    conda:
        "../envs/data.yaml"
    params:
        folds=lookup("folds", within=config),
        seed=config["seed"],
        labels=labels_digest,
        code=source_digest("folds.py"),
    script:
        "../workflow_scripts/folds.py"
