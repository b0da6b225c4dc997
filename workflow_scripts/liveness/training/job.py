"""Run one process of a training job, `python -m liveness.training.job JOB.json`, or under torchrun.

For several machines, put the job file on a shared disk and run on each of them:

    torchrun --nnodes 2 --nproc-per-node 8 --rdzv-backend c10d --rdzv-endpoint HOST \\
        -m liveness.training.job JOB.json

A finished job is not trained again, wherever it ran.
"""

import hashlib
import json
import logging
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from liveness.dataset.labels import read_folds
from liveness.models.checkpoint import create, save_checkpoint
from liveness.runtime import gpu_leases
from liveness.runtime.atomic_write import atomic_write
from liveness.runtime.child_process import end_with_parent
from liveness.runtime.disk import refusal
from liveness.runtime.errors import InputError
from liveness.runtime.file_digest import sha256
from liveness.settings.training import Augmentation
from liveness.training.data_loading import this_share
from liveness.training.fine_tune import fine_tune
from liveness.training.lr_finder import find_learning_rate
from liveness.training.task import Recipe, Task
from liveness.training.trackers import git_revision, make_trackers
from liveness.video.frame_store import FrameStore, frames_digest

WEIGHTS, HISTORY, PROBLEM = "weights.safetensors", "history.csv", "problem.txt"
FOUND, CURVE = "lr.json", "curve.csv"


# torchrun, which ends with this process; its own processes end with it
LAUNCHER = """
import os
from torch.distributed.run import main
from liveness.runtime.child_process import end_with_parent

end_with_parent(os.getppid())
main()
"""


@dataclass(frozen=True)
class Job:
    """Description of a training job, for one model with one fold held out.

    `recipe` holds the values of task.Recipe, `threads` is the total of all processes on this
    machine. Results are written to the folder `state`: WEIGHTS and HISTORY or, if the job is to
    find a learning rate (`find_lr`), FOUND and CURVE.
    """

    architecture: str
    image_size: int
    pretrained: bool | str
    drop_path: float
    recipe: dict[str, Any]
    frames: list[str]
    folds: str
    fold: int
    state: str
    logs: str
    threads: int
    trackers: dict[str, dict[str, Any]]
    about: dict[str, Any]
    find_lr: bool = False

    @property
    def result(self) -> Path:
        """The file that exists once the job is finished."""
        return Path(self.state, FOUND if self.find_lr else WEIGHTS)


def make_job(
    params: Mapping[str, Any],
    training: Mapping[str, Any],
    inputs: Sequence[str],
    frames: Sequence[str],
    folds: str,
    fold: int,
    run: str,
    threads: int,
    config: Mapping[str, Any],
    states: str,
    logs: str,
    find_lr: bool = False,
) -> Job:
    """Create the job of a rule.

    Its result depends on `params` and the files `inputs` only; `training` is the whole section of
    the configuration and `run` the name of the job.

    The job's state is stored under a path that no rule declares, since Snakemake deletes the
    declared outputs of failed jobs. The path contains a digest of everything the result depends on,
    so that a changed recipe never resumes from old weights.
    """
    # frames are most of the data, and extraction has stored their digest
    digests = {path: frames_digest(path) if path in frames else sha256(path) for path in inputs}
    digest = hashlib.sha256(json.dumps([params, digests], sort_keys=True).encode()).hexdigest()[:16]
    return Job(
        **{key: params[key] for key in ("architecture", "image_size", "pretrained", "drop_path")},
        recipe={**training, **params["training"], "seed": params["seed"]},
        frames=list(frames),
        folds=folds,
        fold=fold,
        state=f"{states}/{run}/{digest}",
        logs=f"{logs}/{run}",
        threads=threads,
        trackers={} if find_lr else dict(config["tracking"]),
        about={"run": run, "code": git_revision(Path(__file__).parent), "config": dict(config)},
        find_lr=find_lr,
    )


def fit(job: Job) -> None:
    """Do this process's part of the job; the first process writes the results.

    Raises:
        InputError: see fine_tune.
    """
    augmentation = Augmentation(**job.recipe["augmentation"])
    recipe = Recipe(**job.recipe | {"augmentation": augmentation})
    table = read_folds(job.folds)
    labels, held_out = table["liveness_score"], table["fold"] == job.fold
    state, share = Path(job.state), this_share()
    # all processes initialise the new head with the same random weights
    torch.manual_seed(recipe.seed)
    task = Task(
        create(job.architecture, job.image_size, job.pretrained, job.drop_path),
        FrameStore(job.frames),
        training={str(fname): label for fname, label in labels[~held_out].items()},
        validation={str(fname): label for fname, label in labels[held_out].items()},
        recipe=recipe,
        threads=max(1, job.threads // int(os.environ.get("LOCAL_WORLD_SIZE", 1))),
    )
    if job.find_lr:
        rate, curve = find_learning_rate(task, state)
        if share.rank == 0:
            with atomic_write(state / CURVE) as path:
                curve.to_csv(path, index=False)
            with atomic_write(state / FOUND) as path:
                path.write_text(json.dumps({"lr": rate}), encoding="utf-8")
        return
    checkpoint, history = fine_tune(
        task,
        state,
        Path(job.logs),
        trackers=make_trackers(job.trackers, job.about["run"], Path(job.logs), job.about)
        if share.rank == 0
        else [],
    )
    if share.rank == 0:
        with atomic_write(state / HISTORY) as path:
            history.to_csv(path, index=False)
        with atomic_write(state / WEIGHTS) as path:
            save_checkpoint(checkpoint, path)


def fit_together(job: Job, processes: int) -> None:
    """Train with `processes` processes on this machine, each on its own GPU if there are any.

    Raises:
        InputError: a process failed; the message is its error.
    """
    state = Path(job.state)
    if job.result.is_file():
        return
    file = state / "job.json"
    with atomic_write(file) as path:
        path.write_text(json.dumps(asdict(job)), encoding="utf-8")
    if processes == 1:
        fit(job)
        return
    (state / PROBLEM).unlink(missing_ok=True)
    command = [sys.executable, "-c", LAUNCHER, "--standalone"]
    command += ["--nproc-per-node", str(processes), "-m", __name__, str(file)]
    library = str(Path(__file__).parents[2])
    paths = [library, *filter(None, [os.environ.get("PYTHONPATH")])]
    done = subprocess.run(command, env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)})  # noqa: S603
    if done.returncode:
        problem = state / PROBLEM
        raise InputError(
            problem.read_text(encoding="utf-8")
            if problem.is_file()
            else refusal(state) or f"one of {processes} training processes failed; see the messages above."
        )


if __name__ == "__main__":
    # torchrun, which is killed with its job, cannot end its processes
    end_with_parent(os.getppid())
    logging.basicConfig(level=logging.INFO if this_share().rank == 0 else logging.ERROR, format="%(message)s")
    if gpu_leases.HELD in os.environ:
        gpu_leases.lease(len(gpu_leases.visible_gpus()))
    job = Job(**json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
    try:
        fit(job)
    except InputError as error:
        (Path(job.state) / PROBLEM).write_text(str(error), encoding="utf-8")
        raise
