"""The workflow inside other workflows: as a module, twice, with a prefix, overridden, deployed."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml

from dry_runs import dry_run
from running import ROOT, TRAIN_NAMES, finished_jobs, here, job_table, name_data, tiny_config

SNAKEDEPLOY = ROOT / ".venv/snakedeploy"

TWO_INSTANCES = f"""
configfile: "config.yaml"

module liveness:
    snakefile: "{ROOT}/Snakefile"
    config: config["first"]

use rule * from liveness as pad_*

use rule train from liveness as pad_train with:
    resources:
        gpu=0,
        mem_mb=2000

module second:
    snakefile: "{ROOT}/Snakefile"
    prefix: "second"
    config: config["second"]

use rule * from second as second_*

rule all:
    default_target: True
    input:
        rules.pad_all.input,
        rules.second_all.input,
        rules.second_report.input,
"""


def planned(folder: Path, *arguments: str) -> tuple[int, str]:
    options = ["--snakefile", str(folder / "Snakefile"), "--directory", str(folder)]
    return dry_run([*options, *here(*arguments)], folder)


@pytest.fixture
def named(tmp_path: Path) -> Path:
    """A folder with names of videos and labels, which a plan does not open."""
    name_data(tmp_path)
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(tiny_config()), encoding="utf-8")
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("naming", ["", " as pad_*"])
def test_a_module_plans_the_same_jobs(named: Path, naming: str) -> None:
    (named / "Snakefile").write_text(
        f'configfile: "config.yaml"\nmodule liveness:\n    snakefile: "{ROOT}/Snakefile"\n'
        f"    config: config\nuse rule * from liveness{naming}\n",
        encoding="utf-8",
    )
    target = "pad_all" if naming else "all"
    status, output = planned(named, target)
    assert status == 0, output
    prefix = "pad_" if naming else ""
    jobs = {name.removeprefix(prefix): count for name, count in job_table(output).items()}
    assert {"manifest": 2, "train": 4, "predict": 4, "submit": 1, "evaluate": 1}.items() <= jobs.items()


@pytest.mark.slow
def test_the_first_rule_of_the_including_workflow_stays_the_default(named: Path) -> None:
    (named / "Snakefile").write_text(
        'configfile: "config.yaml"\nrule first:\n    output: "first.txt"\n    shell: "touch {output}"\n'
        f'module liveness:\n    snakefile: "{ROOT}/Snakefile"\n    config: config\n'
        "use rule * from liveness as pad_*\n",
        encoding="utf-8",
    )
    status, output = planned(named)
    assert status == 0, output
    assert job_table(output) == {"first": 1}


@pytest.mark.slow
def test_an_unknown_key_of_a_module_is_one_sentence(named: Path) -> None:
    (named / "config.yaml").write_text(yaml.safe_dump(tiny_config(shard=1)), encoding="utf-8")
    (named / "Snakefile").write_text(
        f'configfile: "config.yaml"\nmodule liveness:\n    snakefile: "{ROOT}/Snakefile"\n'
        "    config: config\nuse rule * from liveness\n",
        encoding="utf-8",
    )
    status, output = planned(named)
    assert status != 0
    assert "shard is not a known key; did you mean shards?" in output


@pytest.mark.slow
@pytest.mark.thorough
def test_two_instances_run_side_by_side(dataset: Path, tmp_path: Path) -> None:
    """The second has a prefix, one shard, another model, no test videos, and a report."""
    root = {"data_root": str(dataset)}
    first, second = tiny_config(**root), tiny_config(**root, shards=1)
    del first["models"]["vit"]
    second["models"] = {"other": second["models"].pop("vit")}
    second["evaluation"] = {"degradations": []}
    del second["data"]["test"]
    (tmp_path / "config.yaml").write_text(
        yaml.safe_dump({"first": first, "second": second}), encoding="utf-8"
    )
    (tmp_path / "Snakefile").write_text(TWO_INSTANCES, encoding="utf-8")
    command = [sys.executable, "-m", "snakemake", "--cores", "2"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    jobs = finished_jobs(done.stdout + done.stderr)
    assert {"pad_train": 2, "second_train": 2, "pad_submit": 1}.items() <= jobs.items()
    assert "second_submit" not in jobs
    assert "mem_mb=2000" in done.stdout + done.stderr
    # nothing of the second instance lies outside its prefix
    assert {path.name for path in tmp_path.iterdir()} <= {
        ".snakemake", "Snakefile", "config.yaml", "results", "second",
    }  # fmt: skip
    assert [path.name for path in (tmp_path / "second").iterdir()] == ["results"]
    assert not list((tmp_path / "results").glob("**/other*"))
    for folder in (tmp_path, tmp_path / "second"):
        held_out = pd.read_csv(folder / "results/blend/held_out.csv", dtype={"fname": str})
        assert set(held_out["fname"]) == set(TRAIN_NAMES)
        assert list((folder / "results/logs/tensorboard").glob("*/*"))
    assert (tmp_path / "second/results/report/rates.html").is_file()
    assert not (tmp_path / "second/results/report/submission.html").exists()
    again = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert "Nothing to be done" in again.stdout + again.stderr


@pytest.mark.slow
@pytest.mark.thorough
def test_snakedeploys_layout_works_from_a_clone(tmp_path: Path) -> None:
    """As docs/modules.md says: deploy, then point `snakefile:` at the clone."""
    if not SNAKEDEPLOY.is_dir():
        pytest.skip("snakedeploy is not installed: make test-thorough installs it")
    clone, deployed = tmp_path / "clone", tmp_path / "deployed"
    subprocess.run(["git", "clone", "--quiet", ROOT, clone], check=True, capture_output=True)
    deploy = "from snakedeploy.client import main; main()"
    arguments = ["deploy-workflow", str(clone), str(deployed), "--branch", "main", "--name", "liveness"]
    environment = os.environ | {"PYTHONPATH": str(SNAKEDEPLOY)}
    subprocess.run([sys.executable, "-c", deploy, *arguments], env=environment, check=True)
    written = deployed / "workflow/Snakefile"
    text = written.read_text(encoding="utf-8")
    assert '"Snakefile"' in text
    written.write_text(text.replace('"Snakefile"', f'"{clone}/Snakefile"'), encoding="utf-8")
    command = [sys.executable, "-m", "snakemake", "--cores", "2", "manifests"]
    environment = os.environ | {"PYTHONPATH": ""}
    done = subprocess.run(command, cwd=deployed, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert finished_jobs(done.stdout + done.stderr) == {"demo": 1, "manifest": 2}


@pytest.mark.slow
def test_a_rule_that_forgets_the_manifest_stops_every_plan(tmp_path: Path) -> None:
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    for name in ("Snakefile", "config.yaml"):
        shutil.copy2(ROOT / name, checkout)
    for name in ("rules", "envs", "profiles", "report", "workflow_scripts"):
        shutil.copytree(ROOT / name, checkout / name, ignore=shutil.ignore_patterns("__pycache__"))
    planted = """


