"""Download a file or an archive, check it, and put it where it is needed."""

import shutil
from pathlib import Path

from snakemake.iocontainers import Snakemake

from liveness.runtime.atomic_write import atomic_write
from liveness.runtime.job_log import start_log
from liveness.storage.download import download
from liveness.storage.zip_archives import unzip

snakemake: Snakemake

start_log(snakemake.log[0])
params, output = snakemake.params, list(map(Path, snakemake.output))
# The address is no parameter, since another mirror changes no file. The partial download is at an
# undeclared path, so that a failed job resumes it.
url = snakemake.config["fetch"][params.name]["url"]
part = download(url, params.sha256, Path(params.folder, f"{params.sha256}.part"))
if params.unzip:
    unzip(part, dict(zip(params.unzip, output, strict=True)))
    part.unlink()
else:
    with atomic_write(output[0], part.stat().st_size) as path:
        shutil.move(part, path)
