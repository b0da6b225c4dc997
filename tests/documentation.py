"""Documentation generated from code by `make docs`; tests check that it is current.

The README's graph of rules is the output of `snakemake --rulegraph`, without edges that longer
paths imply.
"""

import re
import tempfile
from collections.abc import Mapping

import networkx as nx

from dry_runs import dry_run
from rerun_table import CONFIGURATION, MODULES, ORDER
from running import ROOT
from settings_docs import configuration_page, editor_schema

README, RERUNS = ROOT / "README.md", ROOT / "docs/reruns.md"
CONFIGURATION_PAGE, SCHEMA = ROOT / "docs/configuration.md", ROOT / "schemas/config.schema.json"
PICTURE = re.compile(r"```mermaid\n.*?```", re.DOTALL)


def picture() -> str:
    """Return the demo's graph of rules as a Mermaid block."""
    with tempfile.TemporaryDirectory() as folder:
        options = ["--snakefile", str(ROOT / "Snakefile"), "--directory", folder]
        _, drawn = dry_run([*options, "--rulegraph", "mermaid-js"], ROOT)
    rules = dict(re.findall(r"^\t(id\d+)\[(\w+)\]$", drawn, re.MULTILINE))
    edges = [(rules[a], rules[b]) for a, b in re.findall(r"^\t(id\d+) --> (id\d+)$", drawn, re.MULTILINE)]
    needed = nx.transitive_reduction(nx.DiGraph(edges))
    flow = nx.lexicographical_topological_sort(needed)
    lines = [f"    {rule} --> {' & '.join(sorted(needed[rule]))}" for rule in flow if needed[rule]]
    return "\n".join(["```mermaid", "flowchart LR", *lines, "```"])


def reruns() -> str:
    """Return the table of reruns as a page."""
    keys: dict[str, list[str]] = {}
    for changes, rules in CONFIGURATION:
        (key, value), *others = changes.items()
        shown = f"{key}: {value}" if value == "auto" else key
        given = "".join(f" (with `{other}`)" for other, _ in others)
        keys.setdefault(_names(rules), []).append(f"`{shown.replace('.vit.', '.NAME.')}`{given}")
    modules: dict[str, list[str]] = {}
    for module, rules in MODULES.items():
        modules.setdefault(_names(rules), []).append(f"`{module}`")
    lines = [
        "# What reruns after a change",
        "",
        "The rules of the target `all` that rerun in a finished run after one change. All other keys have",
        "the tests' values (OpenVINO). `tests/test_reruns.py` makes each change and reads `snakemake -n`;",
        "`make docs` writes this page.",
        "",
        *_table("configuration key", keys),
        *_table("module of `workflow_scripts/liveness`", modules),
        "Threads, resources, comments and docstrings rerun nothing.",
    ]
    return "\n".join(lines) + "\n"


def _names(rules: set[str]) -> str:
    return " ".join(sorted(rules, key=ORDER.index)) or "nothing"


def _table(what: str, rows: Mapping[str, list[str]]) -> list[str]:
    ordered = sorted(rows, key=lambda rules: (rules == "nothing", -len(rules)))
    lines = [f"| {', '.join(rows[rules])} | {rules} |" for rules in ordered]
    return [f"| {what} | reruns |", "|---|---|", *lines, ""]


def write() -> None:
    RERUNS.write_text(reruns(), encoding="utf-8")
    CONFIGURATION_PAGE.write_text(configuration_page(), encoding="utf-8")
    SCHEMA.write_text(editor_schema(), encoding="utf-8")
    text = README.read_text(encoding="utf-8")
    README.write_text(PICTURE.sub(lambda _: picture(), text, count=1), encoding="utf-8")


if __name__ == "__main__":
    write()
