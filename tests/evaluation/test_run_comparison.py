"""Comparison of two runs."""

import unicodedata
from pathlib import Path

import pandas as pd
import pytest

from held_out_scores import make_folds, make_scores
from liveness.ensemble.blend import BlendRecipe, held_out
from liveness.evaluation.rates import held_out_rates
from liveness.evaluation.run_comparison import compare, read_run, videos_per_second
from liveness.runtime.errors import InputError

FOLDS = make_folds()


def run(skill: float, folds: pd.DataFrame = FOLDS, seed: int = 1) -> pd.DataFrame:
    table = held_out(make_scores(folds, {"m": skill}, seed=seed), folds, BlendRecipe("mean"))
    return table.drop(columns="fold").join(folds[["liveness_score", "group"]])


def test_rates_equal_those_that_each_run_reports() -> None:
    rates = compare(run(1.0), run(3.0), seed=0)
    for column, skill in (("first", 1.0), ("second", 3.0)):
        alone = held_out_rates(run(skill).assign(attack=""), seed=0)
        for name in rates.index:
            assert rates.loc[name, column] == pytest.approx(alone[name])
            interval = rates.loc[name, [f"{column}_low", f"{column}_high"]].tolist()
            assert interval == pytest.approx(alone["intervals"][name])
    assert (rates["difference"] == rates["second"] - rates["first"]).all()
    assert rates.loc["eer", "difference_high"] < 0 < rates.loc["auc", "difference_low"]
    assert set(rates["videos"]) == {240}


def test_a_run_does_not_differ_from_itself() -> None:
    rates = compare(run(2.0), run(2.0), seed=0)
    assert (rates[["difference", "difference_low", "difference_high"]] == 0).all(axis=None)


def test_runs_of_file_systems_with_other_unicode_forms_share_their_videos() -> None:
    composed, apart = (unicodedata.normalize(form, "á") for form in ("NFC", "NFD"))
    here, there = (run(2.0).rename(accent.__add__) for accent in (composed, apart))
    assert set(compare(here, there, seed=0)["videos"]) == {240}


def test_pairing_narrows_the_interval_of_the_difference() -> None:
    """With slightly different scores on the same videos, the unpaired intervals overlap."""
    first = run(2.0)
    second = first.assign(score=first["score"] + 0.05 * (first["liveness_score"] - 0.5))
    rates = compare(first, second, seed=0).loc["auc"]
    assert rates["first_high"] > rates["second_low"]
    assert rates["difference_low"] > 0


def test_only_videos_that_both_held_out_with_the_same_label_count() -> None:
    relabelled = FOLDS.copy()
    relabelled.iloc[:3, relabelled.columns.get_loc("liveness_score")] ^= 1
    rates = compare(run(2.0).iloc[:200], run(2.0, relabelled), seed=0)
    assert set(rates["videos"]) == {197}
    with pytest.raises(InputError, match="share no held-out video"):
        compare(run(2.0).iloc[:20], run(2.0).iloc[20:], seed=0)


def test_groups_of_either_run_stay_together() -> None:
    """If one run has a single group for all videos, all resamples are the same."""
    together = run(2.0).assign(group="one")
    rates = compare(run(2.0), together, seed=0)
    assert (rates["first_low"] == rates["first_high"]).all()


def test_a_run_is_read_from_its_folder(tmp_path: Path) -> None:
    results = tmp_path / "results"
    with pytest.raises(InputError, match=r"folds\.csv: no such file; runs names two folders"):
        read_run(results)
    for name, table in (
        ("folds/folds.csv", FOLDS),
        ("blend/held_out.csv", held_out(make_scores(FOLDS, {"m": 2.0}), FOLDS, BlendRecipe("mean"))),
    ):
        (results / name).parent.mkdir(parents=True)
        table.to_csv(results / name)
    pd.testing.assert_frame_equal(
        read_run(results), run(2.0)[["score", "threshold", "liveness_score", "group"]]
    )


def test_speed_is_computed_from_the_jobs_that_scored_test_videos(tmp_path: Path) -> None:
    assert videos_per_second(tmp_path) is None
    (tmp_path / "benchmarks/predict/test").mkdir(parents=True)
    for shard, (seconds, videos) in enumerate([(2.0, 3), (3.0, 7)]):
        (tmp_path / f"benchmarks/predict/test/{shard}.tsv").write_text(f"s\th:m:s\n{seconds}\t0:00:02\n")
        frames = pd.DataFrame({"fname": [str(video) for video in range(videos) for _ in range(4)]})
        (tmp_path / f"scores/test/{shard}").mkdir(parents=True)
        frames.to_parquet(tmp_path / f"scores/test/{shard}/scores.parquet")
    assert videos_per_second(tmp_path) == 2.0
