# Weights -> ONNX -> engine, metadata and parity figures.


rule export:
    input:
        after_manifest(PARITY_SPLIT),
        weights=weights_of,
        frames=expand(FRAMES, split=PARITY_SPLIT, shard=SHARDS),
    output:
        sources=SOURCES,
        reference=REFERENCE,
    log:
        "results/logs/export/{model}/{fold}.log",
    benchmark:
        "results/benchmarks/export/{model}/{fold}.tsv"
    conda:
        "../envs/training.yaml"
    params:
        architecture=model_key("architecture"),
        image_size=model_key("image_size"),
        precisions=PRECISIONS,
        frames=lookup("engine/parity/frames", within=config),
        limit=lookup("engine/parity/max_difference", within=config),
        code=source_digest("export.py"),
    script:
        "../workflow_scripts/export.py"


rule compile:
    input:
        after_manifest(PARITY_SPLIT),
        sources=SOURCES,
        reference=REFERENCE,
    output:
        multiext(ENGINE, *engine_suffixes(BACKEND)),
    log:
        f"results/logs/compile/{BACKEND}/{{model}}/{{fold}}.log",
    benchmark:
        f"results/benchmarks/compile/{BACKEND}/{{model}}/{{fold}}.tsv"
    conda:
        "../envs/engines.yaml"
    params:
        engine=lookup("engine", within=config),
        precisions=PRECISIONS,
        code=source_digest("compile.py"),
    script:
        "../workflow_scripts/compile.py"
