"""Names, precisions and files of the back ends."""

from pathlib import Path

import pytest

from imports import loaded
from liveness.engines.catalog import BACKENDS, ENGINE_SUFFIXES, PRECISIONS, metadata_in, onnx_precisions
from liveness.runtime.errors import InputError


@pytest.mark.parametrize(
    ("backend", "precision", "needed"),
    [
        ("openvino", "auto", ("fp32",)),
        ("openvino", "bf16", ("fp32",)),
        ("tensorrt", "auto", ("fp16", "fp32")),
        ("tensorrt_rtx", "fp16", ("fp16",)),
        ("torch", "auto", ()),
    ],
)
def test_onnx_files_that_a_back_end_needs(backend: str, precision: str, needed: tuple[str, ...]) -> None:
    assert onnx_precisions(backend, precision) == needed


@pytest.mark.parametrize("backend", [*BACKENDS, "tflite"])
def test_an_unknown_precision_or_back_end_is_refused(backend: str) -> None:
    with pytest.raises(InputError, match=r"engine\.precision is 'int4'.*expected one of"):
        onnx_precisions(backend, "int4")


@pytest.mark.parametrize("backend", BACKENDS)
def test_every_back_end_has_files_and_an_automatic_and_an_exact_precision(backend: str) -> None:
    assert ENGINE_SUFFIXES[backend]
    for precision in ("auto", "fp32"):
        assert set(onnx_precisions(backend, precision)) <= set(PRECISIONS)


def test_the_metadata_lies_in_the_folder_of_its_engine() -> None:
    folder = "results/engines/openvino/small/0"
    assert metadata_in(folder) == Path("results/engines/openvino/small/0/engine.json")


def test_a_snakefile_imports_it_in_no_time() -> None:
    """Every job parses the rules, so names must not import NumPy or an inference library."""
    libraries = {"numpy", "torch", "openvino", "onnx", "tensorrt", "tensorrt_rtx"}
    assert not loaded("liveness.engines.catalog", libraries)
