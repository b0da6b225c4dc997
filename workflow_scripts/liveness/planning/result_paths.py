"""Paths inside a folder of results that rules write and the library reads."""

FOLDS = "folds/folds.csv"
HELD_OUT = "blend/held_out.csv"
# patterns: {split} is train or test
SCORES = "scores/{split}/{shard}"
PREDICT_BENCHMARK = "benchmarks/predict/{split}/{shard}.tsv"
