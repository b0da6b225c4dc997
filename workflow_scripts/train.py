"""Fine-tune one model on all folds but one."""

import hashlib
import json
from pathlib import Path

import torch

from liveness.augmentation import Augmentation
from liveness.frames import FrameStore
from liveness.labels import read_folds
from liveness.leases import lease
from liveness.log import start_log
from liveness.models import create, save_checkpoint
from liveness.outputs import sha256, whole
from liveness.training import Recipe, fine_tune, forget

start_log(snakemake.log[0])
lease(snakemake.resources.gpu)
params = dict(snakemake.params.items())
settings = params["training"]
augmentation = Augmentation(**settings["augmentation"])
recipe = Recipe(**settings | {"augmentation": augmentation, "seed": params["seed"]})

table = read_folds(snakemake.input.folds)
held_out = table["fold"] == int(snakemake.wildcards.fold)

# Undeclared, since Snakemake deletes the declared outputs of a failed job; named by everything that the
# result depends on, so that a changed recipe never goes on from an old one's weights.
inputs = {path: sha256(path) for path in snakemake.input}
digest = hashlib.sha256(json.dumps([params, inputs], sort_keys=True).encode()).hexdigest()[:16]
run = f"{snakemake.wildcards.model}/{snakemake.wildcards.fold}"
state = Path("results/training") / run / digest

# the new head is drawn at random
torch.manual_seed(recipe.seed)
checkpoint, history = fine_tune(
    create(params["architecture"], params["image_size"], params["pretrained"], params["drop_path"]),
    FrameStore(snakemake.input.frames),
    training=table.loc[~held_out, "liveness_score"].to_dict(),
    validation=table.loc[held_out, "liveness_score"].to_dict(),
    recipe=recipe,
    state=state,
    logs=Path("results/logs/tensorboard") / run,
    threads=snakemake.threads,
)
with whole(snakemake.output.weights) as path:
    save_checkpoint(checkpoint, path)
with whole(snakemake.output.history) as path:
    history.to_csv(path, index=False)
forget(state)
