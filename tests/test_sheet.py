"""Contact sheets: nothing is lost, whatever sizes and names come in."""

import numpy as np

from liveness.sheet import HEIGHT, Tile, contact_sheet

PORTRAIT = np.full((320, 180, 3), (255, 0, 0), np.uint8)
LANDSCAPE = np.full((90, 160, 3), (0, 0, 255), np.uint8)


def colours(sheet: np.ndarray, colour: tuple[int, int, int]) -> int:
    return int((np.abs(sheet.astype(int) - colour).sum(axis=2) < 10).sum())


def test_every_picture_is_there_at_one_height() -> None:
    tiles = [Tile([PORTRAIT, LANDSCAPE], ["đêm/2.webm", "x" * 200])] * 5
    sheet = np.asarray(contact_sheet("five", tiles, columns=2))
    assert colours(sheet, (255, 0, 0)) == 5 * HEIGHT * round(180 * HEIGHT / 320)
    assert colours(sheet, (0, 0, 255)) == 5 * HEIGHT * 2 * 160
    # captions are cut, not drawn into the next tile
    assert sheet.shape[1] < 3 * (101 + 320)


def test_a_sheet_without_tiles_says_so() -> None:
    sheet = np.asarray(contact_sheet("Labels that are likely wrong", [], columns=3))
    assert 10 < sheet.shape[0] < 100
    assert (sheet < 128).any()
