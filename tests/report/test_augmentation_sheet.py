"""The augmentation sheet shows the chosen frames exactly as training sees them."""

from dataclasses import replace

import numpy as np
import pytest

from clips import numbered, write_clip
from liveness.augmentation.random_degradation import KINDS
from liveness.augmentation.recapture import KINDS as ATTACKS
from liveness.report.augmentation_sheet import EPOCHS, SIDE, Example, choose, middle_frames, sheet
from liveness.settings.training import Augmentation
from liveness.video.frame_store import FrameStore
from liveness.video.sampling import Sampling
from stored_frames import extract_folder

PLAIN = Augmentation((1.0, 1.0), 0.0, 0.0, 0.0, "", 0.0)
FRAME = np.random.default_rng(0).integers(0, 255, (120, 90, 3), dtype=np.uint8)
EXAMPLES = [Example("live.mp4", 0, 1, FRAME), Example("spoof.mp4", 1, 0, FRAME)]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> FrameStore:
    folder = tmp_path_factory.mktemp("videos")
    for number in range(7):
        write_clip(folder / f"{number}.mp4", numbered(8))
    return FrameStore([extract_folder(folder, folder, Sampling(3, (0.0, 1.0), short_side=96))])


def test_videos_of_both_labels_are_chosen_evenly() -> None:
    labels = {f"{number}.mp4": int(number < 5) for number in range(7)}
    chosen = choose(labels, {1: 3, 0: 4})
    assert list(chosen.items()) == [("0.mp4", 1), ("2.mp4", 1), ("4.mp4", 1), ("5.mp4", 0), ("6.mp4", 0)]
    assert choose({"0.mp4": 0}, {1: 3, 0: 3}) == {"0.mp4": 0}


def test_the_middle_frame_of_each_video_that_has_any(store: FrameStore) -> None:
    shown = middle_frames(store, {"6.mp4": 0, "unreadable.mp4": 1, "2.mp4": 1})
    assert [(example.fname, example.label) for example in shown] == [("6.mp4", 0), ("2.mp4", 1)]
    for example in shown:
        assert (store.fnames[example.row], store.indices[example.row]) == (example.fname, 1)
        assert np.array_equal(example.image, store.image(example.row))


def test_every_kind_is_shown_even_when_it_is_switched_off_and_says_so() -> None:
    cards = {card.title: card for card in sheet(EXAMPLES, PLAIN, seed=1)}
    epochs = [f"epoch {epoch}" for epoch in range(EPOCHS)]
    attacks = [kind.replace("_", " ") for kind in ATTACKS]
    assert list(cards) == ["stored", *epochs, *attacks, *KINDS]
    assert cards["stored"].pictures["live.mp4"] is FRAME
    for name in attacks:
        assert list(cards[name].pictures) == ["live.mp4"]
        assert cards[name].verdict == "now a spoof"
        assert cards[name].text == "switched off (training.augmentation.recapture is 0)"
    for name in KINDS:
        assert list(cards[name].pictures) == ["live.mp4", "spoof.mp4"]
        assert cards[name].text == "switched off (training.augmentation.degrade is 0)"
    shown = sheet(EXAMPLES, replace(PLAIN, degrade=0.25), seed=1)
    assert shown[-1].text == "probability 0.25 (training.augmentation.degrade)"


def test_epochs_are_what_training_sees_and_name_frames_whose_label_changed() -> None:
    _, first, *_ = sheet(EXAMPLES, PLAIN, seed=1)
    assert list(first.pictures) == ["live.mp4", "spoof.mp4"]
    assert first.pictures["live.mp4"].shape == (SIDE, SIDE, 3)
    assert first.pictures["live.mp4"].mean() == pytest.approx(FRAME.mean(), abs=1)
    _, first, *_ = sheet(EXAMPLES, replace(PLAIN, recapture=1.0), seed=1)
    assert list(first.pictures) == ["live.mp4, now a spoof", "spoof.mp4"]
