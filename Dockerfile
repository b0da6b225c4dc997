# The workflow with all that it needs; docs/deployment.md says how to use it. It is not built in this project's CI.
# The major version of CUDA is that of the lock's PyTorch. For TensorRT and pycuda, which compiles, see EXTRAS.
ARG CUDA=13.2.0-runtime-ubuntu24.04
FROM nvidia/cuda:${CUDA}
ARG EXTRAS=""

COPY requirements.txt pyproject.toml /opt/liveness/
COPY envs/container.sh /opt/liveness/envs/
RUN /opt/liveness/envs/container.sh ${EXTRAS}
COPY . /opt/liveness

ENV PATH=/opt/liveness/.venv/bin:${PATH} PYTHONPATH=/opt/liveness/workflow_scripts
# folders that a job mounts belong to whoever made them: docker run --user "$(id -u):$(id -g)" writes as that one
RUN useradd --uid 10001 --create-home liveness && install --directory --owner liveness /work
USER liveness
WORKDIR /work
ENTRYPOINT ["snakemake", "--snakefile", "/opt/liveness/Snakefile"]
CMD ["--list-target-rules"]
