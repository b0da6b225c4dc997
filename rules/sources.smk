# Where videos and weights come from: the demo, or the web.


rule demo:
    """Generate the demo's videos and labels."""
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


# One rule per entry of the configuration's `fetch`. A checksum says what the files are, whatever
# the code, so there is no digest of it.
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
            folder=prefixed(DOWNLOADS),
        script:
            "../workflow_scripts/fetch.py"
