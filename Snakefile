# From labelled and unlabelled selfie videos to results/submission.csv.
from snakemake.utils import min_version

min_version("9.27")

# A configuration given on the command line replaces the demo: merging the two would train the demo's model too.
if not (config.keys() & {"data", "models"} or workflow.overwrite_configfiles):

    configfile: workflow.source_path("config.yaml")


report: "report/workflow.rst"


include: "rules/common.smk"


container: config["container"]


include: "rules/data.smk"
include: "rules/frames.smk"
include: "rules/training.smk"
include: "rules/engines.smk"
include: "rules/scorer.smk"
include: "rules/inference.smk"
include: "rules/evaluation.smk"
include: "rules/report.smk"


# `score` and `compare` need nothing of what results were made from.
if workflow.is_main_process and not config.keys() & {"videos", "runs"}:
    if mistakes := [*missing_paths(), *wrong_tables()]:
        raise WorkflowError("The configuration cannot be used.", *mistakes)


onerror:
    print(*failures(*map(Path, log)), sep="\n", file=sys.stderr)


rule all:
    """Submission, held-out figures and the card that `score` and the Python interface read."""
    default_target: True
    input:
        SUBMISSION,
        [METRICS] if "train" in DATA else [],
        SCORER_CONFIG,


rule manifests:
    """Which videos there are, probed; which cannot be read, and why."""
    input:
        expand(MANIFESTS, split=SPLITS),


rule frames:
    """Stored frames of the training videos."""
    input:
        training_frames,


rule models:
    """Weights of every model and fold."""
    input:
        all_weights(),


rule engines:
    """Compiled engines that passed the parity gate."""
    input:
        all_engines(),


rule scores:
    """Scores of every frame, of test videos and of held-out ones."""
    input:
        each_shard(SCORES, split=SPLITS),


rule submission:
    """results/submission.csv: a score per test video."""
    input:
        SUBMISSION,


rule evaluation:
    """results/metrics.json and .md: held-out rates with intervals."""
    input:
        METRICS,


rule report:
    """Figures, tables and sheets that `snakemake report --report results/report.html` then puts into one page."""
    input:
        report_files,


rule clean_intermediate:
    """Remove what was needed only on the way: stored frames, ONNX files. What then trains makes frames anew."""
    log:
        "results/logs/clean_intermediate.log",
    conda:
        "envs/data.yaml"
    params:
        folders=INTERMEDIATE,
    script:
        "workflow_scripts/clean_intermediate.py"
