# Frame shards + folds -> weights of one model on one fold.


# Once per model and not per fold: folds differ in people, not in what suits the network.
rule find_lr:
    """Find the learning rate of a model."""
    input:
        wait_for_manifest("train"),
        frames=training_frames,
        folds=FOLDS,
        pretrained=pretrained_file,
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
