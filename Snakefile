# From labelled and unlabelled selfie videos to results/submission.csv.
from snakemake.utils import min_version

min_version("9.27")

# A configuration given on the command line replaces the demo: merging the two would train the demo's model too.
if "models" not in config:

    configfile: workflow.source_path("config.yaml")


report: "report/workflow.rst"


include: "rules/common.smk"
include: "rules/data.smk"
include: "rules/frames.smk"
include: "rules/training.smk"
include: "rules/engines.smk"
include: "rules/inference.smk"
include: "rules/evaluation.smk"
include: "rules/report.smk"


onerror:
    print(*failures(*map(Path, log)), sep="\n", file=sys.stderr)


rule all:
    default_target: True
    input:
        SUBMISSION,
        METRICS,
        CARD,


rule manifests:
    input:
        expand(MANIFEST, split=SPLITS, shard=SHARDS),


rule frames:
    input:
        expand(FRAMES, split=PARITY_SPLIT, shard=SHARDS),


rule models:
    input:
        all_weights(),


rule engines:
    input:
        all_engines(*engine_suffixes(BACKEND)),


rule scores:
    input:
        expand(SCORES, split=SPLITS, shard=SHARDS),


rule submission:
    input:
        SUBMISSION,


rule evaluation:
    input:
        METRICS,


# What `snakemake report --report results/report.html` then puts into one page.
rule report:
    input:
        report_files,
