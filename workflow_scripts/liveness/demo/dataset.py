"""Demo data: procedurally generated selfie videos of invented people, live and recaptured.

Every live clip has a spoof twin of the same person. Twins share frame size, frame rate, length,
compression, and the brightness, colour and sharpness that the camera settles on. So none of these
separates the classes; only traces of recapture do. Scene, clothes and light differ between twins.
"""

import csv
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import av
import cv2
import numpy as np
from loky import ProcessPoolExecutor, as_completed
from numpy.typing import NDArray
from tqdm import tqdm

from liveness.augmentation import recapture
from liveness.augmentation.recapture import Image, Plane, Wave, draw_wave
from liveness.demo.portrait import (
    SPRITE,
    Colour,
    Person,
    Sprite,
    draw_person,
    paint_body,
    paint_head,
    paint_room,
)
from liveness.runtime.atomic_write import atomic_write
from liveness.runtime.errors import InputError

COLUMNS = ("fname", "liveness_score", "group", "attack")
SIZES = ((256, 456), (270, 480), (288, 512), (324, 576))  # width, height: even, as yuv420p asks
RATES = (15, 18, 20, 24)
# Names, by position in the split, that break careless path handling. All other names are plain.
ODD_NAMES = {1: "clip {:03d}.mp4", 2: "o'clip_{:03d}.mp4", 3: "vidéo_{:03d}.mp4", 4: "more/clip_{:03d}.mp4"}
GRAIN_MARGIN = 64  # pixels by which the noise tile exceeds the frame


def _over(view: Image, sprite: Sprite, matrix: NDArray[np.float64]) -> Image:
    """Composite `sprite` over `view`, positioned by the 2x3 `matrix`."""
    height, width = view.shape[:2]
    placed = cv2.warpAffine(sprite, matrix, (width, height), flags=cv2.INTER_LINEAR)
    clear = cv2.merge([cv2.bitwise_not(placed[:, :, 3])] * 3)
    return cv2.add(cv2.multiply(view, clear, scale=1 / 255), np.ascontiguousarray(placed[:, :, :3]))


def _place(
    scale: float, angle: float, source: tuple[float, float], target: tuple[float, float]
) -> NDArray[np.float64]:
    """Return the 2x3 matrix that scales and rotates about `source` and moves it to `target`."""
    c, s = scale * math.cos(angle), scale * math.sin(angle)
    return np.array(
        [
            [c, -s, target[0] - c * source[0] + s * source[1]],
            [s, c, target[1] - s * source[0] - c * source[1]],
        ]
    )


@dataclass(frozen=True)
class Scene:
    """The scene of a selfie: painted layers from far to near, and the movements of head and hand.

    `heads` are painted with eyes shut, half open and open.
    """

    room: Image
    body: Sprite
    heads: tuple[Sprite, ...]
    relief: Plane
    head_scale: float
    head_at: tuple[float, float]
    yaw: tuple[Wave, Wave]
    pitch: Wave
    roll: Wave
    nod: Wave
    shake_x: tuple[Wave, Wave]
    shake_y: tuple[Wave, Wave]
    blinks: tuple[float, ...]

    def view(self, height: int, width: int, t: float) -> Image:
        """Render the view through the camera's lens at `t` seconds, uint8 (height, width, 3)."""
        dx, dy = (width * sum(wave.at(t) for wave in waves) for waves in (self.shake_x, self.shake_y))
        room_height, room_width = self.room.shape[:2]
        # parallax: camera shake moves near layers further than far ones
        scale = 1.16 * max(width / room_width, height / room_height)
        seen = cv2.warpAffine(
            self.room,
            _place(
                scale, 0.0, (room_width / 2, room_height / 2), (width / 2 + 0.5 * dx, height / 2 + 0.5 * dy)
            ),
            (width, height),
            borderMode=cv2.BORDER_REFLECT,
        )
        x, y = self.head_at[0] * width + dx, self.head_at[1] * height + dy
        head_scale = self.head_scale * width / SPRITE[1]
        body_height, body_width = self.body.shape[:2]
        seen = _over(
            seen,
            self.body,
            _place(
                1.35 * width / body_width,
                0.3 * self.roll.at(t),
                (body_width / 2, body_height / 2),
                (x, y + 150 * head_scale),
            ),
        )
        yaw, pitch = sum(wave.at(t) for wave in self.yaw), self.pitch.at(t)
        grid_x = np.arange(SPRITE[1], dtype=np.float32)[None, :] - np.float32(yaw) * self.relief
        grid_y = np.arange(SPRITE[0], dtype=np.float32)[:, None] - np.float32(pitch) * self.relief
        head = cv2.remap(self.heads[self._lids(t)], grid_x, grid_y, cv2.INTER_LINEAR)
        place = _place(
            head_scale, self.roll.at(t), (SPRITE[1] / 2, SPRITE[0] / 2), (x, y + self.nod.at(t) * height)
        )
        return _over(seen, head, place)

    def _lids(self, t: float) -> int:
        """Choose the head: eyes are shut within 0.06 s of a blink and half open within 0.11 s."""
        nearest = min((abs(t - blink) for blink in self.blinks), default=1.0)
        return 0 if nearest < 0.06 else 1 if nearest < 0.11 else 2


