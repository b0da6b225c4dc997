"""The documentation: every command works as written, every link and path leads somewhere."""

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
import yaml

from documentation import PICTURE, RERUNS, picture, reruns
from dry_runs import dry_run
from running import ROOT, TARGETS, Run

README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
    for folder in (ROOT, ROOT / "docs", ROOT / "docs/decisions")
    for path in sorted(folder.glob("*.md"))
}
# programs that blocks call and that only record it (Docker and Apptainer: see test_deployment.py),
# and those that really run; a block that calls any other program fails
RECORDED = ("snakemake", "python", "uv", "make", "docker", "apptainer")
RUN = ("cp", "id")
# Options of plugins that are not installed here, with their numbers of values: commands are planned
# without them. test_slurm.py and test_storage.py run those of Slurm and S3.
PLUGINS = {
    "--workflow-profile": 1,
    "--container-image": 1,
    "--software-deployment-method": 1,
    "--apptainer-args": 1,
    "--default-storage-provider": 1,
    "--default-storage-prefix": 1,
    "--local-storage-prefix": 1,
    "--envvars": 2,
    "--aws-batch-region": 1,
    "--aws-batch-job-queue": 1,
    "--aws-batch-job-role": 1,
    "--aws-batch-task-timeout": 1,
}


def code_blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGES[page], re.MULTILINE | re.DOTALL)


def prepare(folder: Path) -> None:
    """Create what pages assume: my.yaml, FOLDER with videos, and the profiles."""
    shutil.copy(ROOT / "config.yaml", folder / "my.yaml")
    shutil.copytree(ROOT / "profiles", folder / "profiles")
    for split, table in (("train", "label.csv"), ("test", "sample_submission.csv")):
        (folder / "FOLDER" / split / "videos").mkdir(parents=True)
        (folder / "FOLDER" / split / table).write_text("fname,liveness_score\na.mp4,1\nb.mp4,0\n")
        for name in ("a.mp4", "b.mp4"):
            (folder / "FOLDER" / split / "videos" / name).touch()


def commands(page: str) -> list[tuple[str, ...]]:
    """Run a page's bash blocks with programs that only record how they are called."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder)
        programs = folder / ".venv/bin"
        programs.mkdir(parents=True)
        for program in RECORDED:
            stub = programs / program
            stub.write_text(f'#!/bin/sh\n{{ printf "%s\\0" {program} "$@"; echo; }} >> {folder}/calls\n')
            stub.chmod(0o755)
        for program in RUN:
            (programs / program).symlink_to(str(shutil.which(program)))
        script = "set -euo pipefail\n" + "".join(code_blocks(page, "bash"))
        done = subprocess.run(
            [str(shutil.which("bash"))],
            input=script,
            cwd=folder,
            env={"PATH": str(programs)},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, f"{page}: {done.stderr}"
        calls = folder / "calls"
        lines = calls.read_text(encoding="utf-8").split("\0\n") if calls.exists() else []
        return [tuple(line.split("\0")) for line in lines if line]


COMMANDS = sorted({command for page in PAGES for command in commands(page)})


def of(program: str) -> pytest.MarkDecorator:
    found = [words[1:] for words in COMMANDS if words[0] == program]
    return pytest.mark.parametrize("words", found, ids=" ".join)


def without_plugins(words: tuple[str, ...]) -> list[str]:
    kept, rest = [], list(words)
    while rest:
        word = rest.pop(0)
        option, _, value = word.partition("=")
        if option not in PLUGINS:
            kept.append(word)
        elif not value:
            del rest[: PLUGINS[option]]
    return kept


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working directory with what pages assume."""
    place = tmp_path_factory.mktemp("docs")
    prepare(place)
    return place


@pytest.mark.slow
@pytest.mark.thorough
@of("snakemake")
def test_snakemake_plans_the_command(words: tuple[str, ...], place: Path) -> None:
    planned = without_plugins(words)
    planned = [word.replace("/scratch/run1", str(place / "run1")) for word in planned]
    planned = [re.sub(r"s3://BUCKET/[\w-]+", str(place / "FOLDER/test/videos"), word) for word in planned]
    planned = [str(ROOT / word) if word.startswith("configs/") else word for word in planned]
    planned = [str(place / word) if word == "my.yaml" else word for word in planned]
    status, output = dry_run([*planned, "--snakefile", str(ROOT / "Snakefile")], place)
    assert status == 0, output


