"""Export a model to what its engine is built from; validate float32 ONNX on real frames."""

import logging
from contextlib import nullcontext

from snakemake.iocontainers import Snakemake

from liveness.dataset.labels import labels_by_name, read_folds
from liveness.engines.onnx_export import check_onnx, export_onnx, reference_probabilities
from liveness.engines.parity_sample import ReferenceSample, draw_frames, write_sample
from liveness.models.checkpoint import load_checkpoint, save_checkpoint
from liveness.runtime.atomic_write import atomic_write
from liveness.runtime.errors import InputError
from liveness.runtime.job_log import start_log
from liveness.video.frame_store import FrameStore
from liveness.video.frame_subset import varied_frames

snakemake: Snakemake

start_log(snakemake.log[0])
params, sources = snakemake.params, snakemake.output.sources
checkpoint = load_checkpoint(snakemake.input.weights, params.architecture, params.image_size)
size, normalisation = checkpoint.image_size, {"mean": checkpoint.mean, "std": checkpoint.std}
labels = labels_by_name(read_folds(snakemake.input.folds[0])) if snakemake.input.folds else {}
some = (
    nullcontext(FrameStore(snakemake.input.frames))
    if snakemake.input.frames
    else varied_frames(
        params.frames, snakemake.input.manifests, params.videos, params.sampling, snakemake.threads
    )
)
with some as store:
    frames, frame_labels = draw_frames(store, params.frames, size, labels)
reference = reference_probabilities(checkpoint.module, frames, **normalisation)
write_sample(snakemake.output.reference, ReferenceSample(frames, reference, frame_labels))

if not params.precisions:
    with atomic_write(sources[0]) as path:
        save_checkpoint(checkpoint, path)
for precision, onnx in zip(params.precisions, sources, strict=False):
    export_onnx(checkpoint.module, onnx, image_size=size, precision=precision, **normalisation)
    difference = check_onnx(onnx, frames, reference)
    logging.info("%s differs from PyTorch by at most %.6f in probability", onnx, difference)
    # compile judges what half precision loses, since it can fall back to float32
    if precision == "fp32" and difference > params.limit:
        raise InputError(
            f"{onnx}: differs from PyTorch by {difference:.4f}, more than engine.parity.max_difference."
        )
