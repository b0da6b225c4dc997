"""Batches are drawn per epoch, shared among processes, and resumed after interruptions."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny_task import PLAIN, task, train

from liveness.models.checkpoint import create
from liveness.runtime.errors import InputError
from liveness.training.data_loading import (
    Share,
    TrainingSampler,
    batch_shares,
    make_loaders,
    this_share,
)


def test_the_sampler_shuffles_anew_each_epoch_and_alike_in_each_run() -> None:
    sampler, again = TrainingSampler(50, 10, seed=1), TrainingSampler(50, 10, seed=1)
    first = list(sampler)
    sampler.set_epoch(1)
    again.set_epoch(1)
    second = list(sampler)
    assert second == list(again)
    assert [position for _, position in first] != [position for _, position in second]
    assert {epoch for epoch, _ in second} == {1}
    assert sorted(position for _, position in second) == list(range(50))
    assert list(TrainingSampler(50, 10, seed=2)) != first


@given(frames=st.integers(8, 60), world=st.sampled_from([1, 2, 4]))
def test_shares_of_a_batch_hold_its_frames(frames: int, world: int) -> None:
    alone = list(TrainingSampler(frames, 8, seed=1))
    shares = [list(TrainingSampler(frames, 8, 1, Share(rank, world))) for rank in range(world)]
    assert len(alone) == frames // 8 * 8
    size = 8 // world
    for step in range(frames // 8):
        parts = [frame for share in shares for frame in share[step * size : (step + 1) * size]]
        assert parts == alone[step * 8 : (step + 1) * 8]
    assert {len(share) for share in shares} == {len(TrainingSampler(frames, 8, 1, Share(0, world)))}


def test_an_interrupted_epoch_goes_on_where_it_stopped_and_the_next_is_whole() -> None:
    uninterrupted = TrainingSampler(40, 8, seed=1)
    uninterrupted.set_epoch(3)
    resumed = TrainingSampler(40, 8, seed=1, start=(3, 16))
    assert list(resumed) == list(uninterrupted)[16:]
    resumed.set_epoch(4)
    uninterrupted.set_epoch(4)
    assert list(resumed) == list(uninterrupted)


@pytest.mark.parametrize("world", [1, 2, 3])
def test_validation_shares_are_of_one_length_and_hold_every_frame(
    frames: Path, monkeypatch: pytest.MonkeyPatch, world: int
) -> None:
    recipe, shares = replace(PLAIN, batch_size=6), []
    for rank in range(world):
        monkeypatch.setenv("RANK", str(rank))
        monkeypatch.setenv("WORLD_SIZE", str(world))
        loaders = make_loaders(task(frames, create("test_efficientnet", 64), recipe))
        shares.append(list(loaders.validation.sampler))
    assert {frame for share in shares for frame in share} == set(range(len(loaders.fnames)))
    assert {len(share) for share in shares} == {-(-len(loaders.fnames) // world)}
    assert world > 1 or shares == [sorted(shares[0])]


@pytest.mark.parametrize(
    ("batch_size", "frames_in_all", "world", "limit", "expected"),
    [
        (32, 1000, 1, 0, (32, 32, 1)),
        (64, 1000, 2, 0, (64, 32, 1)),
        (64, 1000, 2, 8, (64, 8, 4)),
        (60, 1000, 2, 8, (60, 6, 5)),
        (64, 41, 2, 0, (40, 20, 1)),
    ],
)
def test_a_batch_is_divided(
    batch_size: int, frames_in_all: int, world: int, limit: int, expected: tuple[int, int, int]
) -> None:
    assert batch_shares(batch_size, frames_in_all, world, limit) == expected


def test_a_batch_that_cannot_be_divided_is_refused() -> None:
    with pytest.raises(InputError, match="32 frames cannot be divided among 3 processes"):
        batch_shares(32, 1000, 3, 0)


@given(
    batch_size=st.integers(1, 300),
    frames=st.integers(1, 1000),
    world=st.integers(1, 8),
    limit=st.integers(0, 64),
)
def test_a_batch_is_divided_without_a_rest(batch_size: int, frames: int, world: int, limit: int) -> None:
    try:
        whole, at_once, steps = batch_shares(batch_size, frames, world, limit)
    except InputError:
        assert min(batch_size, frames // world * world) % world or frames < world
        return
    assert whole == at_once * steps * world <= min(batch_size, frames)
    assert not limit or at_once <= limit
    if limit:
        larger = [n for n in range(at_once + 1, limit + 1) if (whole // world) % n == 0]
        assert not larger, "the optimiser steps as seldom as the limit allows"


def test_the_share_is_the_one_that_torchrun_names(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    assert this_share() == Share(rank=0, world=1)
    monkeypatch.setenv("RANK", "3")
    monkeypatch.setenv("WORLD_SIZE", "8")
    assert this_share() == Share(rank=3, world=8)


def test_a_fold_without_frames_is_refused(frames: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no validation video of this fold has a stored frame"):
        make_loaders(task(frames, create("test_efficientnet", 64), validation={"absent.mp4": 1}))


def test_a_run_stopped_in_mid_epoch_goes_on_with_as_many_frames_at_once(frames: Path, tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    stopped = {"epoch": 1, "callbacks": {"Preemption": {"batches": 2, "at_once": 4}}}
    torch.save(stopped, tmp_path / "state/last.ckpt")
    with pytest.raises(InputError, match="4 frames per process and batch, now there would be 8"):
        train(frames, tmp_path)


def test_mixtures_need_pairs(frames: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="even number of frames"):
        train(frames, tmp_path, replace(PLAIN, mixup=0.2, batch_size=5))
