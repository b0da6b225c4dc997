"""Training views: reproducible by key, different between keys; simulated attacks become spoofs."""

import random
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch

from liveness.augmentation import training_views as module
from liveness.augmentation.recapture import KINDS
from liveness.augmentation.training_views import Key, erase, recaptured, training_view
from liveness.settings.training import Augmentation
from liveness.video.preprocessing import model_input

PLAIN = Augmentation(
    crop_scale=(1.0, 1.0), hflip=0.0, vflip=0.0, color_jitter=0.0, auto_augment="", erasing=0.0
)
FRAME = np.random.default_rng(0).integers(0, 255, (120, 90, 3), dtype=np.uint8)


def test_views_are_square_uint8_pixels() -> None:
    view, label = training_view(PLAIN, 64)(FRAME, 1, (1, 0, "a.mp4", 0))
    assert label == 1
    assert view.shape == (64, 64, 3)
    assert view.dtype == torch.uint8


@pytest.mark.parametrize("policy", ["", "rand-m9-mstd0.5"])
def test_the_same_key_gives_the_same_view_whatever_was_drawn_before(policy: str) -> None:
    augmentation = Augmentation((0.5, 1.0), 0.5, 0.5, 0.2, policy, 0.25, recapture=0.5, degrade=0.5)
    keys = [(1, 2, "a.mp4", row) for row in range(8)]
    first = [training_view(augmentation, 64)(FRAME, 1, key) for key in keys]
    assert {label for _, label in first} == {0, 1}
    for seed in (random.seed, np.random.seed, torch.manual_seed):
        seed(99)
    view = training_view(augmentation, 64)
    for key, (pixels, label) in reversed(list(zip(keys, first, strict=True))):
        again, label_again = view(FRAME, 1, key)
        assert torch.equal(pixels, again)
        assert label == label_again


@pytest.mark.parametrize("policy", ["rand-m9-mstd0.5-inc1", "rand-m1", "v0"])
def test_every_draw_of_a_policy_works(policy: str) -> None:
    """Among the draws is posterising to 0 bits, which Pillow 13 refuses."""
    view = training_view(replace(PLAIN, auto_augment=policy), 16)
    small = FRAME[:20, :20]
    assert all(view(small, 1, (1, 0, "a.mp4", row))[0].shape == (16, 16, 3) for row in range(800))


@pytest.mark.parametrize(
    "key", [(2, 0, "a.mp4", 0), (1, 1, "a.mp4", 0), (1, 0, "b.mp4", 0), (1, 0, "a.mp4", 1)]
)
@pytest.mark.parametrize(
    "augmentation",
    [
        Augmentation((0.3, 0.6), 0.5, 0.0, 0.2, "", 0.0),
        replace(PLAIN, recapture=1.0),
        replace(PLAIN, degrade=1.0),
    ],
    ids=["timm", "recapture", "degrade"],
)
def test_seed_epoch_video_and_frame_each_change_the_view(key: Key, augmentation: Augmentation) -> None:
    view = training_view(augmentation, 64)
    assert not torch.equal(view(FRAME, 1, (1, 0, "a.mp4", 0))[0], view(FRAME, 1, key)[0])


def test_views_of_a_portrait_frame_include_its_edges() -> None:
    """Crops are taken from the frame resized to a square, as in inference, not from its centre."""
    frame = np.zeros((160, 90, 3), np.uint8)
    frame[:16] = 255
    view, _ = training_view(PLAIN, 64)(frame, 1, (0, 0, "a.mp4", 0))
    assert view[:4].float().mean() > 242
    assert view[10:].float().mean() < 13


def test_flips_have_the_configured_frequency() -> None:
    ramp = np.tile(np.arange(90, dtype=np.uint8)[None, :, None], (120, 1, 3))
    view = training_view(Augmentation((1.0, 1.0), 0.5, 0.0, 0.2, "", 0.0), 64)
    views = [view(ramp, 1, (0, epoch, "a.mp4", 0))[0] for epoch in range(200)]
    flipped = sum(bool(v[:, 0].float().mean() > v[:, -1].float().mean()) for v in views)
    assert 70 < flipped < 130


def test_erasing_fills_rectangles_with_the_configured_frequency() -> None:
    images = torch.full((200, 3, 32, 32), 9.0).contiguous(memory_format=torch.channels_last)
    erase(images, [f"{n}" for n in range(200)], 0.25)
    changed = (images != 9).all(1)
    erased = changed.flatten(1).any(1)
    assert 30 < erased.sum() < 70
    for mask in changed[erased]:
        rows, columns = mask.any(1).nonzero(), mask.any(0).nonzero()
        assert mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all()
        assert 0.01 < mask.float().mean() < 0.4
    assert images[erased][:, :, changed[erased].any(0)].std() > 0.5


