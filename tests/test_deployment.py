"""Container images, without building them: files, pins and commands match the rest."""

import os
import re
import shlex
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from snakemake.cli import parse_args

from liveness.settings.configuration import Configuration
from running import ROOT, job_table

DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
DEFINITION = (ROOT / "apptainer.def").read_text(encoding="utf-8")
INSTALL = ROOT / "envs/container.sh"
DOCS = (ROOT / "docs/deployment.md").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
# python3 versions of distributions
PYTHONS = {"ubuntu24.04": "3.12"}
INSIDE = "/opt/liveness/"


def instructions(name: str) -> list[str]:
    """Return the arguments of all instructions of one kind in the Dockerfile, in order."""
    joined = DOCKERFILE.replace("\\\n", " ")
    return [line.split(maxsplit=1)[1] for line in joined.splitlines() if line.startswith(f"{name} ")]


def section(name: str) -> list[str]:
    """Return the lines of a section in Apptainer's definition file."""
    (text,) = re.findall(rf"^%{name}\n(.*?)(?=^%|\Z)", DEFINITION, re.MULTILINE | re.DOTALL)
    return [line.strip() for line in text.splitlines() if line.strip()]


def base() -> tuple[str, str]:
    """Return the CUDA version and the distribution of the base image."""
    (tag,) = [argument.removeprefix("CUDA=") for argument in instructions("ARG") if "CUDA=" in argument]
    found = re.fullmatch(r"(\d+\.\d+\.\d+)-runtime-(ubuntu\d+\.\d+)", tag)
    assert found, tag
    return found[1], found[2]


def test_both_images_have_one_pinned_base() -> None:
    assert instructions("FROM") == ["nvidia/cuda:${CUDA}"]
    version, system = base()
    assert f"\nFrom: nvidia/cuda:{version}-runtime-{system}\n" in DEFINITION
    assert f"CUDA={version}-devel-{system}" in DOCS


def test_cuda_is_of_the_locked_pytorchs_major_version() -> None:
    lock = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    (runtime,) = re.findall(r"^nvidia-cuda-runtime==(\d+)\.", lock, re.MULTILINE)
    assert base()[0].split(".")[0] == runtime


def test_every_python_may_run_the_project() -> None:
    allowed = SpecifierSet(PROJECT["requires-python"])
    conda = [
        yaml.safe_load(path.read_text(encoding="utf-8"))["dependencies"][0].removeprefix("python=")
        for path in (ROOT / "envs").glob("*.yaml")
    ]
    assert len(conda) == 3
    assert all(python in allowed for python in [*conda, PYTHONS[base()[1]]])


def test_the_user_is_not_root() -> None:
    *_, user = instructions("USER")
    assert DOCKERFILE.index(f"USER {user}") < DOCKERFILE.index("ENTRYPOINT")
    (uid,) = re.findall(rf"useradd --uid (\d+) .*{user}", DOCKERFILE)
    assert int(uid) >= 1000


def test_what_is_copied_is_there_and_in_git() -> None:
    copied = [word for line in instructions("COPY") for word in shlex.split(line)[:-1]]
    copied += [line.split()[0] for line in section("files")]
    assert copied
    for name in copied:
        listed = subprocess.run(
            ["git", "ls-files", name], cwd=ROOT, capture_output=True, text=True, check=True
        )
        assert listed.stdout or not (ROOT / ".git").exists(), name
        assert (ROOT / name).exists(), name


def test_the_build_context_leaves_out_what_git_does() -> None:
    def entries(name: str) -> set[str]:
        lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
        return {line.strip("/").removeprefix("**/") for line in lines if line and not line.startswith("#")}

    assert entries(".gitignore") | {".git"} <= entries(".dockerignore")


def test_both_images_install_by_the_same_script_and_find_the_same() -> None:
    script = f"{INSIDE}{INSTALL.relative_to(ROOT).as_posix()}"
    assert instructions("RUN")[0].split() == [script, "${EXTRAS}"]
    assert section("post") == [script]
    assert os.access(INSTALL, os.X_OK)
    (docker,) = instructions("ENV")
    exported = " ".join(line.removeprefix("export ") for line in section("environment"))
    assert docker.replace("${PATH}", "$PATH") == exported
    assert shlex.split(section("runscript")[0])[1:4] == re.findall(
        r'"([^"]+)"', instructions("ENTRYPOINT")[0]
    )


def test_the_script_installs_the_lock_as_make_does() -> None:
    subprocess.run(["bash", "-n", INSTALL], check=True)
    script = INSTALL.read_text(encoding="utf-8")
    makefile = (
        (ROOT / "Makefile").read_text(encoding="utf-8").replace("\\\n\t  ", "").replace("$(BIN)", ".venv/bin")
    )
    by_make = re.findall(
        r"^\t(\.venv/bin/(?:pip|uv pip) install .*--require-hashes.*)", makefile, re.MULTILINE
    )
    by_script = re.findall(r"^(\.venv/bin/(?:pip|uv pip) install .*--require-hashes.*)", script, re.MULTILINE)
    options = re.compile(r" --(no-cache-dir|no-cache|quiet|disable-pip-version-check)\b")
    assert by_script
    assert {options.sub("", line) for line in by_script} <= {options.sub("", line) for line in by_make}


def test_the_script_finds_uv_in_the_lock() -> None:
    (command,) = re.findall(r"<\((sed .*?)\)", INSTALL.read_text(encoding="utf-8"))
    found = subprocess.run(shlex.split(command), cwd=ROOT, capture_output=True, text=True, check=True).stdout
    first, *others = found.splitlines()
    assert Requirement(first.rstrip(" \\")).name == "uv"
    assert "--hash=sha256:" in others[0]


def test_the_documented_extras_are_the_projects() -> None:
    extras = re.findall(r"EXTRAS=(\w+)", DOCS)
    assert extras
    assert set(extras) <= set(PROJECT["optional-dependencies"])


def test_the_image_that_is_built_is_the_one_that_jobs_look_for() -> None:
    image = Configuration.container
    assert set(re.findall(r"^apptainer build (?:--fakeroot )?(\S+)", DOCS, re.MULTILINE)) == {image}
    assert 'container: config["container"]' in (ROOT / "Snakefile").read_text(encoding="utf-8")
    assert "*.sif" in (ROOT / ".dockerignore").read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_files_of_the_definition_are_all_that_the_workflow_reads(tmp_path: Path) -> None:
    inside, work = tmp_path / "inside", tmp_path / "work"
    work.mkdir()
    for line in section("files"):
        name, target = line.split()
        assert target == INSIDE + name
        (inside / name).parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if (ROOT / name).is_dir() else shutil.copy)(ROOT / name, inside / name)
    command = [ROOT / ".venv/bin/snakemake", "--snakefile", inside / "Snakefile", "-n", "all", "report"]
    done = subprocess.run(command, cwd=work, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert {"demo", "train", "analyse_errors", "tabulate_results"} <= set(job_table(done.stdout))


def test_the_documented_commands_parse() -> None:
    commands = re.findall(r"^\.venv/bin/snakemake (.*?)(?: +#.*)?$", DOCS, re.MULTILINE)
    assert commands
    for command in commands:
        parse_args(shlex.split(command))
