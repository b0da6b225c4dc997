"""Exclusive GPU leases, shared by all Snakemake runs and all users of a machine.

Snakemake counts GPUs (`resources: gpu=2`) but does not assign them, so concurrent jobs would all
use the first one. Here a job locks one file per GPU, named after the GPU's UUID because the same
index can mean different GPUs in different cgroups. The kernel releases a lock when the last process
that holds it ends, for whatever reason.

The environment variable GPU_LEASES names the folder of the lock files, or is `off` if something
else (a cluster's scheduler) has already assigned the GPUs; jobs then use all GPUs that they see.
This is a setting because it cannot be detected reliably: Snakemake's Slurm plugin removes the
SLURM_* variables.
"""

import fcntl
import logging
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from liveness.runtime.errors import InputError

SETTING = "GPU_LEASES"
OFF = "off"
# Not the temporary folder: TMPDIR, Snakemake and clusters set that differently from job to job.
FOLDER = "/tmp/gpu-leases"  # noqa: S108
# The lock files that a job holds, for its child processes that lease again.
HELD = "GPU_LEASE_HELD"

GRACE_S, REPORT_S, POLL_S = 1.0, 60.0, 0.05

logger = logging.getLogger(__name__)


def visible_gpus() -> list[str]:
    """Return the ids of the GPUs that jobs may use: CUDA_VISIBLE_DEVICES or, if it is not set, all.

    An id is an index in the order of nvidia-smi, or a `GPU-...` or `MIG-...` name from
    CUDA_VISIBLE_DEVICES.
    """
    setting = os.environ.get("CUDA_VISIBLE_DEVICES")
    if setting is None:
        return [str(index) for index in range(len(_uuids()))]
    ids: list[str] = []
    for gpu in map(str.strip, setting.split(",")):
        # like CUDA: an id that is no device hides all that follow it
        if gpu in ("", "-1", "NoDevFiles"):
            break
        ids.append(gpu)
    return list(dict.fromkeys(ids))


