"""Exclusive use of a machine's GPUs by the jobs of every Snakemake, and every user, that runs on it.

Snakemake counts GPUs (`resources: gpu=2`) but assigns none, so concurrent jobs would all use the first. Here
a job locks one file per GPU. It is named by the GPU's UUID, since an index may mean another GPU in another
cgroup. The kernel frees the locks when the last process that has them ends, however it ends.

The environment variable GPU_LEASES names the folder of these files, or is `off` where somebody else (a
cluster's scheduler) has assigned the GPUs: jobs then use those that they see. It is said and not guessed,
since schedulers leave no trace to rely on: Snakemake's plugin for Slurm removes the SLURM_* variables.
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
# Not the folder for temporary files, which TMPDIR, Snakemake and clusters set differently for different jobs.
FOLDER = "/tmp/gpu-leases"  # noqa: S108
# What a job holds, for its children that come here again.
HELD = "GPU_LEASE_HELD"

GRACE_S, REPORT_S, POLL_S = 1.0, 60.0, 0.05

logger = logging.getLogger(__name__)


def visible_gpus() -> list[str]:
    """Ids of the GPUs that jobs may be given: those of CUDA_VISIBLE_DEVICES or, where it is not set, all.

    An id is an index in the order of nvidia-smi, or a `GPU-...` or `MIG-...` of CUDA_VISIBLE_DEVICES.
    """
    setting = os.environ.get("CUDA_VISIBLE_DEVICES")
    if setting is None:
        return [str(index) for index in range(len(_uuids()))]
    ids: list[str] = []
    for gpu in map(str.strip, setting.split(",")):
        # as CUDA reads it: what follows an id of no device is not visible
        if gpu in ("", "-1", "NoDevFiles"):
            break
        ids.append(gpu)
    return list(dict.fromkeys(ids))


def lease(gpus: int) -> list[str]:
    """Take so many GPUs for this process alone, until it and the children that it forks have ended.

    To be called before anything initialises CUDA, since it sets CUDA_VISIBLE_DEVICES; with 0 it hides all
    GPUs. Waits until as many are free, first come, first served, and says so in the log. A child that was
    started and not forked (a rank of distributed training) calls it again, to share its parent's lease and
    prolong it.

    Returns the ids. Those of a pass-through (GPU_LEASES=off) may be more than were asked for.

    Raises:
        InputError: there are fewer GPUs than asked for, or the folder of the locks cannot be used.
    """
    if gpus == 0:
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
        logger.info("this job uses no GPU")
        return []
    ids = visible_gpus()
    if gpus > len(ids):
        raise InputError(
            f"the job asks for gpu={gpus}, but this machine offers {len(ids)} ({', '.join(ids) or 'none'}); "
            "ask for less with --set-resources RULE:gpu=N, or look at CUDA_VISIBLE_DEVICES and nvidia-smi."
        )
    # so that an index means to CUDA what it means to NVML
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
            f"{error.filename}: not usable for sharing GPUs ({error.strerror}); make it accessible to all "
            f"users, or name another folder, the same for all of them, in {SETTING}."
        ) from None
    os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(taken)
    os.environ[HELD] = os.pathsep.join(map(str, taken.values()))
    logger.info("leased GPU %s", ", ".join(taken))
    return list(taken)


def _take(gpus: int, locks: dict[str, Path]) -> dict[str, Path]:
    """Lock as many of `locks` (by GPU id) as asked for, all or none; return these.

    Who waits stands in a queue for each GPU that it may get: so nobody is passed by who came later, a job for
    many GPUs gets its turn, and jobs for other GPUs pass. In the same order everywhere, hence no deadlock.

    flock itself and not the package filelock: that polls, so it serves nobody in order, and children do not
    inherit its locks.
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
        # Shared, so that children may join. Nobody slips in: who wants it exclusively is behind in the queue.
        fcntl.flock(files[gpu], fcntl.LOCK_SH)
        # kept open without an owner on purpose: the lock goes with the process and its children
        os.set_inheritable(files[gpu], True)
    for file in [*(files[gpu] for gpu in files if gpu not in taken), *queues]:
        os.close(file)
    return {gpu: locks[gpu] for gpu in taken}


def _is_free(file: int) -> bool:
    """Lock exclusively if nobody has a lock."""
    with suppress(BlockingIOError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False


@contextmanager
def _reported(sentence: str) -> Iterator[None]:
    """Log the sentence when the block has taken a moment, and then once a minute."""
    start, done = time.monotonic(), threading.Event()

    def report() -> None:
        if not done.wait(GRACE_S):
            logger.info(sentence)
        while not done.wait(REPORT_S):
            logger.info("%s, for %.0f min by now", sentence, (time.monotonic() - start) / 60)

    # a thread, since a signal would send a process that waits for a lock to the end of the queue
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
        # CUDA takes the beginning of a UUID for all of it
        name = next((uuid for uuid in uuids if uuid.startswith(gpu)), gpu)
    return f"{name.replace('/', '_')}.lock"


def _shared_folder(path: str) -> Path:
    """The folder of the locks; made, if need be, for every user to add files and to remove only their own."""
    folder = Path(path)
    with suppress(FileExistsError):
        folder.mkdir(parents=True)
        folder.chmod(0o1777)
    # systemd clears old files away, but not under a locked folder
    keeper = _open(folder)
    fcntl.flock(keeper, fcntl.LOCK_SH)
    os.set_inheritable(keeper, True)
    return folder


def _open(path: Path) -> int:
    """A descriptor to lock, which needs no more than a right to read; the file is made for all users."""
    with suppress(FileNotFoundError):
        return os.open(path, os.O_RDONLY)
    with suppress(FileExistsError):
        file = os.open(path, os.O_RDONLY | os.O_CREAT | os.O_EXCL)
        os.fchmod(file, 0o644)
        return file
    return os.open(path, os.O_RDONLY)


@cache
def _uuids() -> list[str]:
    """UUIDs of the machine's GPUs in the order of nvidia-smi; none without an NVIDIA driver."""
    # here, since most jobs use no GPU
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
