"""docs/architecture.md names rules, files and packages that exist."""

import re
import tomllib
from typing import NamedTuple

import pytest

from running import ROOT

PAGE = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
LIBRARY = ROOT / "workflow_scripts/liveness"
RULES = {
    name
    for path in (ROOT / "rules").glob("*.smk")
    for name in re.findall(r"^(?:rule|checkpoint) (\w+):", path.read_text(encoding="utf-8"), re.MULTILINE)
}


class Answer(NamedTuple):
    """A row of the table "Where do I find ...?", without backticks."""

    question: str
    rule: str
    script: str
    module: str
    test: str


def rows(heading: str) -> list[list[str]]:
    """Return the cells of the first table below a heading, without its head."""
    section = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip(" `") for cell in line.strip("|").split("|")] for line in lines[2:]]


ANSWERS = [Answer(*row) for row in rows("Where do I find ...?")]


def test_there_are_ten_questions() -> None:
    assert len(ANSWERS) == 10


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda answer: answer.question)
def test_every_answer_exists(answer: Answer) -> None:
    assert answer.rule in RULES
    for name in (answer.script, answer.module, answer.test):
        assert (ROOT / name).is_file(), name
    rule_files = [path.read_text(encoding="utf-8") for path in (ROOT / "rules").glob("*.smk")]
    (block,) = re.findall(
        rf"^(?:rule|checkpoint) {answer.rule}:\n(.*?)(?=^\S|\Z)",
        "\n".join(rule_files),
        re.MULTILINE | re.DOTALL,
    )
    assert f'"../{answer.script}"' in block


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda answer: answer.question)
def test_the_test_file_is_about_the_module(answer: Answer) -> None:
    module = answer.module.removeprefix("workflow_scripts/").removesuffix(".py").replace("/", ".")
    package, _, name = module.rpartition(".")
    imports = rf"from {re.escape(module)} import|from {re.escape(package)} import .*\b{name}\b|-m {module}"
    assert re.search(imports, (ROOT / answer.test).read_text(encoding="utf-8"))


def test_packages_are_the_folders_on_the_levels_of_the_linters_contract() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    (contract,) = project["tool"]["importlinter"]["contracts"]
    from_the_bottom = reversed(contract["layers"])
    levels = {name: level for level, names in enumerate(from_the_bottom, 1) for name in names.split(" | ")}
    assert {name: int(level) for level, name, _ in rows("Packages")} == levels
    folders = {path.parent.name for path in LIBRARY.glob("*/__init__.py")}
    modules = {path.stem for path in LIBRARY.glob("*.py")} - {"__init__"}
    assert set(levels) == folders | modules
