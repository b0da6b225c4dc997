"""Write down what scoring needs, so that it can be done outside of the workflow."""

import json
import os.path
from pathlib import Path

from liveness.log import start_log
from liveness.outputs import whole

start_log(snakemake.log[0])
card = dict(snakemake.params.card)
folder = Path(snakemake.output[0]).parent
# relative to the card, so that the folder can be moved
for engine in card["engines"]:
    engine["metadata"] = os.path.relpath(engine["metadata"], folder)
if card["fitted_blend"]:
    card["fitted_blend"] = os.path.relpath(card["fitted_blend"], folder)
with whole(snakemake.output[0]) as path:
    path.write_text(json.dumps(card, indent=2), encoding="utf-8")
