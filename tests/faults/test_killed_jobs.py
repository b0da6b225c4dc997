"""A job of every rule is killed five times, and no result differs from that of a quiet run."""

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from kills import Killer, Stopwatch, attend, digests

from running import ROOT, Run, name_data, tiny_config
from web_server import SHA, serve

pytestmark = [pytest.mark.slow, pytest.mark.faults]

TIMES = 5
# what makes one job of each script of a finished run again
TARGETS = {
    "manifest": "results/manifest/train",
    "extract": "results/frames/train/0.arrow",
    "folds": "results/folds/folds.csv",
    "check_model": "results/tried/vit/4194e9512e1e.csv",
    "find_lr": "results/lr/vit.json",
    "train": "results/weights/vit/0.safetensors",
    "export": "results/exported/convnext/0.fp32.onnx",
    "compile": "results/engines/openvino/convnext/0",
    "predict": "results/scores/train/0",
    "blend": "results/blend/blend.json",
    "submit": "results/submission.csv",
    "evaluate": "results/metrics.json",
    "write_scorer_config": "results/scorer.json",
    "parity_report": "results/parity.csv",
    "describe": "results/data.md",
    "predict_degraded": "results/degraded/blur/0.parquet",
    "evaluate_robustness": "results/robustness.csv",
    "find_label_errors": "results/label_errors.csv",
    "analyse_errors": "results/report/accepts.html",
    "preview_augmentation": "results/report/augmentation.html",
    "plot": "results/report/det.svg",
    "plot_robustness": "results/report/robustness.svg",
    "plot_training": "results/report/training/vit.svg",
    "plot_lr": "results/report/lr/vit.svg",
    "plot_throughput": "results/report/throughput.svg",
    "tabulate_results": "results/report/rates.html",
    "tabulate_csv": "results/report/parity.html",
    "score": "score",
    "compare": "compare",
    "clean_intermediate": "clean_intermediate",
}
OPTIONS = {
    "score": ["--config", "videos=test"],
    "compare": ["--config", "runs=[results,results]"],
}

Record = Callable[[str, object], None]


def test_every_script_is_here() -> None:
    scripts = {path.stem for path in (ROOT / "workflow_scripts").glob("*.py")}
    assert scripts - {"demo", "fetch"} == {*TARGETS}


@pytest.mark.parametrize("script", TARGETS)
def test_no_kill_of_a_job_changes_a_result(
    script: str, finished: Run, tmp_path: Path, record_property: Record
) -> None:
    run = finished.copy(tmp_path / "run")
    config = tiny_config(evaluation={"degradations": ["blur"]})
    if script.endswith("_lr"):
        config["training"]["lr"] = "auto"
    run.configure(config)
    check(run, script, TARGETS[script], *OPTIONS.get(script, []), record=record_property)


def test_no_kill_changes_the_demo(tmp_path: Path, record_property: Record) -> None:
    run = Run(tmp_path, yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8")))
    check(run, "demo", "demo/train/labels.csv", results="demo", record=record_property)


def test_no_kill_changes_a_download(tmp_path: Path, record_property: Record) -> None:
    with serve() as server:
        source = {"url": server.url("/file"), "sha256": SHA, "to": "fetched/net.pth"}
        run = Run(tmp_path, tiny_config(fetch={"net": source}))
        name_data(tmp_path)
        check(run, "fetch", "fetched/net.pth", results="fetched", record=record_property)


def check(run: Run, script: str, *arguments: str, record: Record, results: str = "results") -> None:
    """Run a script's job in peace, and again with kills, and compare all results."""
    stopwatch = Stopwatch(script)
    status, output = attend(run, "--force", *arguments, look=stopwatch.look)
    assert status == 0, output
    quiet = digests(run.folder / results)
    killer = Killer(script, stopwatch.seconds, TIMES)
    while killer.left:
        status, output = attend(run, "--force", "--retries", str(TIMES), *arguments, look=killer.look)
        killer.hurry()
    if status:
        # the rule allows fewer tries
        output = run.snakemake("--force", *arguments)
    assert "Traceback" not in output
    assert digests(run.folder / results) == quiet
    record("jobs killed", TIMES)
