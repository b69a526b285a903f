"""The value 255 means void everywhere: it is no object, and a prompt may not hold it."""

from __future__ import annotations

import numpy as np
import pytest

from robust_vos_bench.datasets.video import Video, ids_in, values_in
from robust_vos_bench.errors import DataError

FRAMES = np.zeros((3, 8, 9, 3), np.uint8)


def test_a_black_and_white_prompt_is_refused_with_its_cure() -> None:
    mask = np.zeros((8, 9), np.uint8)
    mask[2:5, 2:5] = 255
    with pytest.raises(DataError, match=r"prompt at frame 0: holds 255, which means void.*mask > 127"):
        Video.from_arrays(FRAMES, mask)
    assert Video.from_arrays(FRAMES, (mask > 127).astype(np.uint8)).object_ids == (1,)


def test_void_beside_objects_is_refused_with_its_cure() -> None:
    mask = np.zeros((8, 9), np.uint8)
    mask[2:5, 2:5], mask[5, 5] = 7, 255
    with pytest.raises(DataError, match=r"prompt at frame 1: holds 255.*np\.where\(mask == 255, 0, mask\)"):
        Video.from_arrays(FRAMES, {1: mask})
    with pytest.raises(DataError, match="holds 255"):  # as a data set or a corruption of one's own may make one
        Video.from_arrays(FRAMES, {1: np.where(mask == 255, 0, mask)}).with_prompts({1: mask})


def test_values_and_ids() -> None:
    mask = np.array([[0, 255], [254, 3]], np.uint8)
    assert values_in(mask) == [0, 3, 254, 255] and ids_in(mask) == [3, 254]