def draw_scene(rng: np.random.Generator, person: Person, seconds: float) -> Scene:
    """Draw a scene of `person` for a clip of `seconds`: clothes, room, light and movement."""
    light, masked = float(rng.uniform(-1, 1)), bool(rng.random() < 0.15)
    height, width = SPRITE
    x = (np.arange(width, dtype=np.float32)[None, :] - width / 2) / (90 * person.width)
    y = (np.arange(height, dtype=np.float32)[:, None] - height / 2) / (118 * person.height)
    nose = np.exp(-((x / 0.16) ** 2) - ((y - 0.2) / 0.2) ** 2)
    relief = np.sqrt(np.clip(1 - x**2 - y**2, 0, 1)) + 0.35 * nose
    return Scene(
        room=paint_room(rng, 560, 330),
        body=paint_body(rng, 420, 360),
        heads=tuple(paint_head(person, light, masked, openness) for openness in (0.0, 0.5, 1.0)),
        relief=cv2.GaussianBlur(relief, (0, 0), 4).astype(np.float32),
        head_scale=float(rng.uniform(0.85, 1.1)),
        head_at=(float(rng.uniform(0.44, 0.56)), float(rng.uniform(0.4, 0.5))),
        yaw=(draw_wave(rng, 16, (0.2, 0.6)), draw_wave(rng, 4, (0.6, 1.2))),
        pitch=draw_wave(rng, 9, (0.2, 0.7)),
        roll=draw_wave(rng, 0.06, (0.2, 0.6)),
        nod=draw_wave(rng, 0.01, (0.2, 0.7)),
        shake_x=(draw_wave(rng, 0.02, (0.2, 0.8)), draw_wave(rng, 0.006, (1.5, 4))),
        shake_y=(draw_wave(rng, 0.02, (0.2, 0.8)), draw_wave(rng, 0.006, (1.5, 4))),
        blinks=tuple(float(b) for b in rng.uniform(0.2, seconds - 0.2, size=rng.integers(1, 3))),
    )


@dataclass(frozen=True)
class Look:
    """The camera's automatic settings and the encoding of a clip, which twins share.

    `mean` (per channel) and `deviation` (averaged over channels) are of a clip's pixels, 0..255;
    `sharpness` is the variance of the Laplacian of grey frames; `noise` is the standard deviation
    of the sensor noise, 0..255; `crf` is x264's constant rate factor.
    """

    size: tuple[int, int]
    rate: int
    frames: int
    mean: Colour
    deviation: float
    sharpness: float
    noise: float
    crf: int

    @property
    def seconds(self) -> float:
        return self.frames / self.rate


