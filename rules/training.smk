# Frame shards + folds -> weights of one model on one fold.


rule train:
    input:
        after_manifest("train"),
        frames=expand(FRAMES, split="train", shard=SHARDS),
        folds=FOLDS,
        pretrained=pretrained_file,
    output:
        weights=WEIGHTS,
        history=HISTORY,
    log:
        "results/logs/train/{model}/{fold}.log",
    benchmark:
        "results/benchmarks/train/{model}/{fold}.tsv"
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
        training=lookup("training", within=config),
        seed=config["seed"],
        code=source_digest("train.py"),
    script:
        "../workflow_scripts/train.py"
