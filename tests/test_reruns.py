"""Exactly the expected rules rerun after a change of the configuration or the code."""

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from liveness.planning.code_digest import WITHOUT_EFFECT, reached_modules
from liveness.planning.schema import schema_of
from liveness.settings.configuration import Configuration
from rerun_table import (
    COMPILED,
    CONFIGURATION,
    EXPORTED,
    EXTRACTED,
    FOLDED,
    LISTED,
    MODULES,
    SCORED,
    TRAINED,
    changed,
)
from running import ROOT, Run, tiny_config

pytestmark = [pytest.mark.slow, pytest.mark.thorough]


@pytest.fixture(scope="module")
def moved(finished: Run, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The finished run, planned by a copy of the checkout, so that tests may change code."""
    checkout = tmp_path_factory.mktemp("checkout")
    for name in ("Snakefile", "config.yaml"):
        shutil.copy2(ROOT / name, checkout)
    for name in ("rules", "envs", "profiles", "report", "workflow_scripts"):
        shutil.copytree(ROOT / name, checkout / name, ignore=shutil.ignore_patterns("__pycache__"))
    run = finished.copy(tmp_path_factory.mktemp("moved"))
    # targets of the table's changed paths
    others = run.folder / "moved"
    others.mkdir()
    for name in ("train", "test", "labels.csv"):
        (others / name).symlink_to(run.folder / name)
    header, *rows = (run.folder / "labels.csv").read_text(encoding="utf-8").splitlines()
    typed = [f"{row},{'print' if number % 4 else 'replay'},{number // 2}" for number, row in enumerate(rows)]
    (others / "named.csv").write_text("\n".join([f"{header},attack,source", *typed]), encoding="utf-8")
    shutil.copy(run.folder / "results/weights/vit/0.safetensors", others / "outside.safetensors")
    shutil.copy(run.folder / "results/submission.csv", others / "sample.csv")
    return Run(run.folder, tiny_config(), checkout)


@pytest.mark.parametrize(
    ("changes", "rules"), CONFIGURATION, ids=[" ".join(changes) for changes, _ in CONFIGURATION]
)
def test_configuration_key(moved: Run, changes: dict[str, Any], rules: set[str]) -> None:
    moved.configure(changed(tiny_config(), changes))
    assert set(moved.planned()) == rules


def test_no_configuration_key_is_missing_from_the_table() -> None:
    schema = schema_of(Configuration)
    rows = {
        key.replace("models.vit", "models.*").replace("fetch.x", "fetch.*")
        for changes, _ in CONFIGURATION
        for key in changes
    }
    missing = [key for key in leaves(schema) if not any(f"{key}.".startswith(f"{row}.") for row in rows)]
    assert not missing


def leaves(schema: Mapping[str, Any], above: str = "") -> Iterator[str]:
    """Yield the dotted keys of a schema; `*` stands for names that users choose."""
    below = dict(schema.get("properties", {}))
    if schema.get("additionalProperties"):
        below["*"] = schema["additionalProperties"]
    for key, part in below.items():
        yield from leaves(part, f"{above}{key}.")
    if not below:
        yield above.rstrip(".")


def test_nothing_reruns_without_a_change(moved: Run) -> None:
    moved.configure(tiny_config())
    assert moved.planned() == {}


def test_one_models_image_size_reruns_that_model_only(moved: Run) -> None:
    config = tiny_config()
    config["models"]["vit"]["image_size"] = 64
    moved.configure(config)
    models = {"check_model": 1, "train": 2, "export": 2, "compile": 2}
    assert moved.planned() == models | {"predict": 4, "submit": 1, "blend": 1, "evaluate": 1}


def test_threads_and_gpus_rerun_nothing(moved: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    moved.configure(tiny_config())
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    gpus = [f"{rule}:gpu=4" for rule in ("train", "compile", "predict", "score", "extract")]
    assert moved.planned() == {}
    assert moved.planned("--resources", "gpu=8", "--set-resources", *gpus, "--set-threads", "extract=2") == {}


@pytest.fixture
def source(moved: Run, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A module of the copied checkout, restored afterwards."""
    moved.configure(tiny_config())
    path = moved.root / "workflow_scripts/liveness" / f"{request.param}.py"
    text = path.read_text(encoding="utf-8")
    yield path
    path.write_text(text, encoding="utf-8")


# one module of each kind is changed; for the others it suffices to know which scripts import them
EXAMPLES = {frozenset(rules): module for module, rules in MODULES.items()}


@pytest.mark.parametrize(
    ("source", "rules"), [(module, set(rules)) for rules, module in EXAMPLES.items()], indirect=["source"]
)
def test_library_module(moved: Run, source: Path, rules: set[str]) -> None:
    source.write_text(source.read_text(encoding="utf-8") + "\nADDED = 1\n", encoding="utf-8")
    assert set(moved.planned()) == rules


# rules that rerun after a rule of the target `all`, in this configuration
FOLLOWING = {
    "manifest": LISTED,
    "extract": EXTRACTED,
    "folds": FOLDED,
    "train": TRAINED,
    "export": EXPORTED,
    "compile": COMPILED,
    "predict": SCORED,
    "blend": {"blend", "evaluate"},
    "evaluate": {"evaluate"},
    "submit": {"submit"},
    "write_scorer_config": {"write_scorer_config"},
}


@pytest.mark.parametrize("module", MODULES)
def test_every_module_reaches_the_scripts_of_its_rules(module: str) -> None:
    folder = ROOT / "workflow_scripts"
    path = folder / "liveness" / f"{module}.py"
    assert path.is_file()
    reached = [
        rules
        for rule, rules in FOLLOWING.items()
        if not f"{module}.py".startswith(WITHOUT_EFFECT)
        and path in reached_modules(folder / f"{rule}.py", folder / "liveness")
    ]
    assert set().union(*reached) == MODULES[module]


def test_no_module_is_missing_from_the_table() -> None:
    library = ROOT / "workflow_scripts/liveness"
    modules = {path.relative_to(library).with_suffix("").as_posix() for path in library.rglob("*.py")}
    assert {name for name in modules if not name.endswith("__init__")} == set(MODULES)


@pytest.mark.parametrize("source", ["video/preprocessing", "engines/onnx_export"], indirect=True)
def test_docstrings_and_comments_rerun_nothing(moved: Run, source: Path) -> None:
    text = source.read_text(encoding="utf-8")
    changed = text.replace('"""', '"""Other words. ', 1) + "\n# a comment\n"
    assert changed != text
    source.write_text(changed, encoding="utf-8")
    assert moved.planned() == {}
