"""Every module of the library has its tests, in a file of its name."""

from collections import Counter
from pathlib import Path

from running import ROOT

LIBRARY, TESTS = ROOT / "workflow_scripts/liveness", ROOT / "tests"
# plain dataclasses and constants: nothing to specify
EXEMPT = {
    "tests/planning/test_result_paths.py",
    "tests/runtime/test_errors.py",
    "tests/scoring/test_shard_files.py",
    "tests/training/test_task.py",
}


def file_of_tests(module: Path) -> str:
    path = TESTS / module.relative_to(LIBRARY)
    return path.with_name(f"test_{path.name}").relative_to(ROOT).as_posix()


def test_modules_and_their_tests_belong_together() -> None:
    # tests/test_settings_docs.py has those of the settings
    tested = (path for path in LIBRARY.rglob("*.py") if path.parent != LIBRARY / "settings")
    modules = {file_of_tests(path) for path in tested if path.name != "__init__.py"}
    files = {path.relative_to(ROOT).as_posix() for path in TESTS.rglob("test_*.py")}
    assert modules - files == EXEMPT, "modules without tests, or exempt ones with tests"
    # files directly in tests/ are of rules and documents, those in faults/ of the whole
    whole = {Path("tests"), Path("tests/faults")}
    strays = {name for name in files - modules if Path(name).parent not in whole}
    assert not strays, "tests of no module"


def test_names_of_test_files_are_unique_and_folders_are_no_packages() -> None:
    """Pytest imports each test file by its bare name."""
    names = Counter(path.name for path in TESTS.rglob("*.py") if path.name != "conftest.py")
    assert [name for name, count in names.items() if count > 1] == []
    assert not list(TESTS.rglob("__init__.py"))
