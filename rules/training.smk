# Frame shards + folds -> weights of one model on one fold.


# At the start of a run, since `export` would find the same after a whole training. Trainings follow
# it, so it must never run where they need not: what is tried is in its path, so that a try that
# fails leaves those of other networks, and neither the engine nor the code is a param (for finished
# weights `export` is the better try). An ancient input would not do: Snakemake (9.27) does not look
# for other reasons to run a job below one that runs.
rule check_model:
    """Try a model with random weights: its image size, and its export."""
    output:
        TRIED,
    log:
        "results/logs/check_model/{model}/{tried}.log",
    benchmark:
        "results/benchmarks/check_model/{model}/{tried}.tsv"
    # before videos are decoded
    priority: 3
    conda:
        "../envs/training.yaml"
    params:
        architecture=model_key("architecture"),
        image_size=model_key("image_size"),
        drop_path=model_key("drop_path"),
    script:
        "../workflow_scripts/check_model.py"


# Once per model and not per fold: folds differ in people, not in what suits the network.
rule find_lr:
    """Find the learning rate of a model."""
    input:
        wait_for_manifest("train"),
        frames=training_frames,
        folds=FOLDS,
        pretrained=pretrained_file,
        tried=tried_model,
    output:
        lr=FOUND_LR,
        curve=LR_CURVE,
    log:
        "results/logs/find_lr/{model}.log",
    benchmark:
        "results/benchmarks/find_lr/{model}.tsv"
    conda:
        "../envs/training.yaml"
    threads: cores_for("train", jobs=len(config["models"]))
    resources:
        gpu=gpus_for("train"),
    params:
        architecture=model_key("architecture"),
        image_size=model_key("image_size"),
        pretrained=model_key("pretrained"),
        drop_path=model_key("drop_path"),
        training=training_params(
            "lr",
            "min_lr",
            "epochs",
            "warmup_epochs",
            "patience",
            "ema_decay",
            "soup",
            "soup_epochs",
        ),
        fold=lambda wildcards: trained_folds(wildcards)[0],
        seed=config["seed"],
        states=prefixed(TRAINING_STATES),
        logs=prefixed(TRAINING_LOGS),
        code=source_digest("find_lr.py"),
    script:
        "../workflow_scripts/find_lr.py"


rule train:
    """Fine-tune one model on all folds but one."""
    input:
        wait_for_manifest("train"),
        frames=training_frames,
        folds=FOLDS,
        pretrained=pretrained_file,
        lr=found_lr,
        tried=tried_model,
    output:
        weights=WEIGHTS,
        history=HISTORY,
    log:
        "results/logs/train/{model}/{fold}.log",
    benchmark:
        "results/benchmarks/train/{model}/{fold}.tsv"
    # before exports, each of which needs one core only and fits in beside other jobs
    priority: 1
    conda:
        "../envs/training.yaml"
    threads: cores_for("train", jobs=len(all_members()))
    resources:
        gpu=gpus_for("train"),
    params:
        architecture=model_key("architecture"),
        image_size=model_key("image_size"),
        pretrained=model_key("pretrained"),
        drop_path=model_key("drop_path"),
        training=training_params(),
        seed=config["seed"],
        states=prefixed(TRAINING_STATES),
        logs=prefixed(TRAINING_LOGS),
        code=source_digest("train.py"),
    script:
        "../workflow_scripts/train.py"
