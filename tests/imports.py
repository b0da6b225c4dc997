"""Look at what importing a module loads."""

import subprocess
import sys

from running import ROOT


def loaded(module: str, libraries: set[str]) -> str:
    """Import a module in a new process; return the names of the `libraries` it loads."""
    program = f"import sys, {module}; print(*sorted({libraries} & set(sys.modules)))"
    command = [sys.executable, "-c", program]
    return subprocess.run(
        command, cwd=ROOT / "workflow_scripts", stdout=subprocess.PIPE, text=True, check=True
    ).stdout.strip()
