# The workflow with all that it needs (see docs/deployment.md). CI does not build it.
# CUDA has the major version of the lock's PyTorch. EXTRAS adds TensorRT, and pycuda, which compiles.
ARG CUDA=13.2.0-runtime-ubuntu24.04
FROM nvidia/cuda:${CUDA}
ARG EXTRAS=""

COPY requirements.txt pyproject.toml /opt/liveness/
COPY envs/container.sh /opt/liveness/envs/
RUN /opt/liveness/envs/container.sh ${EXTRAS}
COPY . /opt/liveness

ENV PATH=/opt/liveness/.venv/bin:${PATH} PYTHONPATH=/opt/liveness/workflow_scripts
# to write to mounted folders as their owner: docker run --user "$(id -u):$(id -g)"
RUN useradd --uid 10001 --create-home liveness && install --directory --owner liveness /work
USER liveness
WORKDIR /work
ENTRYPOINT ["snakemake", "--snakefile", "/opt/liveness/Snakefile"]
CMD ["--list-target-rules"]
