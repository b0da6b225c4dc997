"""Compare scoring with the limit of the machine and with a plain eager float32 loop.

Scores 24 clips (real ones if present, otherwise the demo's) with 8 frames and a ConvNeXt-Tiny at
224 pixels. Interleaved with it run its two parts, decoding and the engine, each alone on all cores,
and the loop of the challenge's winner. Then measures memory over 200 and 2,000 short clips. Takes
up to eight minutes on two cores and ends with lines `name value`:

  predict.videos_per_s           videos scored per second
  predict.ratio_to_limit         (decoding alone + engine alone) / scoring: 1 is no overhead
  predict.ratio_to_eager_loop    time of the winner's loop / scoring
  predict.rss_growth_mb          growth of the process tree from 200 to 2,000 videos, in MiB
  decode.ratio_to_decord         decord / ours with snap_to_reference, on the challenge's clips
"""

import multiprocessing
import os
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import av
import cv2
import numpy as np
import psutil
import timm
import torch
from measure import ROOT, SMOKE, argument_parser, interleave, report, sized
from PIL import Image

from liveness.demo.dataset import make_split
from liveness.engines.compile import compile_engine
from liveness.engines.load import load_engine
from liveness.engines.onnx_export import export_onnx, reference_probabilities
from liveness.engines.parity_sample import UNKNOWN, ReferenceSample
from liveness.engines.registry import open_backend
from liveness.engines.runner import open_engines
from liveness.runtime.workers import Workers
from liveness.scoring.decoding import Video, decode
from liveness.scoring.pipeline import Member, Pipeline
from liveness.video.decoder import probe, read_frames
from liveness.video.preprocessing import WHOLE, View, model_input
from liveness.video.sampling import Sampling, read_video
from liveness.video.seeking import decord  # which imports it correctly

REAL = ROOT / "../shared/data/real"
CHALLENGE = ("train/videos/0001.mp4", "train/videos/0002.mp4", "test/videos/0009.mp4")
CLIPS, SIZE, ROUNDS = sized(24, 2), sized(224, 64), sized(3, 1)
NETWORK = sized("convnext_tiny", "test_convnext")
CORES = len(os.sched_getaffinity(0))
SAMPLING = Sampling(count=8, window=(0.0, 1.0), short_side=256, snap_to_reference=True)
IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}


def find_clips(work: Path) -> tuple[list[Video], list[Video]]:
    """Return 24 clips, largest first, and the challenge's clips among them.

    Without real clips, both lists hold the demo's.
    """
    real = REAL.is_dir() and not SMOKE
    if not real:
        people = range(sized(6, 1))
        make_split(work / "demo", work / "labels.csv", people, sized(2, 1), seed=7, workers=CORES)
    paths = sorted((REAL if real else work / "demo").rglob("*.mp4"), key=lambda p: -p.stat().st_size)
    challenge = [REAL / name for name in CHALLENGE if real and (REAL / name).is_file()]
    paths = list(dict.fromkeys([*(path.resolve() for path in challenge), *(p.resolve() for p in paths)]))
    videos = [Video(path, str(path), probe(path).duration) for path in paths[:CLIPS]]
    return videos, videos[: len(challenge)] or videos


def compile_network(network: torch.nn.Module, size: int, work: Path) -> Path:
    """Compile an OpenVINO engine in this CPU's fastest precision; return its metadata file."""
    export_onnx(network, work / "model.onnx", image_size=size, precision="fp32", **IMAGENET)
    frames = np.random.default_rng(0).integers(0, 256, (8, size, size, 3), dtype=np.uint8)
    labels = np.full(len(frames), UNKNOWN, np.int8)
    reference = ReferenceSample(frames, reference_probabilities(network, frames, **IMAGENET), labels)
    compile_engine(
        work / "0",
        backend="openvino",
        precision=open_backend("openvino").precisions[0],
        sources={"fp32": work / "model.onnx"},
        reference=reference,
        max_batch=32,
    )
    return work / "0.json"


@contextmanager
def pipeline(engine: Path, sampling: Sampling, workers: Workers) -> Iterator[Pipeline]:
    with open_engines([engine], [View()], batch_size=32, threads=CORES) as ensemble:
        yield Pipeline([Member("convnext", 0)], ensemble, [View()], sampling, workers, batch_size=32)


def plain_pyav(video: Video) -> int:
    """Decode at minimal cost: reference frames up to the last one needed, 8 of them as RGB."""
    times = SAMPLING.times(video.duration or 0.0).tolist()
    taken = 0
    with av.open(str(video.path)) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        stream.codec_context.skip_frame = "NONREF"
        for frame in container.decode(stream):
            while taken < len(times) and frame.time >= times[taken]:
                frame.to_ndarray(format="rgb24")
                taken += 1
            if taken == len(times):
                break
    return taken


