# Weights -> ONNX -> engine, metadata and parity figures.


rule export:
    input:
        wait_for_manifest(PARITY_SPLIT),
        weights=weights_of,
        frames=training_frames,
        manifests=parity_manifests,
        folds=folds_that_trained,
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
        videos=lambda wildcards: resolve_storage(DATA[PARITY_SPLIT]["videos"]),
        sampling=frames_params(),
        frames=lookup("engine/parity/frames", within=config),
        limit=lookup("engine/parity/max_difference", within=config),
        code=source_digest("export.py"),
    script:
        "../workflow_scripts/export.py"


rule compile:
    input:
        wait_for_manifest(PARITY_SPLIT),
        sources=exported,
        reference=REFERENCE,
    output:
        directory(ENGINE),
    log:
        f"results/logs/compile/{ENGINES}/{{model}}/{{fold}}.log",
    benchmark:
        f"results/benchmarks/compile/{ENGINES}/{{model}}/{{fold}}.tsv"
    conda:
        "../envs/engines.yaml"
    threads: cores_for("compile", jobs=len(all_members()), without_gpu=1)
    resources:
        gpu=gpus_for("compile"),
    params:
        engine={key: config["engine"][key] for key in ("backend", "precision", "max_batch")},
        limits=parity_limits(),
        # of this back end only; both kinds of TensorRT share theirs
        options=config["engine"].get(BACKEND.removesuffix("_rtx"), {}),
        precisions=PRECISIONS,
        code=source_digest("compile.py"),
    script:
        "../workflow_scripts/compile.py"


rule parity_report:
    """What the parity gate found on every engine."""
    input:
        wait_for_manifest(PARITY_SPLIT),
        engines=all_engines(),
    output:
        report(
            PARITY,
            caption="../report/parity.rst",
            category="Engines",
            labels={"shows": "parity.csv (file)"},
        ),
        "results/parity.md",
    log:
        "results/logs/parity_report.log",
    benchmark:
        "results/benchmarks/parity_report.tsv"
    conda:
        "../envs/engines.yaml"
    params:
        members=all_members(),
        code=source_digest("parity_report.py"),
    script:
        "../workflow_scripts/parity_report.py"
