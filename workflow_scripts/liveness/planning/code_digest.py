"""Which library modules a script reaches by import, and a digest of their code.

Snakemake reruns a job when its script changes, but does not look at the modules which that script
imports. Each rule therefore carries this digest in its `params`. It is taken over the syntax tree without
docstrings and comments, so a corrected comment retrains nothing.
"""

import ast
import hashlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

# On which GPU a job runs changes no result, so an edit of how it gets one reruns nothing.
WITHOUT_EFFECT = ("runtime/gpu_leases.py", "training/trackers.py")


@cache
def source_digest(script: Path, library: Path) -> str:
    """Digest of `script` and of all modules of the package at `library` that it reaches by import.

    Modules WITHOUT_EFFECT are left out. Imports inside functions count. Module names are part of the digest.
    A process reads each file once.
    """
    digest = hashlib.sha256(_code(script))
    without = {library / name for name in WITHOUT_EFFECT}
    for module in sorted(reached_modules(script, library) - without):
        digest.update(module.relative_to(library).as_posix().encode())
        digest.update(_code(module))
    return digest.hexdigest()[:16]


def reached_modules(script: Path, library: Path) -> set[Path]:
    """Files of the package at `library` that `script` imports, directly or through each other."""
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
            # `from liveness.engines import parity` may name a module or something inside one
            names = [origin, *(f"{origin}.{alias.name}" for alias in node.names)]
        else:
            continue
        for name in names:
            head, *rest = name.split(".")
            if head == package:
                found |= _files(library, rest)
    return found


def _files(library: Path, parts: list[str]) -> set[Path]:
    """The module at the dotted name and the packages that importing it runs."""
    packages = [library.joinpath(*parts[:depth], "__init__.py") for depth in range(len(parts) + 1)]
    module = [library.joinpath(*parts).with_suffix(".py")] if parts else []
    return {path for path in [*packages, *module] if path.is_file()}


def _statements(tree: ast.Module) -> Iterator[ast.AST]:
    """All statements at any depth; unlike `ast.walk`, this spares the many expressions in them."""
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
    """The syntax tree as text, without docstrings, comments and positions."""
    tree = _tree(source)
    for node in (tree, *_statements(tree)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and (
            ast.get_docstring(node, clean=False) is not None
        ):
            node.body = node.body[1:]
    return ast.dump(tree, annotate_fields=False).encode()