def eager_loop(videos: Sequence[Video], network: torch.nn.Module) -> list[float]:
    """Score like the winner: video by video, one seek per frame, PIL resizing, eager float32."""
    mean, std = (torch.tensor(IMAGENET[key]).view(3, 1, 1) for key in ("mean", "std"))
    scores = []
    for video in videos:
        capture = cv2.VideoCapture(str(video.path))
        count = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
        images = []
        for index in np.arange(8) * count // 8:
            capture.set(cv2.CAP_PROP_POS_FRAMES, int(index))
            _, frame = capture.read()
            image = Image.fromarray(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)).resize((SIZE, SIZE))
            images.append((torch.from_numpy(np.array(image)).permute(2, 0, 1) / 255 - mean) / std)
        with torch.inference_mode():
            scores.append(float(network(torch.stack(images)).softmax(1)[:, 1].mean()))
    return scores


def decord_frames(video: Video) -> np.ndarray:
    reader = decord.VideoReader(str(video.path), num_threads=1)
    shown = reader.get_frame_timestamp(np.arange(len(reader)))[:, 0]
    wanted = np.searchsorted(shown, SAMPLING.times(video.duration or 0.0) + 1e-3, side="right") - 1
    return reader.get_batch(wanted).asnumpy()


def peak_memory(engine: Path, videos: list[Video]) -> float:
    """Return the peak memory (proportional set size, MiB) of a scoring process and its decoders."""
    process = multiprocessing.get_context("spawn").Process(target=_score_all, args=(engine, videos))
    process.start()
    peak, over = 0.0, threading.Event()

    def tree() -> float:
        total = 0.0
        for member in [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]:
            try:
                total += member.memory_full_info().pss
            except psutil.NoSuchProcess:
                continue
        return total / 2**20

    while process.is_alive():
        try:
            peak = max(peak, tree())
        except psutil.NoSuchProcess:
            break
        over.wait(0.2)
    process.join()
    assert process.exitcode == 0, f"scoring {len(videos)} videos failed"  # noqa: S101
    return peak


def _score_all(engine: Path, videos: list[Video]) -> None:
    with Workers(CORES) as workers, pipeline(engine, SAMPLING, workers) as ready:
        for _ in ready.score(videos):
            pass


def links(clip: Path, count: int, folder: Path) -> list[Video]:
    duration = probe(clip).duration
    folder.mkdir()
    for number in range(count):
        (folder / f"{number}.mp4").symlink_to(clip)
    return [Video(folder / f"{n}.mp4", f"{n}.mp4", duration) for n in range(count)]


def measure() -> Mapping[str, float]:
    with tempfile.TemporaryDirectory() as folder, Workers(CORES) as workers:
        work = Path(folder)
        videos, challenge = find_clips(work)
        torch.set_num_threads(CORES)
        torch.manual_seed(0)
        network = timm.create_model(NETWORK, num_classes=2).eval()
        path = compile_network(network, SIZE, work)
        frames = [image for video in videos for image in read_video(video.path, video.duration, SAMPLING)[0]]
        inputs = np.stack([model_input(frame, SIZE) for frame in frames])

        with (
            pipeline(path, SAMPLING, workers) as ready,
            load_engine(path, threads=CORES) as engine,
            ProcessPoolExecutor(CORES, multiprocessing.get_context("spawn")) as pool,
        ):
            list(pool.map(plain_pyav, videos))  # starts the processes
            seconds = interleave(
                {
                    "scoring": lambda: list(ready.score(videos)),
                    "decoding": lambda: list(
                        decode(videos, SAMPLING, lambda _: frozenset({(SIZE, WHOLE)}), workers, 8)
                    ),
                    "plain PyAV": lambda: list(pool.map(plain_pyav, videos)),
                    "engine": lambda: [engine(inputs[i : i + 32]) for i in range(0, len(inputs), 32)],
                    "eager loop": lambda: eager_loop(videos, network),
                },
                ROUNDS,
            )
        decoding = interleave(
            {
                "decord": lambda: [decord_frames(video) for video in challenge],
                "ours": lambda: [
                    read_frames(video.path, SAMPLING.times(video.duration or 0.0).tolist(), True)
                    for video in challenge
                ],
            },
            sized(5, 1),
        )
        small = work / "small"
        small.mkdir()
        tiny = compile_network(timm.create_model("test_convnext", num_classes=2).eval(), 64, small)
        clip = min((video.path for video in videos), key=lambda path: path.stat().st_size)
        memory = [
            peak_memory(tiny, links(clip, count, work / str(count))) for count in sized((200, 2000), (2, 4))
        ]
    limit = min(seconds["decoding"], seconds["plain PyAV"]) + seconds["engine"]
    for name, value in (seconds | decoding).items():
        print(f"{name}: {value:.3f} s")
    return {
        "predict.videos_per_s": len(videos) / seconds["scoring"],
        "predict.ratio_to_limit": limit / seconds["scoring"],
        "predict.ratio_to_eager_loop": seconds["eager loop"] / seconds["scoring"],
        "predict.rss_growth_mb": memory[1] - memory[0],
        "decode.ratio_to_decord": decoding["decord"] / decoding["ours"],
    }


if __name__ == "__main__":
    argument_parser(__doc__).parse_args()
    report(measure)
