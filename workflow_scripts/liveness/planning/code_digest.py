"""Digest the code of a script and of all library modules it imports.

Snakemake reruns a job when its script changes, but not when a module that the script imports
changes. Each rule therefore carries this digest in its `params`. It covers the syntax tree without
docstrings and comments, so editing a comment does not retrain anything.
"""

import ast
import hashlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

# Which GPU a job gets does not change results; settings are plain data, and their values are
# params.
WITHOUT_EFFECT = ("runtime/gpu_leases.py", "training/trackers.py", "settings/")


@cache
def source_digest(script: Path, library: Path) -> str:
    """Return the digest of `script` and of the modules in the package `library` that it imports.

    Imports count at any depth, also inside functions; modules WITHOUT_EFFECT are left out. The
    digest includes module names. A process reads each file once.
    """
    digest = hashlib.sha256(_code(script))
    for module in sorted(reached_modules(script, library)):
        name = module.relative_to(library).as_posix()
        if not name.startswith(WITHOUT_EFFECT):
            digest.update(name.encode())
            digest.update(_code(module))
    return digest.hexdigest()[:16]


def reached_modules(script: Path, library: Path) -> set[Path]:
    """Return the files of the package `library` that `script` imports, directly or indirectly."""
    reached: set[Path] = set()
    waiting = [script]
    while waiting:
        for module in _imports(waiting.pop(), library) - reached:
            reached.add(module)
            waiting.append(module)
    return reached


@cache
def _imports(source: Path, library: Path) -> set[Path]:
    package = library.name
    found: set[Path] = set()
    for node in _statements(_tree(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            here = source.relative_to(library.parent).parts[: -node.level] if node.level else ()
            origin = ".".join([*here, *filter(None, [node.module])])
            # `from liveness.engines import parity` may import a module or a name from one
            names = [origin, *(f"{origin}.{alias.name}" for alias in node.names)]
        else:
            continue
        for name in names:
            head, *rest = name.split(".")
            if head == package:
                found |= _files(library, rest)
    return found


def _files(library: Path, parts: list[str]) -> set[Path]:
    """Return the module with the dotted name and the packages that importing it executes."""
    packages = [library.joinpath(*parts[:depth], "__init__.py") for depth in range(len(parts) + 1)]
    module = [library.joinpath(*parts).with_suffix(".py")] if parts else []
    return {path for path in [*packages, *module] if path.is_file()}


def _statements(tree: ast.Module) -> Iterator[ast.AST]:
    """Iterate over all nested statements; unlike `ast.walk`, this skips their many expressions."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        for block in ("body", "handlers", "orelse", "finalbody", "cases"):
            children = getattr(node, block, [])
            waiting += children
            yield from children


@cache
def _tree(source: Path) -> ast.Module:
    return ast.parse(source.read_text(encoding="utf-8"), filename=str(source))


@cache
def _code(source: Path) -> bytes:
    """Serialise the syntax tree without docstrings, comments and positions."""
    tree = _tree(source)
    for node in (tree, *_statements(tree)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and (
            ast.get_docstring(node, clean=False) is not None
        ):
            node.body = node.body[1:]
    return ast.dump(tree, annotate_fields=False).encode()
