"""Painted people and rooms, the sprites of the demo's scenes."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from liveness.demo.portrait import SPRITE, Person, draw_person, paint_body, paint_head, paint_room

PLAIN = replace(draw_person(np.random.default_rng(3)), glasses=False, beard=0.0)
ROWS, COLUMNS = SPRITE


@given(st.integers(0, 2**32))
def test_persons_depend_on_the_seed_and_have_valid_colours(seed: int) -> None:
    person = draw_person(np.random.default_rng(seed))
    assert person == draw_person(np.random.default_rng(seed))
    assert person != draw_person(np.random.default_rng(seed + 1))
    assert all(0 <= part <= 1 for part in (*person.skin, *person.hair, *person.iris, *person.lips))
    assert person.skin[0] > person.skin[2] and person.lips[0] > person.lips[2], "skin and lips are reddish"


@given(
    st.integers(0, 2**32).map(lambda seed: draw_person(np.random.default_rng(seed))),
    st.floats(-1, 1),
    st.booleans(),
    st.floats(0, 1),
)
@settings(max_examples=8)
def test_heads_are_premultiplied_sprites_with_the_face_in_the_middle(
    person: Person, light: float, masked: bool, openness: float
) -> None:
    sprite = paint_head(person, light, masked, openness)
    assert sprite.shape == (*SPRITE, 4) and sprite.dtype == np.uint8
    assert (sprite[..., :3] <= sprite[..., 3:]).all(), "no colour exceeds its alpha"
    middle = sprite[ROWS // 2 - 40 : ROWS // 2 + 40, COLUMNS // 2 - 40 : COLUMNS // 2 + 40]
    assert (middle[..., 3] == 255).all()
    assert sprite[0, :, 3].max() == 0 and sprite[:60, [0, -1], 3].max() == 0
    assert np.array_equal(sprite, paint_head(person, light, masked, openness))


def test_light_brightens_the_side_that_it_comes_from() -> None:
    def right_minus_left(light: float) -> float:
        face = paint_head(PLAIN, light, False, 1.0)[ROWS // 2 - 60 : ROWS // 2 + 60, 80:-80, :3].astype(float)
        left, right = np.array_split(face, 2, axis=1)
        return float(right.mean() - left.mean())

    # the parting of the hair contributes to the difference
    assert right_minus_left(-1) + 10 < right_minus_left(0) < right_minus_left(1) - 10


def changed(one: np.ndarray, other: np.ndarray) -> tuple[int, int, int, int]:
    """Return the box (top, bottom, left, right) in which two sprites differ."""
    rows, columns = np.nonzero((one != other).any(axis=2))
    return int(rows.min()), int(rows.max()), int(columns.min()), int(columns.max())


def test_a_mask_covers_nose_mouth_and_chin_and_leaves_the_eyes() -> None:
    top, bottom, left, right = changed(*(paint_head(PLAIN, 0.3, masked, 1.0) for masked in (False, True)))
    assert ROWS // 2 - 10 <= top < bottom <= ROWS // 2 + 130
    assert left > COLUMNS // 2 - 100 and right < COLUMNS // 2 + 100
    mouth = paint_head(PLAIN, 0.3, True, 1.0)[ROWS // 2 + 60, COLUMNS // 2, :3].astype(int)
    assert mouth[2] > mouth[0], "the cloth is bluish, lips are not"


def test_glasses_and_beard_are_in_the_right_place() -> None:
    bare = paint_head(PLAIN, 0.3, False, 1.0)
    top, bottom, _, _ = changed(bare, paint_head(replace(PLAIN, glasses=True), 0.3, False, 1.0))
    assert ROWS // 2 - 50 < top < bottom < ROWS // 2 + 20
    top, bottom, _, _ = changed(bare, paint_head(replace(PLAIN, beard=0.9), 0.3, False, 1.0))
    assert ROWS // 2 < top < bottom < ROWS // 2 + 150


@pytest.mark.parametrize(("paint", "channels"), [(paint_room, 3), (paint_body, 4)])
def test_rooms_and_bodies_depend_on_the_seed(
    paint: Callable[[np.random.Generator, int, int], np.ndarray], channels: int
) -> None:
    one, again, other = (paint(np.random.default_rng(seed), 160, 120) for seed in (1, 1, 2))
    assert one.shape == (160, 120, channels) and one.dtype == np.uint8
    assert np.array_equal(one, again)
    assert np.abs(one.astype(int) - other)[..., :3].mean() > 5


@pytest.mark.parametrize("seed", range(5))
def test_shoulders_fill_the_lower_half(seed: int) -> None:
    body = paint_body(np.random.default_rng(seed), 160, 120)
    assert (body[..., :3] <= body[..., 3:]).all()
    assert body[:70, :, 3].max() == 0
    assert (body[100:, 50:70, 3] == 255).all()


@pytest.mark.parametrize("seed", range(5))
def test_a_room_has_edges_and_is_never_flat(seed: int) -> None:
    """A flat background would distinguish live clips from recaptured ones."""
    room = paint_room(np.random.default_rng(seed), 160, 120).astype(float)
    assert room.std(axis=(0, 1)).min() > 8