def lease(gpus: int) -> list[str]:
    """Lease `gpus` GPUs exclusively until this process and its forked children have ended.

    Call it before anything initialises CUDA, because it sets CUDA_VISIBLE_DEVICES; with 0 it hides
    all GPUs. It waits until enough GPUs are free, first come, first served, and logs that it waits.
    A child that was started rather than forked (a rank of distributed training) calls it again to
    share its parent's lease and keep it alive.

    Returns the ids of the leased GPUs. With GPU_LEASES=off these are all visible GPUs, which may be
    more than requested.

    Raises:
        InputError: the machine has fewer GPUs than requested, or the lock folder cannot be used.
    """
    if gpus == 0:
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
        logger.info("this job uses no GPU")
        return []
    ids = visible_gpus()
    if gpus > len(ids):
        raise InputError(
            f"the job asks for gpu={gpus}, but this machine offers {len(ids)} ({', '.join(ids) or 'none'}); "
            "request fewer with --set-resources RULE:gpu=N, or check CUDA_VISIBLE_DEVICES and nvidia-smi."
        )
    # makes CUDA number the GPUs as NVML does
    os.environ["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"
    setting = os.environ.get(SETTING) or FOLDER
    if setting == OFF:
        logger.info("GPUs as assigned: %s", ", ".join(ids))
        return ids
    if HELD in os.environ:
        for path in os.environ[HELD].split(os.pathsep):
            fcntl.flock(_open(Path(path)), fcntl.LOCK_SH | fcntl.LOCK_NB)
        logger.info("GPUs of the parent process: %s", ", ".join(ids))
        return ids
    try:
        folder = _shared_folder(setting)
        taken = _take(gpus, {gpu: folder / _lock_name(gpu) for gpu in ids})
    except OSError as error:
        raise InputError(
            f"{error.filename}: cannot hold the GPU locks ({error.strerror}); make it accessible to all "
            f"users, or set {SETTING} to another folder, the same for all of them."
        ) from None
    os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(taken)
    os.environ[HELD] = os.pathsep.join(map(str, taken.values()))
    logger.info("leased GPU %s", ", ".join(taken))
    return list(taken)


def _take(gpus: int, locks: dict[str, Path]) -> dict[str, Path]:
    """Lock `gpus` of the files `locks` (by GPU id), all or none, and return the locked ones.

    A waiting job queues for every GPU that it could get. So no later job overtakes it, a job that
    needs many GPUs gets its turn, and jobs for other GPUs are not held up. All jobs enter the
    queues in the same order, so they cannot deadlock.

    This uses flock rather than the package filelock, which polls (and so ignores the order of
    arrival) and whose locks are not inherited by child processes.
    """
    files = {gpu: _open(path) for gpu, path in locks.items()}
    queues = [_open(path.with_suffix(".queue")) for path in sorted(set(locks.values()))]
    with _reported(f"waiting for {gpus} of the GPUs {', '.join(locks)}"):
        for queue in queues:
            fcntl.flock(queue, fcntl.LOCK_EX)
        while len(free := [gpu for gpu, file in files.items() if _is_free(file)]) < gpus:
            for gpu in free:
                fcntl.flock(files[gpu], fcntl.LOCK_UN)
            time.sleep(POLL_S)
    taken = free[:gpus]
    for gpu in taken:
        # Shared, so that children can join. Nobody can take it exclusively in between: all others
        # that want it wait in the queue behind us.
        fcntl.flock(files[gpu], fcntl.LOCK_SH)
        # never closed, on purpose: the lock lasts as long as the process and its children
        os.set_inheritable(files[gpu], True)
    for file in [*(files[gpu] for gpu in files if gpu not in taken), *queues]:
        os.close(file)
    return {gpu: locks[gpu] for gpu in taken}


def _is_free(file: int) -> bool:
    """Lock the file exclusively if nobody holds a lock, and return whether that worked."""
    with suppress(BlockingIOError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False


@contextmanager
def _reported(sentence: str) -> Iterator[None]:
    """Log the sentence if the block takes longer than a moment, then again once a minute."""
    start, done = time.monotonic(), threading.Event()

    def report() -> None:
        if not done.wait(GRACE_S):
            logger.info(sentence)
        while not done.wait(REPORT_S):
            logger.info("%s (%.0f min so far)", sentence, (time.monotonic() - start) / 60)

    # a thread: a signal would interrupt flock and send this process to the end of the queue
    reporter = threading.Thread(target=report, daemon=True)
    reporter.start()
    try:
        yield
    finally:
        done.set()
        reporter.join()


def _lock_name(gpu: str) -> str:
    uuids = _uuids()
    if gpu.isdigit() and int(gpu) < len(uuids):
        name = uuids[int(gpu)]
    else:
        # CUDA accepts a prefix of a UUID
        name = next((uuid for uuid in uuids if uuid.startswith(gpu)), gpu)
    return f"{name.replace('/', '_')}.lock"


def _shared_folder(path: str) -> Path:
    """Return the lock folder, created so that all users can add files but only remove their own."""
    folder = Path(path)
    with suppress(FileExistsError):
        folder.mkdir(parents=True)
        folder.chmod(0o1777)
    # systemd deletes old temporary files, but not in a locked folder
    keeper = _open(folder)
    fcntl.flock(keeper, fcntl.LOCK_SH)
    os.set_inheritable(keeper, True)
    return folder


def _open(path: Path) -> int:
    """Open a file to lock it, which needs read access only; create it readable for all users."""
    with suppress(FileNotFoundError):
        return os.open(path, os.O_RDONLY)
    with suppress(FileExistsError):
        file = os.open(path, os.O_RDONLY | os.O_CREAT | os.O_EXCL)
        os.fchmod(file, 0o644)
        return file
    return os.open(path, os.O_RDONLY)


@cache
def _uuids() -> list[str]:
    """Return the UUIDs of all GPUs in nvidia-smi's order; none without an NVIDIA driver."""
    # imported here because most jobs use no GPU
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return []
    try:
        handles = map(pynvml.nvmlDeviceGetHandleByIndex, range(pynvml.nvmlDeviceGetCount()))
        return [pynvml.nvmlDeviceGetUUID(handle) for handle in handles]
    finally:
        pynvml.nvmlShutdown()
