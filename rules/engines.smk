# Weights -> ONNX -> engine, metadata and parity figures.


rule export:
    """Export a model to ONNX, and sample frames to judge its engine by."""
    input:
        wait_for_manifest(PARITY_SPLIT),
        weights=weights_of,
        frames=training_frames,
        manifests=parity_manifests,
        folds=folds_that_trained,
    output:
        sources=ENGINE_SOURCES,
        reference=PARITY_SAMPLE,
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
        videos=videos_of(PARITY_SPLIT),
        sampling=frames_params(),
        frames=lookup("engine/parity/frames", within=config),
        limit=lookup("engine/parity/max_difference", within=config),
        code=source_digest("export.py"),
    script:
        "../workflow_scripts/export.py"


rule compile:
    """Compile an engine and validate it against its PyTorch model."""
    input:
        wait_for_manifest(PARITY_SPLIT),
        sources=exported,
        reference=PARITY_SAMPLE,
    output:
        directory(ENGINE),
    log:
        f"results/logs/compile/{BACKEND_FOLDER}/{{model}}/{{fold}}.log",
    benchmark:
        f"results/benchmarks/compile/{BACKEND_FOLDER}/{{model}}/{{fold}}.tsv"
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
    """Tabulate what the parity gate measured on every engine."""
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
        PARITY_TABLE,
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
