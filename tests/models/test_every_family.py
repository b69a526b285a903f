"""What holds for every network, whatever its family: ids in any order of appearance, and no mask out of NaN."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from robust_vos_bench.datasets.video import Video
from robust_vos_bench.errors import RvosError
from robust_vos_bench.models import VOSAdapter, load_adapter, segment_checked
from robust_vos_bench.models.argmax import strongest
from robust_vos_bench.models.check import check_adapter
from robust_vos_bench.models.registry import builtin_entries
from robust_vos_bench.models.synthetic import Blob, moving_blobs

SMALL: dict[str, Any] = {"size": 64}
"""For the families that scale every video to one size."""
FAMILIES: dict[str, dict[str, Any]] = {
    **{name: {} for name in ("aoc", "aoc.base", "rpcm", "rpcm.norpa", "aoc.lite", "aot.t", "aot.r50_l", "aot.lite")},
    **{name: {} for name in ("deaot.t", "cfbi", "cfbi.plus", "cfbi.mobilenetv2", "cfbi.lite", "flow", "static")},
    **dict.fromkeys(
        ("stm", "stcn", "mivos", "xmem", "rde", "qdmn", "gsfm", "tbd", "hmmn", "swem", "afb_urr", "graphmem"), SMALL
    ),
    "labelprop": {},
    "joint": {"region": (96, 160)},
    "covos": {"base": "static"},
    **{name: {} for name in ("feelvos", "frtm", "frtm.resnet18")},
}
QUICK = (
    "aoc.lite",
    "aot.t",
    "deaot.t",
    "aot.lite",
    "cfbi.mobilenetv2",
    "cfbi.lite",
    "flow",
    "static",
    "labelprop",
    "covos",
    "frtm.resnet18",  # fitted on line
)
ORDERS = ((3, 5, 2, 1), (7, 4, 9, 6), (200, 3, 100, 254))
"""Ids of two objects of the first frame, of one that joins on frame 2 and of one that joins on frame 3."""


def clip(ids: tuple[int, int, int, int]) -> Video:
    places = (((14, 16), (0.5, 1), (9, 8), 0), ((34, 48), (0, -1), (8, 10), 0))
    later = (((16, 50), (0.5, 0), (8, 8), 2), ((36, 18), (0, 0.5), (7, 7), 3))
    return moving_blobs(tuple(Blob(i, *place) for i, place in zip(ids, (*places, *later))), (49, 70), 5)


def loaded(name: str) -> VOSAdapter:
    weights = "random" if builtin_entries()[name].card.weights else None
    return load_adapter(name, weights, "cpu", **FAMILIES[name])


def slow(names: Any) -> list[Any]:
    return [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in names]


def test_every_family_is_here() -> None:
    families = {name.partition(".")[0] for name, entry in builtin_entries().items() if not entry.card.extra}
    assert families - {name.partition(".")[0] for name in FAMILIES} == {"masks"}


@pytest.mark.parametrize("name", slow(FAMILIES))
def test_objects_may_join_in_any_order_of_ids(name: str) -> None:
    """An object that joins later wins no pixel before, whatever its id; and the given pixels are returned."""
    adapter = loaded(name)
    for ids in ORDERS:
        video = clip(ids)
        masks = list(segment_checked(adapter, video))  # refuses ids before their first frame
        for i, first in zip(ids, (0, 0, 2, 3)):
            given = video.prompts[first] == i
            assert given.any() and (masks[first][given] == i).all()


@pytest.mark.parametrize("name", ["cfbi.mobilenetv2", pytest.param("cfbi.plus", marks=pytest.mark.slow)])
def test_an_unseen_slot_of_cfbi_changes_only_its_own_pixels(name: str) -> None:
    """Pixels that the empty slot does not win are what the network said; the others go to the next best slot."""
    from robust_vos_bench.adapters.cfbi.protocol import Session

    adapter, video = loaded(name), clip((3, 5, 2, 1))
    session = adapter.session(video)  # type: ignore[attr-defined]
    assert isinstance(session, Session)
    seen: list[torch.Tensor] = []
    plain = session.probabilities
    session.probabilities = lambda logits: seen.append(plain(logits).clone()) or plain(logits)  # type: ignore
    frames = list(video.frames)
    session.step(frames[0], video.prompts[0], False)
    mask = session.step(frames[1], None, False)
    slots = np.array([0, 1, 2, 3, 5])  # ids by slot: 1 and 2 have not appeared
    raw = seen[0].argmax(0).numpy()
    assert np.isin(raw, (1, 2)).any(), "the case is not there"
    kept = ~np.isin(raw, (1, 2))
    assert np.array_equal(mask[kept], slots[raw][kept])
    known = seen[0][[0, 3, 4]].argmax(0).numpy()
    assert np.array_equal(mask, np.array([0, 3, 5])[known])


def poison(adapter: VOSAdapter, value: float) -> None:
    """Put one value into the biases of the network: into all of them, since some are not used for every frame."""
    network = getattr(adapter, "network", None) or adapter.encoder  # type: ignore[attr-defined]
    for name, tensor in network.named_parameters():
        if tensor.ndim == 1 and name.endswith("bias"):
            tensor.data[0] = value


TORCH = [name for name in FAMILIES if name not in ("flow", "static")]


@pytest.mark.parametrize("name", slow(TORCH))
def test_a_mask_made_from_nan_fails_its_video(name: str) -> None:
    adapter = loaded(name)
    poison(adapter, float("nan"))
    with pytest.raises(RvosError, match=r"video 'synthetic' at frame 1: .*NaN.* no mask can be made from them"):
        list(segment_checked(adapter, clip((3, 5, 2, 1))))


@pytest.mark.parametrize("name", ["cfbi.lite", "labelprop", "aot.t"])
def test_check_tells_of_nan(name: str) -> None:
    adapter = loaded(name)
    poison(adapter, float("nan"))
    report = check_adapter(adapter)
    assert any(f.level == "broken" and "NaN" in f.detail for f in report.findings)


def test_strongest_takes_the_first_of_equal_scores_and_refuses_nan() -> None:
    scores = torch.tensor([[0.5, 0.2, 0.1], [0.5, 0.7, -float("inf")]])
    assert strongest(scores).tolist() == [0, 1, 0]
    for value, word in ((float("nan"), "NaN"), (float("inf"), "Inf")):
        for channel in (0, 1):
            bad = scores.clone()
            bad[channel, 1] = value
            with pytest.raises(FloatingPointError, match=f"scores of 1 of 3 pixels are {word},"):
                strongest(bad)
