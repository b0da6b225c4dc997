"""Code digests: the changes that affect them, and the modules that a script imports."""

from pathlib import Path

import pytest

from liveness.planning.code_digest import reached_modules, source_digest
from running import ROOT

SCRIPT = "from library.a import f\n\nf()\n"
LIBRARY = {
    "__init__.py": "",
    "a.py": '"""About a."""\n\ndef f():\n    """Does."""\n    return 1  # one\n',
    "b.py": "x = 1\n",
    "parts/__init__.py": "",
    "parts/c.py": "x = 1\n",
    "parts/d.py": "x = 1\n",
}


def tree(folder: Path, script: str = SCRIPT, **files: str) -> tuple[Path, Path]:
    """Write a script and a package next to it; keys of `files` are paths with __ for slashes."""
    changed = {name.replace("__", "/") + ".py": text for name, text in files.items()}
    for name, text in (LIBRARY | changed).items():
        path = folder / "library" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    (folder / "script.py").write_text(script, encoding="utf-8")
    return folder / "script.py", folder / "library"


def reached(folder: Path, script: str, **files: str) -> set[str]:
    path, library = tree(folder, script, **files)
    return {module.relative_to(library).as_posix() for module in reached_modules(path, library)}


@pytest.mark.parametrize(
    "files",
    [
        {"a": '"""Other words."""\n\n\ndef f():\n    """Does it well."""\n    # why\n    return 1\n'},
        {"a": "def f():\n    return 1\n"},
        {"a": "def f():\n    return (1)\n"},
        {"b": "x = 2\n"},
        {"script": "'''A script.'''\nfrom library.a import f\nf()  # go\n"},
    ],
    ids=["docstrings", "no docstrings", "parentheses", "a module that is not reached", "the script's own"],
)
def test_what_changes_no_behaviour_keeps_the_digest(tmp_path: Path, files: dict[str, str]) -> None:
    assert source_digest(*tree(tmp_path / "one")) == source_digest(*tree(tmp_path / "other", **files))


@pytest.mark.parametrize(
    "files",
    [
        {"a": "def f():\n    return 2\n"},
        {"a": "def f(x=0):\n    return 1\n"},
        {"a": "def f():\n    'text'.strip()\n    return 1\n"},
        {"a": "import library.b\n\ndef f():\n    return 1\n"},
        {"script": "from library.a import f\n\nprint(f())\n"},
        {"script": "from library.b import f\n\nf()\n", "b": LIBRARY["a.py"]},
    ],
    ids=["a value", "a signature", "a statement", "an import", "the script", "another module of equal text"],
)
def test_a_change_of_code_changes_the_digest(tmp_path: Path, files: dict[str, str]) -> None:
    assert source_digest(*tree(tmp_path / "one")) != source_digest(*tree(tmp_path / "other", **files))


@pytest.mark.parametrize(
    "statement",
    [
        "import library.parts.c",
        "import library.parts.c as other",
        "from library.parts import c",
        "from library.parts.c import x",
        "def f():\n    from library.parts import c",
        "if True:\n    import os, library.parts.c",
        "from library.b import x",
    ],
)
def test_every_way_to_import_counts(tmp_path: Path, statement: str) -> None:
    found = reached(tmp_path, statement, b="from .parts.c import x\n")
    assert found - {"b.py"} == {"__init__.py", "parts/__init__.py", "parts/c.py"}


def test_modules_reach_each_other_in_circles(tmp_path: Path) -> None:
    found = reached(tmp_path, "import library.a", a="import library.b", b="from library import a")
    assert found == {"__init__.py", "a.py", "b.py"}


def test_a_relative_import_counts_from_its_package(tmp_path: Path) -> None:
    found = reached(tmp_path, "import library.parts.c", parts__c="from . import d\nfrom .. import b")
    assert found == {"__init__.py", "b.py", "parts/__init__.py", "parts/c.py", "parts/d.py"}


def test_other_packages_do_not_count(tmp_path: Path) -> None:
    assert reached(tmp_path, "import json\nimport libraryother\nfrom pathlib import Path") == set()


def test_the_packages_are_empty() -> None:
    """Otherwise importing one module would pull in everything that the package imports."""
    packages = list((ROOT / "workflow_scripts/liveness").rglob("__init__.py"))
    assert len(packages) > 10
    assert not [path for path in packages if path.read_text(encoding="utf-8").strip()]