@of("make")
def test_make_plans_the_command(words: tuple[str, ...]) -> None:
    done = subprocess.run(["make", "-n", *words], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@of("python")
def test_python_finds_the_program_and_its_options(words: tuple[str, ...]) -> None:
    """test_benchmarks.py runs them all."""
    program, *arguments = words
    source = (ROOT / program).read_text(encoding="utf-8")
    for option in arguments:
        assert not option.startswith("--") or f'"{option}"' in source


def test_the_targets_are_those_of_the_workflow() -> None:
    table = README.split("## Targets")[1].split("```")[0]
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


def anchors(text: str) -> set[str]:
    """Return the anchors that GitHub gives to headings."""
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    for link in re.findall(r"\]\((?!https?:)([^)]+)\)", PAGES[page]):
        name, _, anchor = link.partition("#")
        target = (ROOT / page).parent / name if name else ROOT / page
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target.read_text(encoding="utf-8")), link


@pytest.mark.parametrize("page", PAGES)
def test_files_that_are_named_exist(page: str) -> None:
    folders = "rules|workflow_scripts|liveness|tests|benchmarks|docs|profiles|configs|envs|schemas"
    suffixes = "py|smk|md|yaml|json|toml|sh|txt|ipynb"
    for name in re.findall(rf"(?<![\w./])(?:{folders})/[\w./*-]*\.(?:{suffixes})\b", PAGES[page]):
        # capitals stand for any name
        pattern = re.sub("[A-Z]{3,}", "*", name)
        assert any([*ROOT.glob(pattern), *(ROOT / "workflow_scripts").glob(pattern)]), name


@pytest.mark.parametrize("page", sorted(set(PAGES) - {"docs/reruns.md"}))
def test_configuration_keys_that_are_named_exist(page: str) -> None:
    known = set(re.findall(r"^\| `([\w.]+)` \|", PAGES["docs/configuration.md"], re.MULTILINE))
    sections = {key.rsplit(".", depth)[0] for key in known for depth in range(1, key.count(".") + 1)}
    first = "|".join(sorted({key.split(".")[0] for key in known if "." in key}))
    for key in re.findall(rf"`((?:{first})\.[\w.]*\w)[:`]", PAGES[page]):
        # folders and files have the names of some sections
        assert key in known | sections or key.rpartition(".")[2] in ("smk", "csv", "yaml", "json"), key


@pytest.mark.parametrize("page", PAGES)
def test_prose_is_at_most_100_columns_wide(page: str) -> None:
    prose = re.sub(r"^```.*?^```$", "", PAGES[page], flags=re.MULTILINE | re.DOTALL)
    prose = re.sub(r"\]\([^)]*\)", "]", prose)
    assert [line for line in prose.splitlines() if len(line) > 100 and not line.startswith("|")] == []


def test_the_readme_is_short() -> None:
    assert len(README.splitlines()) <= 120


def test_the_readme_links_every_page() -> None:
    pages = {name for name in PAGES if name.startswith("docs/") and name.count("/") == 1}
    assert pages <= set(re.findall(r"\]\((docs/[\w-]+\.md)\)", README))


def test_every_decision_is_in_the_index() -> None:
    index = PAGES["docs/decisions/README.md"]
    files = sorted(name for name in PAGES if re.match(r"docs/decisions/\d", name))
    assert [int(Path(name).name[:3]) for name in files] == list(range(1, len(files) + 1))
    for name in files:
        title, *_ = PAGES[name].splitlines()
        number, _, rest = title.removeprefix("# ").partition(". ")
        assert f"| [{number}]({Path(name).name}) | {rest} |" in index
        assert re.findall(r"^## (.*)$", PAGES[name], re.MULTILINE) == ["Context", "Decision", "Consequences"]


def test_hosted_ci_calls_commands_that_are_there() -> None:
    workflow = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8"))
    commands = [step["run"] for step in workflow["jobs"]["check"]["steps"] if "run" in step]
    assert commands[:2] == [".ci/run", "make report"]
    assert os.access(ROOT / ".ci/run", os.X_OK)


def test_faults_name_tests_that_exist() -> None:
    named = re.findall(r"`(tests/\S+\.py)::(\w+)`", PAGES["docs/reliability.md"])
    assert len(named) > 20
    for file, test in named:
        assert f"def {test}(" in (ROOT / file).read_text(encoding="utf-8"), f"{file}::{test}"
