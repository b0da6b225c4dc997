"""Damaged videos end in frames or in a reason; none is lost, none stalls or kills its process.

`make test` tries 200 of them, `make fuzz` MUTANTS (2,000).
"""

import os
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from damage import MUTATIONS, mutant, write_films

from liveness.runtime.workers import Crash, bounded_map
from liveness.settings.limits import DEFAULT_LIMITS
from liveness.video.decoder import VideoError, probe
from liveness.video.sampling import Sampling, read_video

MANY = int(os.environ.get("MUTANTS", "2000"))
Record = Callable[[str, object], None]
# far less than limits.seconds, far more than a damaged film of some seconds needs anywhere
SECONDS = 60


@pytest.mark.parametrize(
    ("films", "mutants"), [(8, 200), pytest.param(40, MANY, marks=pytest.mark.fuzz)], ids=["some", "many"]
)
def test_every_damaged_video_ends_in_frames_or_a_reason(
    films: int, mutants: int, tmp_path: Path, record_property: Record
) -> None:
    sources = write_films(tmp_path / "films", films)
    folder = tmp_path / "damaged"
    folder.mkdir()
    names = []
    for seed in range(mutants):
        name, data = mutant(sources, seed)
        (folder / name).write_bytes(data)
        names.append(name)
    read = partial(read_damaged, folder)
    results = dict(bounded_map(read, names, 2, 16, SECONDS, DEFAULT_LIMITS.memory_mb))
    assert [*results] == names

    crashed = {name: result.reason for name, result in results.items() if isinstance(result, Crash)}
    # to need too much memory is a reason; to stall or to die is none
    assert not {name: reason for name, reason in crashed.items() if "limits.memory_mb" not in reason}
    answers = [result for result in results.values() if not isinstance(result, Crash)]
    outcomes = Counter(outcome for outcome, _, _ in answers)
    for outcome, _, _ in answers:
        assert outcome and "\n" not in outcome
    peak = max(memory for _, _, memory in answers)
    record_property("damaged videos tried", mutants)
    record_property("damaged videos with frames", outcomes["frames"])
    record_property("peak memory of a decoder in MB", round(peak))
    record_property("peak time of a damaged video in s", max(spent for _, spent, _ in answers))
    assert outcomes["frames"] > mutants // 4
    assert len(outcomes) > 2
    # the limit is on what a process adds to what it began with
    assert peak < DEFAULT_LIMITS.memory_mb


def test_every_kind_of_damage_is_tried(tmp_path: Path) -> None:
    films = write_films(tmp_path / "films", 3)
    names = " ".join(mutant(films, seed)[0] for seed in range(50))
    for kind in MUTATIONS:
        assert kind.__name__.strip("_") in names
    assert mutant(films, 7) == mutant(films, 7)


def read_damaged(folder: Path, name: str) -> tuple[str, float, float]:
    """Do what `manifest` and `extract` do with a video.

    Returns the outcome ("frames", or the reason that there are none), the time in s and the peak
    memory of this process in MB.
    """
    start = time.monotonic()
    outcome = _outcome(str(folder / name))
    status = Path("/proc/self/status").read_text(encoding="ascii")
    peak = int(status.partition("VmHWM:")[2].split()[0]) / 1024
    return outcome, time.monotonic() - start, peak


def _outcome(path: str) -> str:
    found = probe(path)
    if not found.readable:
        return found.problem
    try:
        sampled = read_video(path, found.duration, Sampling(count=8))
    except VideoError as error:
        return str(error).replace(path, "")
    assert len(sampled.images) == len(sampled.times) == 8
    assert all((image > 0).any() or image.size for image in sampled.images)
    return "frames"
