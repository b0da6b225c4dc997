"""Contact sheets of the worst mistakes among held-out videos, and what each model saw in them."""

import pandas as pd

from liveness.blend import read_held_out
from liveness.explanation import heat_map, overlay
from liveness.frames import FrameStore
from liveness.labels import read_folds, with_attacks
from liveness.log import start_log
from liveness.mistakes import FALSE_ACCEPT, telling_frames, worst_mistakes
from liveness.models import load_checkpoint
from liveness.outputs import whole
from liveness.scores import check_held_out
from liveness.sheet import Tile, contact_sheet

start_log(snakemake.log[0])
params = snakemake.params
folds = with_attacks(read_folds(snakemake.input.folds), snakemake.input.labels)
videos = read_held_out(snakemake.input.held_out).join(folds[["liveness_score", "group", "attack"]])
mistakes = worst_mistakes(videos, params.shown)
with whole(snakemake.output.mistakes) as path:
    mistakes.to_csv(path)

scores = pd.concat([pd.read_parquet(shard) for shard in snakemake.input.scores], ignore_index=True)
check_held_out(scores.drop_duplicates(["fname", "model", "fold"]), folds)
store = FrameStore(snakemake.input.frames)
weights = dict(zip(map(tuple, params.members), snakemake.input.weights, strict=True))
for name, model in params.models.items():
    tiles = []
    frames = telling_frames(scores[scores["model"] == name], mistakes)
    for fname, fold, index, score in frames.itertuples():
        video = mistakes.loc[fname]
        accepted = video["mistake"] == FALSE_ACCEPT
        frame = store.image(store.rows(fname)[index])
        checkpoint = load_checkpoint(weights[name, fold], model["architecture"], model["image_size"])
        seen = overlay(frame, heat_map(checkpoint, frame, label=int(accepted)))
        truth = ("spoof" if accepted else "live") + (f": {video['attack']}" if video["attack"] else "")
        figures = f"blend {video['score']:.2f}, frame {score:.2f}"
        tiles.append(Tile([frame, seen], [fname, f"{video['mistake']} ({truth})", figures]))
    sheet = contact_sheet(f"{name}: what spoke for the wrong decision", tiles, columns=4)
    with whole(snakemake.output.sheets[list(params.models).index(name)]) as path:
        sheet.save(path, "PNG")