def draw_look(rng: np.random.Generator) -> Look:
    """Draw a look, which the two twins share."""
    rate = int(rng.choice(RATES))
    mean = np.array([122, 110, 102]) * rng.uniform(0.8, 1.25) * rng.uniform(0.92, 1.08, size=3)
    return Look(
        size=SIZES[rng.integers(len(SIZES))],
        rate=rate,
        frames=int(np.ceil(rate * rng.uniform(2.05, 2.5))),
        mean=(float(mean[0]), float(mean[1]), float(mean[2])),
        deviation=float(rng.uniform(44, 62)),
        sharpness=float(np.exp(rng.normal(math.log(280), 0.5))),
        noise=float(rng.uniform(0.8, 3)),
        crf=int(rng.integers(19, 27)),
    )


@dataclass(frozen=True)
class Camera:
    """A camera with settled tone and focus.

    A positive `focus` is a Gaussian blur with that standard deviation in pixels, a negative one an
    unsharp mask of that strength; `table` is the response curve, float32 (1, 256, 3); `grain` is a
    tile of sensor noise, from which a random part is cut for each frame.
    """

    focus: float
    table: Plane
    grain: Plane

    def take(self, view: Image, rng: np.random.Generator) -> Image:
        """Return the frame that the camera stores for `view`, uint8 of the same shape."""
        height, width = view.shape[:2]
        x, y = rng.integers(0, GRAIN_MARGIN, size=2)
        light = cv2.LUT(_focus(view, self.focus), self.table)
        return cv2.add(light, self.grain[y : y + height, x : x + width], dtype=cv2.CV_8U)


def _focus(view: Image, focus: float) -> Image:
    if focus > 0:
        return cv2.GaussianBlur(view, (0, 0), focus)
    return cv2.addWeighted(view, 1 - focus, cv2.GaussianBlur(view, (0, 0), 1.0), focus, 0)


def _response(look: Look, views: Sequence[Image]) -> Plane:
    """Fit the response table that gives `views` the look's mean and deviation."""
    sample = np.stack([view[::4, ::4] for view in views]).reshape(-1, 3).astype(np.float32)
    aim_mean, aim_deviation = np.array(look.mean), look.deviation
    ratio = sample.std(axis=0) / np.maximum(sample.mean(axis=0), 1)
    for _ in range(4):  # iterate, because clipping changes the moments
        # white balance is a gain per channel, brightness a common offset: shadows stay neutral
        offset = ((aim_mean * ratio).mean() - aim_deviation) / ratio.mean()
        gain = np.maximum(aim_mean - offset, 10) / np.maximum(sample.mean(axis=0), 1)
        seen = np.clip(sample * gain + offset, 0, 255)
        aim_mean = aim_mean + look.mean - seen.mean(axis=0)
        aim_deviation = aim_deviation * look.deviation / max(float(seen.std(axis=0).mean()), 1)
    # Twins would still differ in saturation: go half of the way to equal contrast in each channel.
    stretch = np.sqrt(look.deviation / np.maximum(seen.std(axis=0), 1))
    gain, offset = gain * stretch, offset * stretch + np.array(look.mean) * (1 - stretch)
    return (np.arange(256)[None, :, None] * gain + offset).astype(np.float32)


def sharpness(image: Image) -> float:
    """Compute the variance of the Laplacian of a uint8 (H, W, 3) RGB image in greyscale."""
    return float(cv2.Laplacian(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.CV_32F).var())


def _stored(frame: Image, look: Look) -> Image:
    """Approximate video compression of a frame: faint texture is lost, bold moire survives."""
    _, data = cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, 100 - 2 * look.crf])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR))


def settle(look: Look, views: Sequence[Image], rng: np.random.Generator) -> Camera:
    """Fit a camera that gives `views` the look's tone and sharpness, like a phone's automatics."""
    height, width = views[0].shape[:2]
    noise = rng.standard_normal((height + GRAIN_MARGIN, width + GRAIN_MARGIN, 3), dtype=np.float32)
    grain = np.float32(look.noise) * noise
    sharp, soft = -4.0, 3.0
    for _ in range(6):  # bisection: sharpness falls with focus
        focus = (sharp + soft) / 2
        # blur lowers contrast, which the response restores, so they are fitted together
        camera = Camera(focus, _response(look, [_focus(view, focus) for view in views]), grain)
        if np.mean([sharpness(_stored(camera.take(view, rng), look)) for view in views]) > look.sharpness:
            sharp = focus
        else:
            soft = focus
    return camera