def test_erasing_depends_only_on_the_key() -> None:
    names = [f"{n}" for n in range(20)]
    images, halves, others = torch.zeros(3, 20, 3, 32, 32)
    erase(images, names, 0.5)
    for part in (slice(10, 20), slice(10)):
        erase(halves[part], names[part], 0.5)
    assert torch.equal(images, halves)
    erase(others, [f"another {n}" for n in names], 0.5)
    assert not torch.equal(images, others)


def test_at_probability_0_frames_and_labels_are_unchanged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "recaptured", pytest.fail)
    monkeypatch.setattr(module.random_degradation, "degrade", pytest.fail)
    view = training_view(PLAIN, 64)
    expected = torch.from_numpy(model_input(model_input(FRAME, 90), 64)).float()
    for row in range(40):
        pixels, label = view(FRAME, row % 2, (1, 0, "a.mp4", row))
        assert label == row % 2
        assert (pixels - expected).abs().mean() < 13


def test_timms_transform_does_not_depend_on_recapture_and_degradations(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recipe = Augmentation((0.5, 1.0), 0.5, 0.5, 0.2, "rand-m9-mstd0.5", 0.25)
    monkeypatch.setattr(module, "recaptured", lambda frame, kind, rng: frame)
    monkeypatch.setattr(module.random_degradation, "degrade", lambda frame, rng: frame)
    off = training_view(recipe, 64)
    on = training_view(replace(recipe, recapture=1.0, degrade=1.0), 64)
    for row in range(5):
        key = (1, 0, "a.mp4", row)
        assert torch.equal(off(FRAME, 1, key)[0], on(FRAME, 1, key)[0])


def test_recaptured_live_frames_become_spoofs_and_spoofs_are_never_recaptured() -> None:
    view = training_view(replace(PLAIN, recapture=1.0), 64)
    key = (1, 0, "a.mp4", 0)
    plain, _ = training_view(PLAIN, 64)(FRAME, 0, key)
    assert view(FRAME, 1, key)[1] == 0
    assert not torch.equal(view(FRAME, 1, key)[0], plain)
    pixels, label = view(FRAME, 0, key)
    assert label == 0
    assert torch.equal(pixels, plain)


def test_probabilities_are_frequencies_and_kinds_are_equally_likely(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: Counter[str] = Counter()

    def recaptured(frame: np.ndarray, kind: str, rng: np.random.Generator) -> np.ndarray:
        seen[kind] += 1
        return frame

    def degrade(frame: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        seen["degraded"] += 1
        return frame

    monkeypatch.setattr(module, "recaptured", recaptured)
    monkeypatch.setattr(module.random_degradation, "degrade", degrade)
    view = training_view(replace(PLAIN, recapture=0.6, degrade=0.25), 16)
    small = FRAME[:20, :20]
    labels = [view(small, 1, (1, epoch, "a.mp4", row))[1] for epoch in range(30) for row in range(20)]
    spoofs = sum(seen[kind] for kind in KINDS)
    assert labels.count(0) == spoofs
    assert spoofs == pytest.approx(360, abs=48)
    assert seen["degraded"] == pytest.approx(150, abs=42)
    assert all(seen[kind] == pytest.approx(120, abs=42) for kind in KINDS)


@pytest.mark.parametrize("label", [0, 1])
def test_both_classes_and_simulated_attacks_are_degraded(label: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Degrading only one class would give away the label."""
    order: list[str] = []
    monkeypatch.setattr(module, "recaptured", lambda frame, kind, rng: order.append("recapture") or frame)
    monkeypatch.setattr(
        module.random_degradation, "degrade", lambda frame, rng: order.append("degrade") or frame
    )
    training_view(replace(PLAIN, recapture=1.0, degrade=1.0), 64)(FRAME, label, (1, 0, "a.mp4", 0))
    assert order == ["recapture"] * label + ["degrade"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_recaptured_frame_keeps_its_size_and_depends_on_its_generator(kind: str) -> None:
    frame = np.full((160, 90, 3), 128, np.uint8)
    seen = [recaptured(frame, kind, np.random.default_rng(seed)) for seed in range(3)]
    assert all(image.shape == frame.shape and image.dtype == np.uint8 for image in seen)
    assert not np.array_equal(seen[0], seen[1])
    assert np.array_equal(seen[2], recaptured(frame, kind, np.random.default_rng(2)))
