"""Every command in the README works as written, at least as a dry run."""

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from documentation import PICTURE, RERUNS, picture, reruns
from dry_runs import dry_run
from running import ROOT, TARGETS, Run

README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = [
    line.split("#")[0].strip()
    for block in re.findall(r"```bash\n(.*?)```", README, re.DOTALL)
    for line in block.splitlines()
    # commands that need a plugin run in tests/test_slurm.py and tests/test_storage.py
    if line.startswith(".venv/bin/snakemake") and not re.search("profiles/slurm|--default-storage", line)
]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working directory with the README's my.yaml and FOLDER."""
    place = tmp_path_factory.mktemp("readme")
    shutil.copy(ROOT / "config.yaml", place / "my.yaml")
    for split, table in (("train", "label.csv"), ("test", "sample_submission.csv")):
        (place / "FOLDER" / split / "videos").mkdir(parents=True)
        (place / "FOLDER" / split / table).write_text("fname,liveness_score\na.mp4,1\nb.mp4,0\n")
        for name in ("a.mp4", "b.mp4"):
            (place / "FOLDER" / split / "videos" / name).touch()
    return place


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_snakemake_command(command: str, place: Path) -> None:
    _, *words = shlex.split(command)
    words = [word.replace("/scratch/run1", str(place / "run1")) for word in words]
    words = [str(ROOT / word) if word.startswith("configs/") else word for word in words]
    status, output = dry_run([*words, "--snakefile", str(ROOT / "Snakefile")], place)
    assert status == 0, output


def test_the_make_commands_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"^make (\S+)", README, re.MULTILINE):
        assert f"\n{target}:" in makefile


def test_the_targets_are_those_of_the_workflow() -> None:
    table = README.split("## Targets and reruns")[1].split("```")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == TARGETS - {"all"}


@pytest.mark.slow
def test_every_target_says_what_it_is_for(place: Path) -> None:
    done = Run(place, yaml.safe_load((place / "my.yaml").read_text())).snakemake("--list-target-rules")
    described = set(re.findall(r"^(\w+) \(\w", done, re.MULTILINE))
    asked_for = {
        "folds",
        "score",
        "clean_intermediate",
        "describe",
        "compare",
        "evaluate_robustness",
        "find_label_errors",
        "analyse_errors",
        "parity_report",
    }
    assert described >= TARGETS | asked_for, done


@pytest.mark.slow
def test_the_picture_is_current() -> None:
    assert PICTURE.findall(README) == [picture()], "run `make docs`"


@pytest.mark.slow
@pytest.mark.thorough
def test_make_dag_draws_both_graphs() -> None:
    subprocess.run(["make", "dag"], cwd=ROOT, check=True)
    for graph in ("rulegraph", "dag"):
        drawn = (ROOT / f"results/{graph}.mmd").read_text(encoding="utf-8")
        assert "flowchart" in drawn
        assert len(re.findall("-->", drawn)) > 20
        assert "manifest" in drawn


def test_the_table_of_reruns_is_current() -> None:
    assert RERUNS.read_text(encoding="utf-8") == reruns(), "run `make docs`"


def test_links_lead_somewhere() -> None:
    for link in re.findall(r"\]\((?!http)([^)#]+)\)", README):
        assert (ROOT / link).exists(), link


def test_hosted_ci_calls_commands_that_are_there() -> None:
    workflow = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8"))
    commands = [step["run"] for step in workflow["jobs"]["check"]["steps"] if "run" in step]
    assert commands[:2] == [".ci/run", "make report"]
    assert os.access(ROOT / ".ci/run", os.X_OK)
