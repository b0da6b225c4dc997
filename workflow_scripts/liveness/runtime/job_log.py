"""Logging of a job, to the terminal and to its log file."""

import logging
import sys
import warnings
from pathlib import Path
from types import TracebackType

from liveness.runtime.errors import InputError


def start_log(path: str | Path) -> None:
    """Log records and warnings to the terminal and to `path`.

    An uncaught InputError is logged as its message alone, any other exception with its traceback.
    """
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    file = logging.FileHandler(path, mode="w", encoding="utf-8")
    file.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    terminal = logging.StreamHandler(sys.stderr)
    terminal.setFormatter(logging.Formatter("%(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[file, terminal], force=True)
    logging.captureWarnings(True)
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    sys.excepthook = _report


def _report(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, InputError):
        logging.getLogger(__name__).error("%s", error)
    else:
        logging.getLogger(__name__).critical("the job failed", exc_info=(kind, error, trace))
