# Videos -> manifests, folds. The demo makes its videos first.


rule demo:
    """Films the demo's videos."""
    output:
        train_videos=directory("demo/train/videos"),
        train_labels="demo/train/labels.csv",
        test_videos=directory("demo/test/videos"),
        test_answers="demo/test/answers.csv",
    log:
        "results/logs/demo.log",
    benchmark:
        "results/benchmarks/demo.tsv"
    conda:
        "../envs/data.yaml"
    params:
        code=source_digest("demo.py"),
    script:
        "../workflow_scripts/demo.py"


# One rule for each entry of the configuration's fetch. What its files are is known by their checksum, whatever the code.
for name, source in config["fetch"].items():

    rule:
        name:
            f"fetch_{name}"
        output:
            [
                directory(path) if key.endswith("/") else path
                for key, path in (source["unzip"] or {"": source["to"]}).items()
            ],
        log:
            f"results/logs/fetch/{name}.log",
        retries: 2
        # a cluster's nodes often have no way out
        localrule: True
        conda:
            "../envs/data.yaml"
        params:
            name=name,
            sha256=source["sha256"],
            unzip=list(source["unzip"]),
        script:
            "../workflow_scripts/fetch.py"


# The one checkpoint: which videos there are, cut into shards. It knows no labels.
checkpoint manifest:
    input:
        videos=folder_of_videos,
    output:
        # a folder, since among thousands of files Snakemake would search for each of them
        directory(MANIFESTS),
    log:
        "results/logs/manifest/{split}.log",
    benchmark:
        "results/benchmarks/manifest/{split}.tsv"
    # so that what is wrong with either folder shows at once
    priority: 2
    conda:
        "../envs/data.yaml"
    params:
        shards=len(SHARDS),
        state=state_of_videos,
        code=source_digest("manifest.py"),
    script:
        "../workflow_scripts/manifest.py"


rule folds:
    """Folds that no person and no near-duplicate straddles."""
    input:
        manifests=manifests_of("train"),
        frames=training_frames,
        # what counts in them is among the params
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
