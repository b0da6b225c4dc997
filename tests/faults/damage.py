"""Damaged videos: seeded mutations of the bytes of encoded films."""

import random
import re
import struct
from collections.abc import Callable, Sequence
from pathlib import Path

import av

from film_grammar import random_film, write_film

# boxes of the MP4 family whose sizes and tables a file depends on
BOXES = re.compile(
    rb"ftyp|moov|mvhd|trak|tkhd|edts|elst|mdia|mdhd|minf|stbl|stsd|avc1|avcC|hvc1|hvcC|stts|ctts|stsc|stsz|stco|mdat"
)
EXTREMES = (0, 1, 7, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
# where most containers keep what they say about all that follows
HEAD = 2048

Mutation = Callable[[bytearray, random.Random, bytes], None]


def write_films(folder: Path, count: int) -> list[Path]:
    """Encode the first `count` films of the grammar."""
    av.logging.set_level(av.logging.PANIC)
    folder.mkdir()
    films = [random_film(seed) for seed in range(count)]
    paths = [folder / f"{seed}.{film.container}" for seed, film in enumerate(films)]
    for film, path in zip(films, paths, strict=True):
        write_film(film, path)
    return paths


def mutant(films: Sequence[Path], seed: int) -> tuple[str, bytes]:
    """Return a name that says what was done, and the bytes; the same seed gives the same ones."""
    draw = random.Random(seed)  # noqa: S311
    source = draw.choice(films)
    data = bytearray(source.read_bytes())
    other = draw.choice(films).read_bytes()
    done = draw.choices(MUTATIONS, k=draw.choice((1, 1, 1, 2, 3)))
    for mutate in done:
        mutate(data, draw, other)
    suffix = source.suffix if draw.random() < 0.9 else draw.choice(films).suffix
    return f"{seed}-{source.stem}-{'-'.join(one.__name__.strip('_') for one in done)}{suffix}", bytes(data)


def _flip_bits(data: bytearray, draw: random.Random, _: bytes) -> None:
    for _ in range(draw.choice((1, 10, 100, 1000)) if data else 0):
        data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)


def _flip_bits_of_the_head(data: bytearray, draw: random.Random, _: bytes) -> None:
    for _ in range(draw.choice((1, 5, 20)) if data else 0):
        data[draw.randrange(min(HEAD, len(data)))] ^= 1 << draw.randrange(8)


def _truncate(data: bytearray, draw: random.Random, _: bytes) -> None:
    del data[draw.randrange(len(data) + 1) :]


def _lose_the_start(data: bytearray, draw: random.Random, _: bytes) -> None:
    del data[: draw.randrange(len(data) + 1)]


def _part(data: bytearray, draw: random.Random) -> slice:
    start = draw.randrange(len(data) + 1)
    return slice(start, start + draw.choice((1, 4, 188, 512, 4096)))


def _lose_a_part(data: bytearray, draw: random.Random, _: bytes) -> None:
    del data[_part(data, draw)]


def _repeat_a_part(data: bytearray, draw: random.Random, _: bytes) -> None:
    part = _part(data, draw)
    data[part.start : part.start] = data[part] * draw.choice((1, 3, 50))


def _blank_a_part(data: bytearray, draw: random.Random, _: bytes) -> None:
    part = _part(data, draw)
    data[part] = bytes([draw.choice((0, 0xFF))]) * len(data[part])


def _scramble_a_part(data: bytearray, draw: random.Random, _: bytes) -> None:
    part = _part(data, draw)
    data[part] = draw.randbytes(len(data[part]))


def _end_in_another_film(data: bytearray, draw: random.Random, other: bytes) -> None:
    data[draw.randrange(len(data) + 1) :] = other[draw.randrange(len(other)) :]


def _resize_a_box(data: bytearray, draw: random.Random, _: bytes) -> None:
    if boxes := [found.start() for found in BOXES.finditer(data) if found.start() >= 4]:
        at = draw.choice(boxes) - 4
        size = struct.unpack_from(">I", data, at)[0]
        new = draw.choice((*EXTREMES, size - 1, size + 1, size * 2, size // 2))
        struct.pack_into(">I", data, at, new & 0xFFFFFFFF)


def _exaggerate_a_table(data: bytearray, draw: random.Random, _: bytes) -> None:
    """Change a number in the first entries of a box: counts, sizes, times, dimensions."""
    if boxes := [found.end() for found in BOXES.finditer(data) if found.end() + 64 < len(data)]:
        struct.pack_into(">I", data, draw.choice(boxes) + 4 * draw.randrange(16), draw.choice(EXTREMES))


def _exaggerate_the_head(data: bytearray, draw: random.Random, _: bytes) -> None:
    if len(data) > HEAD:
        struct.pack_into(draw.choice("<>") + "I", data, draw.randrange(HEAD - 4), draw.choice(EXTREMES))


MUTATIONS: list[Mutation] = [
    _flip_bits,
    _flip_bits_of_the_head,
    _truncate,
    _lose_the_start,
    _lose_a_part,
    _repeat_a_part,
    _blank_a_part,
    _scramble_a_part,
    _end_in_another_film,
    _resize_a_box,
    _exaggerate_a_table,
    _exaggerate_the_head,
]
