# The configuration, validated and completed, and the constraints of all wildcards.
import os
import re
import sys
from functools import partial
from pathlib import Path

from snakemake.exceptions import WorkflowError

# Inside a module, workflow.basedir is the folder of the including workflow.
ROOT = Path(str(workflow.current_basedir)).parent
if not (ROOT / "workflow_scripts").is_dir():
    raise WorkflowError(
        f"{ROOT} is not a local folder, and the rules import a Python library that lies beside them: "
        "clone the repository and point `snakefile:` at the clone (docs/modules.md)."
    )
sys.path.insert(0, str(ROOT / "workflow_scripts"))

from liveness.planning.configuration import complete
from liveness.planning.failures import failures
from liveness.runtime import gpu_leases
from liveness.runtime.errors import InputError

# Threads that wait for each other must not spin, since jobs share cores: next to two other jobs, a
# training step on two threads took 8 s instead of 2 s. OpenMP reads this when a job loads it.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# On a cluster, jobs use the GPUs that the cluster assigned; elsewhere they lease the machine's.
if workflow.remote_exec:
    os.environ.setdefault(gpu_leases.SETTING, gpu_leases.OFF)

try:
    # in place, since scripts see this object
    config.update(complete(config))
except InputError as error:
    raise WorkflowError(f"The configuration cannot be used.\n{error}") from None


wildcard_constraints:
    split="train|test",
    shard=r"\d+",
    model="|".join(map(re.escape, config["models"])),
    fold=r"\d+",
    degradation=r"\w+",
    tried="[0-9a-f]+",
