# Every path of the results, written once. Those that the library reads too come from it.
from liveness.engines.catalog import onnx_precisions
from liveness.planning import result_paths

try:
    PRECISIONS = onnx_precisions(config["engine"]["backend"], config["engine"]["precision"])
except InputError as error:
    raise WorkflowError(f"The configuration cannot be used.\n{error}") from None

# Large, and only needed on the way: `clean_intermediate` removes these folders.
FRAMES_FOLDER = "results/frames"
EXPORTED_FOLDER = "results/exported"
DEGRADED_FOLDER = "results/degraded"
INTERMEDIATE = [FRAMES_FOLDER, EXPORTED_FOLDER, DEGRADED_FOLDER]

# undeclared, so that they survive failed jobs: partial downloads, probed videos, training states
DOWNLOADS = "results/fetched"
PROBES = "results/manifest/{split}"
TRAINING_STATES = "results/training"
TRAINING_LOGS = "results/logs/tensorboard"

MANIFESTS = "results/manifest/{split}"
MANIFEST = f"{MANIFESTS}/{{shard}}.csv"
FRAMES = f"{FRAMES_FOLDER}/{{split}}/{{shard}}.arrow"
FOLDS = f"results/{result_paths.FOLDS}"
LEAKAGE = "results/folds/leakage.json"

TRIED = "results/tried/{model}/{tried}.csv"
FOUND_LR = "results/lr/{model}.json"
LR_CURVE = "results/lr/{model}.csv"
WEIGHTS = "results/weights/{model}/{fold}.safetensors"
HISTORY = "results/history/{model}/{fold}.csv"

# What an engine is built from: ONNX files, or a checkpoint for the torch back end.
ENGINE_SOURCES = [
    f"{EXPORTED_FOLDER}/{{model}}/{{fold}}.{suffix}"
    for suffix in [f"{precision}.onnx" for precision in PRECISIONS] or ["safetensors"]
]
PARITY_SAMPLE = f"{EXPORTED_FOLDER}/{{model}}/{{fold}}.reference.npz"
# Engines run on the kind of GPU that they were built on, so each kind has a folder.
BACKEND_FOLDER = "-".join(filter(None, [config["engine"]["backend"], config["engine"]["target"]]))
ENGINE = f"results/engines/{BACKEND_FOLDER}/{{model}}/{{fold}}"
PARITY = "results/parity.csv"
PARITY_TABLE = "results/parity.md"

SCORES = f"results/{result_paths.SCORES}"
PREDICT_BENCHMARK = f"results/{result_paths.PREDICT_BENCHMARK}"
DEGRADED_SCORES = f"{DEGRADED_FOLDER}/{{degradation}}/{{shard}}.parquet"
BLEND = "results/blend/blend.json"
HELD_OUT = f"results/{result_paths.HELD_OUT}"
SUBMISSION = "results/submission.csv"
UNREADABLE = "results/unreadable.csv"
TIMES = "results/time_submission.csv"

METRICS = "results/metrics.json"
METRICS_TABLE = "results/metrics.md"
ROBUSTNESS = "results/robustness.csv"
GROUPS = "results/groups.csv"
LABEL_ERRORS = "results/label_errors.csv"
DATA_SUMMARY = "results/data.md"
COMPARISON = "results/comparison"
REPORT = "results/report"

SCORER_CONFIG = "results/scorer.json"
SCORED = "results/scored"
