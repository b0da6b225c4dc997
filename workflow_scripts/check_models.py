"""Try every model before it is trained: its image size, and its export with random weights."""

import logging

import pandas as pd
from snakemake.iocontainers import Snakemake

from liveness.engines.onnx_export import check_exportable
from liveness.models.architectures import check_image_size
from liveness.models.checkpoint import create
from liveness.runtime.atomic_write import atomic_write
from liveness.runtime.errors import InputError
from liveness.runtime.job_log import start_log

snakemake: Snakemake

start_log(snakemake.log[0])
tried, problems = [], []
for name, model in snakemake.params.models.items():
    try:
        made = create(**model)
        # shapes alone, which `create` looks at, miss what takes values to fail
        check_image_size(made.module, made.architecture, made.image_size)
        check_exportable(
            made.module.eval(),
            image_size=made.image_size,
            mean=made.mean,
            std=made.std,
            precisions=snakemake.params.precisions,
        )
    except InputError as error:
        problems.append(f"models.{name}: {error}")
        continue
    parameters = sum(tensor.numel() for tensor in made.module.parameters())
    logging.info("models.%s: %s has %.1f million weights", name, made.architecture, parameters / 1e6)
    tried.append((name, made.architecture, made.image_size, parameters))
if problems:
    raise InputError(" ".join(problems))
with atomic_write(snakemake.output[0]) as path:
    columns = ["model", "architecture", "image_size", "parameters"]
    pd.DataFrame(tried, columns=columns).to_csv(path, index=False)