rule planted:
    input:
        METRICS,
    output:
        "planted.txt",
    shell:
        "touch {output}"
"""
    with (checkout / "rules/report.smk").open("a", encoding="utf-8") as file:
        file.write(planted)
    status, output = planned(checkout)
    assert status != 0
    assert "rules that would rerun with the manifest for no reason: planted." in output
    text = (checkout / "rules/report.smk").read_text(encoding="utf-8")
    waits = text.replace(planted, planted.replace("METRICS", 'wait_for_manifest("train"), METRICS'))
    (checkout / "rules/report.smk").write_text(waits, encoding="utf-8")
    status, output = planned(checkout)
    assert status == 0, output


@pytest.mark.slow
def test_targets_that_need_test_videos_say_so(named: Path) -> None:
    config = tiny_config()
    del config["data"]["test"]
    (named / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    options = ["--snakefile", str(ROOT / "Snakefile"), "--directory", str(named)]
    options += ["--configfile", str(named / "config.yaml")]
    status, output = dry_run([*options, *here()], ROOT)
    assert status == 0, output
    assert {"train": 4, "predict": 2, "evaluate": 1}.items() <= job_table(output).items()
    assert "submit" not in job_table(output)
    status, output = dry_run([*options, *here("submission")], ROOT)
    assert status != 0
    assert "data.test is missing; this target needs its videos." in output
