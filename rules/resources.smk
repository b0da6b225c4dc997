# GPUs and cores of jobs. A cluster's profile overrides them: set-resources: {train: {gpu: 1}}.

BACKEND = config["engine"]["backend"]
# the rules that run on a GPU where there is one
USE_GPU = {
    "extract": config["frames"]["nvdec"],
    "train": True,
    "compile": BACKEND != "openvino",
    "predict": BACKEND != "openvino" or config["frames"]["nvdec"],
}
# the rules that cannot run without one
NEED_GPU = {
    "compile": BACKEND == "tensorrt",
    "predict": BACKEND.startswith("tensorrt"),
}


def gpus_for(rule):
    """A resources function: one GPU for jobs that need one, or can use one that this machine has."""
    return lambda wildcards: int(
        NEED_GPU.get(rule, False) or (USE_GPU[rule] and bool(gpu_leases.visible_gpus()))
    )


def cores_for(rule, jobs, without_gpu=64):
    """A threads function. With GPUs, the jobs that run side by side, one per GPU, share the cores.
    Without, it is `without_gpu`, which --cores limits.
    """

    def threads(wildcards):
        gpus = len(gpu_leases.visible_gpus()) if USE_GPU[rule] and not workflow.remote_exec else 0
        if not gpus:
            return without_gpu
        return max(1, (workflow.resource_settings.cores or 64) // min(gpus, jobs))

    return threads
