"""Settings of scoring become the sampling and the views that scoring uses."""

import pytest

from liveness.scoring.scoring_settings import ScoringSettings
from liveness.video.preprocessing import WHOLE, View
from liveness.video.sampling import Sampling

FRAMES = {"count": 8, "window": [0.0, 0.5], "short_side": 96, "crop": "none"}


def test_sampling_and_views() -> None:
    settings = ScoringSettings(FRAMES, first=2, views=["whole", "center+hflip"], crop_side=0.5)
    sampling = settings.sampling(nvdec=True)
    assert sampling == Sampling(8, [0.0, 0.5], 96, first=2, nvdec=True)
    assert sampling.frames == 2
    assert sampling.times(8.0).tolist() == [0.0, 0.5]
    assert settings.test_views() == [View(WHOLE), View((0.25, 0.25, 0.75, 0.75), hflip=True)]


def test_a_setting_that_is_not_one_of_frames_is_refused() -> None:
    settings = ScoringSettings({"counts": 8}, first=2, views=["whole"], crop_side=0.5)
    with pytest.raises(TypeError, match="counts"):
        settings.sampling(nvdec=False)
