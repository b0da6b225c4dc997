# Scoring of any folder by the engines of a finished run.


# Engines are no inputs of these two rules, so that neither ever compiles or trains.
rule write_scorer_config:
    """Write what `score` and the Python interface read: results/scorer.json."""
    output:
        SCORER_CONFIG,
    log:
        "results/logs/write_scorer_config.log",
    localrule: True
    conda:
        "../envs/data.yaml"
    params:
        scorer=scorer_config,
        code=source_digest("write_scorer_config.py"),
    script:
        "../workflow_scripts/write_scorer_config.py"


rule score:
    """Score a folder with the engines that are there: --config videos=FOLDER."""
    input:
        scorer=SCORER_CONFIG,
    output:
        scored_folder(config.get("videos", "videos")),
    log:
        "results/logs/score.log",
    benchmark:
        "results/benchmarks/score.tsv"
    conda:
        "../envs/engines.yaml"
    resources:
        gpu=gpus_for("predict"),
    params:
        videos=folder_to_score,
        state=state_of_folder,
        engines=state_of_engines,
        code=source_digest("score.py"),
    script:
        "../workflow_scripts/score.py"
