"""A real Slurm cluster of one node with two fake GPUs on this machine.

As root, `python tests/slurm_cluster.py COMMAND...` runs a command while the cluster is up; without
a command it stays up until Ctrl-C. Slurm's packages (Debian, Ubuntu) are installed if missing. The
fake GPUs are character devices: Slurm checks nothing else, and assigns them to jobs through
CUDA_VISIBLE_DEVICES like real ones.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

PACKAGES = ["slurmctld", "slurmd", "slurm-client", "munge"]
# Slurm's commands must find their configuration here, since the plugin unsets SLURM_CONF for jobs.
SYSTEM = Path("/etc/slurm")
GPUS = 2
START_S = 30.0

# More cores and memory than there are (config_overrides), so that jobs of the profile's sizes fit.
# No cgroups and no accounting, so that it works in containers. A requeued job starts again once its
# credential has expired. Jobs start at once, since there are no other users' jobs.
SLURM_CONF = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
AuthInfo=socket={folder}/munge.socket,cred_expire=5
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
DefMemPerCPU=256
SlurmdParameters=config_overrides
MinJobAge=3600
SchedulerParameters=batch_sched_delay=0,sched_interval=1
AccountingStorageType=accounting_storage/none
GresTypes=gpu
NodeName={host} NodeAddr=127.0.0.1 CPUs=32 RealMemory=128000 Gres=gpu:{gpus}
PartitionName=main Nodes={host} Default=YES
"""


def obstacle() -> str | None:
    """Return the reason why no cluster can run here, or None."""
    if os.geteuid() != 0:
        return "only root can start a Slurm"
    if not shutil.which("slurmctld") and not shutil.which("apt-get"):
        return "Slurm is not installed, and this is neither Debian nor Ubuntu"
    conf = SYSTEM / "slurm.conf"
    # a link to a temporary file was left by another such cluster that may have been killed
    if not (conf.is_symlink() and conf.readlink().is_relative_to(tempfile.gettempdir())) and conf.exists():
        return f"this machine is part of a cluster ({conf})"
    if conf.exists() and "UP" in subprocess.run(["scontrol", "ping"], capture_output=True, text=True).stdout:
        return "another one is up"
    return None


def install() -> None:
    """Install Slurm's packages if they are missing."""
    if shutil.which("slurmctld") and shutil.which("slurmd") and shutil.which("munged"):
        return
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(["apt-get", "update", "-qq"], check=True)
    subprocess.run(
        ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *PACKAGES], check=True, env=environment
    )


@contextmanager
def cluster() -> Iterator[None]:
    """Start a cluster for `sbatch`, `squeue` and other commands; remove it completely at the end.

    Raises:
        RuntimeError: no cluster can run here, or it does not start.
    """
    if reason := obstacle():
        raise RuntimeError(f"no Slurm can be started here: {reason}.")
    install()
    host = socket.gethostname().split(".")[0]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="slurm-")))
        for name in ("state", "spool"):
            (folder / name).mkdir()
        devices = [folder / f"nvidia{number}" for number in range(GPUS)]
        for device in devices:
            subprocess.run(["mknod", str(device), "c", "1", "3"], check=True)  # like /dev/null
        (folder / "munge.key").write_bytes(os.urandom(128))
        (folder / "munge.key").chmod(0o600)
        (folder / "slurm.conf").write_text(SLURM_CONF.format(host=host, folder=folder, gpus=GPUS))
        (folder / "gres.conf").write_text(
            "\n".join(f"NodeName={host} Name=gpu File={device}" for device in devices) + "\n"
        )
        SYSTEM.mkdir(exist_ok=True)
        for name in ("slurm.conf", "gres.conf"):
            link = SYSTEM / name
            link.unlink(missing_ok=True)
            link.symlink_to(folder / name)
            stack.callback(link.unlink)
        munge = ["--socket", "munge.socket", "--key-file", "munge.key", "--pid-file", "munge.pid"]
        munge += ["--log-file", "munge.log", "--seed-file", "munge.seed"]
        paths = [word if word.startswith("--") else str(folder / word) for word in munge]
        for command in (
            ["munged", "--foreground", "--force", *paths],
            ["slurmctld", "-D", "-c"],
            ["slurmd", "-D", "-c", "-N", host],
        ):
            stack.enter_context(_daemon(command))
        _wait_until_idle(folder)
        try:
            yield
        finally:
            # jobs outlive the daemons: kill their processes first, then cancel queued jobs
            subprocess.run(["scancel", "--user=root", "--signal=KILL", "--full"])
            subprocess.run(["scancel", "--user=root"])


@contextmanager
def _daemon(command: list[str]) -> Iterator[None]:
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            yield
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


def _wait_until_idle(folder: Path) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        nodes = subprocess.run(["sinfo", "--noheader", "--format=%T"], capture_output=True, text=True)
        if nodes.stdout.strip() == "idle":
            return
        time.sleep(0.2)
    logs = "\n".join(path.read_text(errors="replace") for path in sorted(folder.glob("*.log")))
    raise RuntimeError(f"Slurm did not come up within {START_S:.0f} s: {nodes.stdout}{nodes.stderr}\n{logs}")


if __name__ == "__main__":
    try:
        with cluster():
            if sys.argv[1:]:
                sys.exit(subprocess.run(sys.argv[1:]).returncode)
            print("Slurm is up: try sinfo. Ctrl-C ends it.", flush=True)
            signal.pause()
    except RuntimeError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        pass
