# Manifest shard -> frame shard.


rule extract:
    """Decode and store the sampled frames of a shard's videos."""
    input:
        manifest=shard_manifest,
    output:
        FRAMES,
    log:
        "results/logs/extract/{split}/{shard}.log",
    benchmark:
        "results/benchmarks/extract/{split}/{shard}.tsv"
    conda:
        "../envs/data.yaml"
    threads: cores_for("extract", jobs=len(SHARDS))
    resources:
        gpu=gpus_for("extract"),
    params:
        videos=videos_of(None),
        frames=frames_params(),
        code=source_digest("extract.py"),
    script:
        "../workflow_scripts/extract.py"
