"""Logging of a job, to the terminal and to its log file, up to its closing sentence."""

import errno
import logging
import os
import signal
import sys
import warnings
from pathlib import Path
from types import FrameType, TracebackType

from liveness.runtime.child_process import end_with_parent
from liveness.runtime.disk import NO_SPACE, disk_error, writing
from liveness.runtime.errors import InputError


class Stopped(BaseException):
    """A signal asked the job to stop.

    No KeyboardInterrupt, of which Lightning makes an exit without a message.
    """


def start_log(path: str | Path) -> None:
    """Log records and warnings to the terminal and to `path`; end on Ctrl-C and SIGTERM, and soon
    after Snakemake is killed.

    An uncaught InputError is logged as its message alone, as are signals and a disk that is full,
    any other exception with its traceback. Raises DiskError if the log cannot be written.
    """
    end_with_parent(os.getppid())
    terminal = logging.StreamHandler(sys.stderr)
    terminal.setFormatter(logging.Formatter("%(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[terminal], force=True)
    # a log on a full disk prints no traceback for each of its lines
    logging.raiseExceptions = False
    logging.captureWarnings(True)
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    results = Path(path).parent

    def report(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        sentence = _sentence(error, results)
        if sentence:
            logging.getLogger(__name__).error("%s", sentence)
        else:
            logging.getLogger(__name__).critical("the job failed", exc_info=(kind, error, trace))

    sys.excepthook = report
    stop_on_signals()
    with writing(path):
        results.mkdir(parents=True, exist_ok=True)
        file = logging.FileHandler(path, mode="w", encoding="utf-8")
    file.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logging.getLogger().addHandler(file)


def stop_on_signals() -> None:
    """Raise Stopped in this process when Ctrl-C or SIGTERM reach it."""
    job = os.getpid()

    def stop(number: int, _: FrameType | None) -> None:
        if os.getpid() != job:
            # a forked child ends as if there were no handler
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        raise Stopped(f"stopped by {signal.Signals(number).name}; run the same command again to continue.")

    for number in (signal.SIGINT, signal.SIGTERM):
        # nohup ignores signals
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, stop)


def _sentence(error: BaseException, results: Path) -> str | None:
    """Return the message of an error that needs no traceback."""
    if isinstance(error, InputError | Stopped):
        return str(error)
    # a missing or forbidden file may be one that was to be read, whatever its folder's disk allows
    if isinstance(error, OSError) and error.errno in (*NO_SPACE, errno.EROFS):
        problem = disk_error(error, error.filename or results)
        return str(problem) if problem else None
    return None
