"""Try a model before it is trained: its image size, and its export with random weights."""

import logging

import pandas as pd
from snakemake.iocontainers import Snakemake

from liveness.engines.catalog import onnx_precisions
from liveness.engines.onnx_export import check_exportable
from liveness.models.architectures import check_image_size
from liveness.models.checkpoint import create
from liveness.runtime.atomic_write import atomic_write
from liveness.runtime.job_log import start_log

snakemake: Snakemake

start_log(snakemake.log[0])
engine = snakemake.config["engine"]
made = create(**dict(snakemake.params.items()))
# shapes alone, which `create` looks at, miss what takes values to fail
check_image_size(made.module, made.architecture, made.image_size)
check_exportable(
    made.module.eval(),
    image_size=made.image_size,
    mean=made.mean,
    std=made.std,
    precisions=onnx_precisions(engine["backend"], engine["precision"]),
)
parameters = sum(tensor.numel() for tensor in made.module.parameters())
logging.info("%s has %.1f million weights", made.architecture, parameters / 1e6)
table = pd.DataFrame(
    {"architecture": [made.architecture], "image_size": made.image_size, "parameters": parameters}
)
with atomic_write(snakemake.output[0]) as path:
    table.to_csv(path, index=False)
