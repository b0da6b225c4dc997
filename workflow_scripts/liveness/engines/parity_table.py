"""Results of the parity check as a table with one row per engine."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from liveness.engines.metadata import read_metadata


def parity_table(metadata: Mapping[tuple[str, int], str | Path]) -> pd.DataFrame:
    """Tabulate the engines described by `metadata`, which maps (model, fold) to .json files.

    Columns: model, fold, backend, precision, target, gate ("pass", or "pending" if the engine could
    not run where it was built), float32_layers, and the figures of Parity, empty while pending.
    Engines that fail the check have no metadata.

    Raises:
        InputError: see read_metadata.
    """
    rows = []
    for (model, fold), path in metadata.items():
        engine = read_metadata(path)
        figures = {} if engine.parity is None else vars(engine.parity)
        rows.append(
            {
                "model": model,
                "fold": fold,
                "backend": engine.backend,
                "precision": engine.precision,
                "target": engine.target,
                "gate": "pending" if engine.parity is None else "pass",
                "frames": figures.get("frames"),
                "max_difference": figures.get("max_difference"),
                "mean_difference": figures.get("mean_difference"),
                "rank_correlation": figures.get("rank_correlation"),
                "eer_reference": figures.get("eer_reference"),
                "eer": figures.get("eer"),
                "flips": figures.get("flips"),
                "float32_layers": " ".join(engine.float32_layers),
            }
        )
    return pd.DataFrame(rows)
