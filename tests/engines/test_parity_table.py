"""The table of parity results of all engines."""

import dataclasses
from pathlib import Path

import pandas as pd
import pytest
from exported import MAX_BATCH, Exported

from liveness.engines.compile import compile_engine
from liveness.engines.metadata import read_metadata, write_metadata
from liveness.engines.parity_table import parity_table
from running import Run


def test_passed_and_pending_engines(convnext: Exported, tmp_path: Path) -> None:
    for fold in (0, 1):
        compile_engine(
            tmp_path / str(fold),
            backend="openvino",
            precision="fp32",
            sources=convnext.onnx,
            reference=convnext.reference,
            max_batch=MAX_BATCH,
        )
    pending = read_metadata(tmp_path / "1.json")
    write_metadata(
        tmp_path / "1.json", dataclasses.replace(pending, parity=None, float32_layers=["stem", "head"])
    )
    table = parity_table({("convnext", fold): tmp_path / f"{fold}.json" for fold in (0, 1)})
    assert table["gate"].tolist() == ["pass", "pending"]
    assert table["fold"].tolist() == [0, 1] and set(table["model"]) == {"convnext"}
    assert table["float32_layers"].tolist() == ["", "stem head"]
    assert table.loc[0, "frames"] == len(convnext.reference.frames)
    assert table.loc[0, "max_difference"] < 1e-4 and table.loc[0, "eer"] == table.loc[0, "eer_reference"]
    assert pd.isna(table.loc[1, "max_difference"])


@pytest.mark.slow
def test_the_rule_writes_both_tables(finished: Run, tmp_path: Path) -> None:
    run = finished.copy(tmp_path)
    assert run.executed("parity_report") == {"parity_report": 1}
    table = pd.read_csv(run.folder / "results/parity.csv")
    assert sorted(zip(table["model"], table["fold"], strict=True)) == [
        (model, fold) for model in ("convnext", "vit") for fold in (0, 1)
    ]
    assert set(table["gate"]) == {"pass"} and set(table["backend"]) == {"openvino"}
    # labels reach the parity check
    assert table["eer"].notna().all()
    lines = (run.folder / "results/parity.md").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 2 + len(table) and lines[0].startswith("| model | fold |")
