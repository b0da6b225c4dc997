# From labelled and unlabelled selfie videos to results/submission.csv.
from snakemake.utils import min_version

min_version("9.27")

# A configuration from the command line replaces the demo; merged, it would train the demo's model too.
if not (config.keys() & {"data", "models"} or workflow.overwrite_configfiles):

    configfile: workflow.source_path("config.yaml")


report: "report/workflow.rst"


include: "rules/common.smk"


container: config["container"]


include: "rules/storage.smk"
include: "rules/paths.smk"
include: "rules/resources.smk"
include: "rules/params.smk"
include: "rules/inputs.smk"
include: "rules/sources.smk"
include: "rules/data.smk"
include: "rules/frames.smk"
include: "rules/training.smk"
include: "rules/engines.smk"
include: "rules/inference.smk"
include: "rules/scorer.smk"
include: "rules/evaluation.smk"
include: "rules/report.smk"
include: "rules/targets.smk"
include: "rules/checks.smk"


rule all:
    """The submission, held-out rates, and what scores any folder."""
    input:
        all_files,


onerror:
    print(*failures(*map(Path, log)), sep="\n", file=sys.stderr)