@dataclass(frozen=True)
class Clip:
    """A row of the labels with the seeds of its video; `attack` is '' for a live clip."""

    fname: str
    group: str
    attack: str
    person_seed: tuple[int, ...]
    look_seed: tuple[int, ...]
    seed: tuple[int, ...]


def film(clip: Clip) -> tuple[Look, Iterator[Image]]:
    """Generate a clip: return its look and its frames as the camera stores them.

    Frames are uint8 (H, W, 3) RGB.
    """
    rng = np.random.default_rng(clip.seed)
    look = draw_look(np.random.default_rng(clip.look_seed))
    width, height = look.size
    scene = draw_scene(rng, draw_person(np.random.default_rng(clip.person_seed)), look.seconds)
    session = recapture.draw(rng, clip.attack) if clip.attack else None
    still = scene.view(height, width, rng.uniform(0.5, 1)) if clip.attack == "print" else None

    def view(t: float) -> Image:
        shown = scene.view(height, width, t) if still is None else still
        return shown if session is None else session.apply(shown, t)

    camera = settle(look, [view(look.seconds * part) for part in (0.25, 0.75)], rng)
    return look, (camera.take(view(k / look.rate), rng) for k in range(look.frames))


def encode(path: Path, frames: Iterator[Image], look: Look) -> None:
    """Write `frames` to `path` atomically as H.264 in MP4."""
    with atomic_write(path) as temporary, av.open(str(temporary), "w") as container:
        stream = container.add_stream("libx264", rate=look.rate)
        stream.width, stream.height = look.size
        stream.pix_fmt = "yuv420p"
        stream.options = {"crf": str(look.crf), "preset": "superfast", "threads": "1"}
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())


def cast(people: Sequence[int], pairs: int, seed: int) -> list[Clip]:
    """List the clips of a split in random order: per person, `pairs` of a live clip and its twin.

    `people` are numbers, which together with `seed` determine the person, so that splits with
    disjoint numbers show different people.
    """
    rows = []
    for turn, (person, pair) in enumerate((person, pair) for person in people for pair in range(pairs)):
        attack = recapture.KINDS[turn % len(recapture.KINDS)]
        rows += [(person, pair, ""), (person, pair, attack)]
    order = np.random.default_rng((seed, *people)).permutation(len(rows))
    return [
        Clip(
            fname=ODD_NAMES.get(place, "clip_{:03d}.mp4").format(place),
            group=f"person_{person:02d}",
            attack=attack,
            # numpy ignores trailing zeros of a seed, so different last numbers separate the streams
            person_seed=(seed, person, 1),
            look_seed=(seed, person, pair, 2),
            seed=(seed, person, pair, 4 if attack else 3),
        )
        for place, (person, pair, attack) in enumerate(rows[i] for i in order)
    ]


def _shoot(videos: Path, clip: Clip) -> None:
    cv2.setNumThreads(1)  # the processes already fill the cores
    look, frames = film(clip)
    encode(videos / clip.fname, frames, look)


def make_split(
    videos: Path, labels: Path, people: Sequence[int], pairs: int, seed: int, workers: int
) -> None:
    """Generate a split in `workers` processes: MP4 files below `videos`, then the table `labels`.

    `labels` gets the columns `COLUMNS`; `attack` is empty for live clips. The bytes of the videos
    depend only on `people`, `pairs` and `seed`. Raises InputError if there is nothing to generate.
    """
    if not people or pairs < 1 or workers < 1:
        raise InputError(
            f"{labels}: cannot generate {pairs} pairs of clips for each of {len(people)} people with "
            f"{workers} workers; expected at least 1 of each, so increase the number that is 0"
        )
    clips = cast(people, pairs, seed)
    with ProcessPoolExecutor(max_workers=min(workers, len(clips))) as pool:
        jobs = [pool.submit(_shoot, videos, clip) for clip in clips]
        for job in tqdm(as_completed(jobs), total=len(jobs), desc=f"generating {labels.stem}", unit="clip"):
            job.result()
    with atomic_write(labels) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows((clip.fname, 0 if clip.attack else 1, clip.group, clip.attack) for clip in clips)
