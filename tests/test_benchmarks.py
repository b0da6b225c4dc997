"""Benchmarks run to their end at tiny sizes, and print the results that documents name."""

import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from running import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.thorough]

RESULTS = {
    "demo": "demo.{held_out,test,pooled,plain_held_out,plain_test,plain_pooled,shuffled}_eer"
    " demo.shuffled_eer_0",
    "engines": "engines.test_convnext.{eager_fp32,openvino_fp32,openvino_int8}_{images_per_s,ratio_to_eager}",
    "ensembles": "ensembles.stacking.{held_out,test}_eer"
    " ensembles.{engines,soup}.videos_per_second ensembles.soup_{uniform,greedy}.test_eer"
    " ensembles.soup_greedy.lite0.members",
    "faces": "faces.{videos,frames,ms_per_frame,found_in_frames,found_in_videos}"
    " faces.found_behind_{white,blue,black}_mask",
    "generalisation": "generalisation.{auc,eer,hter,auc_gain,eer_ratio,hter_ratio}{,_low,_high}"
    " generalisation.plain.{auc,eer,hter}{,_low,_high} generalisation.hter.person{0,2,4}",
    "predict": "predict.{videos_per_s,ratio_to_limit,ratio_to_eager_loop,rss_growth_mb}"
    " decode.ratio_to_decord",
    "scale": "scale.{jobs,job_ms,growth_100k_to_1m,manifest_videos_per_s}"
    " scale.dryrun_{least_s,ratio_to_least}"
    " scale.dryrun_{10k,100k,1m}_{s,mb,fresh_s,complete_s,added_s} scale.manifest_{10k,1m}_{s,mb}",
    "training": "training.{same,default,plain}_images_per_s"
    " training.{ratio_same_settings,ratio_default_settings,data_wait_share}",
}


def expand(patterns: str) -> set[str]:
    """Return the names that patterns with braces stand for, as a shell reads them."""
    names = set()
    for pattern in patterns.split():
        parts = re.split(r"\{(.*?)\}", pattern)
        choices = [part.split(",") if number % 2 else [part] for number, part in enumerate(parts)]
        names |= {"".join(choice) for choice in product(*choices)}
    return names


def run(name: str) -> dict[str, float]:
    command = [sys.executable, f"benchmarks/{name}.py", "--smoke"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = re.findall(rf"^((?:{name}|decode)\.\S+) (\S+)$", done.stdout, re.MULTILINE)
    return {result: float(value) for result, value in lines}


@pytest.fixture(scope="module")
def printed() -> Iterator[dict[str, Future[dict[str, float]]]]:
    """Two benchmarks at a time: most of their time is the start of processes on one core."""
    with ThreadPoolExecutor(2) as pool:
        yield {name: pool.submit(run, name) for name in RESULTS}


def test_every_benchmark_is_run_here() -> None:
    assert {path.stem for path in (ROOT / "benchmarks").glob("*.py")} == {
        *RESULTS,
        "measure",
        "plain_fine_tune",
    }


@pytest.mark.parametrize("name", RESULTS)
def test_a_benchmark_prints_its_results(name: str, printed: dict[str, Future[dict[str, float]]]) -> None:
    results = printed[name].result()
    # not every processor has bf16
    assert {result for result in results if "bf16" not in result} == expand(RESULTS[name])
    assert np.isfinite([*results.values()]).all()


def test_documents_name_results_that_exist() -> None:
    """At full size some have other endings: seeds, networks, variants."""
    kinds = "|".join([*RESULTS, "decode"])
    known = {name.rpartition(".")[2] for patterns in RESULTS.values() for name in expand(patterns)}
    documents = [ROOT / "README.md", *ROOT.glob("docs/**/*.md"), *ROOT.glob("benchmarks/*.py")]
    named = {
        (result, path.name)
        for path in map(Path, documents)
        for result in re.findall(rf"^ *`?((?:{kinds})\.[a-z0-9_.]+)`?  ", path.read_text(), re.MULTILINE)
    }
    assert ("predict.ratio_to_limit", "predict.py") in named
    assert {result for result, _ in named if result.rpartition(".")[2] not in known} == set()
