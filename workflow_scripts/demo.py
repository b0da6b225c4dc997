"""Film the demo's videos: people who look into the camera, live and re-captured from screens and paper."""

from pathlib import Path

from liveness.demo.dataset import make_split
from liveness.runtime.job_log import start_log

# Not the configuration's: another seed for training should not mean other videos.
SEED = 7

start_log(snakemake.log[0])
output = snakemake.output
for videos, labels, people in (
    (output.train_videos, output.train_labels, range(10)),
    (output.test_videos, output.test_answers, range(10, 14)),
):
    make_split(Path(videos), Path(labels), people, pairs=2, seed=SEED, workers=snakemake.threads)
