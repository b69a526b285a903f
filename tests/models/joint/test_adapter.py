"""JOINT as an adapter: names, weights, options, shared work, and videos at the edge."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from robust_vos_bench.adapters.common.siblings import hint, system_of
from robust_vos_bench.adapters.joint.model import JointAdapter
from robust_vos_bench.adapters.joint.network import JOINT
from robust_vos_bench.api.convert import convert_weights
from robust_vos_bench.datasets.video import Video
from robust_vos_bench.errors import UsageError, WeightsError
from robust_vos_bench.models import find_entry, load_adapter, segment_checked
from robust_vos_bench.models.checkpoint import describe_diff, find_checkpoint
from robust_vos_bench.models.options import parse_options
from robust_vos_bench.models.registry import builtin_entries
from robust_vos_bench.system.confine import can_confine

SMALL = (48, 80)


@pytest.fixture(scope="module")
def adapter() -> JointAdapter:
    """Untrained, with small regions."""
    found: Any = load_adapter("joint", "random", "cpu", region=SMALL)
    assert isinstance(found, JointAdapter)
    return found


@pytest.fixture(scope="module")
def empty_state() -> dict[str, torch.Tensor]:
    """Zeros under the official names, which take no room."""
    with torch.device("meta"):
        shapes = JOINT().state_dict()
    return {name: torch.zeros(()).expand(t.shape) for name, t in shapes.items()}


def test_inventory(shared: Path, empty_state: dict[str, torch.Tensor]) -> None:
    """Every entry of the official state_dict, and nothing else."""
    official = json.loads((shared / "models" / "joint" / "keys" / "joint.json").read_text())
    expected = {name: tuple(shape) for name, shape in official.items()}
    assert describe_diff(expected, {name: tuple(t.shape) for name, t in empty_state.items()}) == []
    assert system_of(expected) == ("joint", "JOINT") and hint(expected, "joint") == ""


def test_protocols_and_options() -> None:
    entry = find_entry("joint")
    assert parse_options(entry, ["region=240,416"]) == {"region": (240, 416)}
    intervals = {name: JointAdapter(protocol=name, region=SMALL).settings.interval for name in ("davis", "youtube-vos")}  # type: ignore[arg-type]
    assert intervals == {"davis": 3, "youtube-vos": 5}
    assert JointAdapter(region=SMALL, interval=2, frames=7).settings.frames == 7
    with pytest.raises(UsageError, match="protocol is 'youtube'; it can be davis, youtube-vos"):
        load_adapter("joint", "random", "cpu", protocol="youtube")
    for region in ("100,160", "0,16"):
        with pytest.raises(UsageError, match="option region is"):
            parse_options(entry, [f"region={region}"])
    with pytest.raises(UsageError, match="give height and width"):
        load_adapter("joint", "random", "cpu", region=(16, 16, 16))


def test_two_names_of_one_tensor_and_the_last_wins(tmp_path: Path, empty_state: dict[str, torch.Tensor]) -> None:
    state = dict(empty_state)
    for part, value in (("encoder", 1.0), ("decoder", 2.0)):
        state[f"transformer.{part}.self_attn.WK.bias"] = torch.full((128,), value)
    torch.save({"net": state, "stats": {"epoch": 90}}, tmp_path / "joint.pth")
    network = JointAdapter(tmp_path / "joint.pth", region=SMALL).network.transformer
    assert network.encoder.self_attn is network.decoder.self_attn
    assert float(network.encoder.self_attn.WK.bias[0]) == 2


def test_a_missing_tensor_is_named(tmp_path: Path, empty_state: dict[str, torch.Tensor]) -> None:
    torch.save({n: t for n, t in empty_state.items() if n != "decoder.project.conv2.bias"}, tmp_path / "less.pth")
    with pytest.raises(WeightsError, match=r"missing: decoder\.project\.conv2\.bias"):
        JointAdapter(tmp_path / "less.pth")


def test_the_checkpoint_of_a_sibling_is_named(tmp_path: Path, empty_state: dict[str, torch.Tensor]) -> None:
    torch.save({"module.KV_M_r4.Key.weight": torch.zeros(128, 1024, 3, 3)}, tmp_path / "STM_weights.pth")
    with pytest.raises(WeightsError, match=r"does not fit JOINT:(.|\n)*checkpoint of STM: run it with --model stm"):
        load_adapter("joint", tmp_path / "STM_weights.pth", "cpu")
    torch.save({"model": {"refiner.TSE.layer5.reduce.0.weight": torch.zeros(64, 2048, 1, 1)}}, tmp_path / "rn101.pth")
    with pytest.raises(WeightsError, match=r"checkpoint of FRTM: run it with --model frtm"):
        load_adapter("joint", tmp_path / "rn101.pth", "cpu")
    torch.save(empty_state, tmp_path / "joint.pth")
    with pytest.raises(WeightsError, match="checkpoint of JOINT: run it with --model joint"):
        load_adapter("stm", tmp_path / "joint.pth", "cpu")


class Constructor:
    """Some class of a training program."""

    def __init__(self) -> None:
        self.arguments = {"optim_iter": 5}


class Evil:
    """Runs a program when it is unpickled in the usual way."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.mark}",)


def published(folder: Path, state: dict[str, torch.Tensor]) -> Path:
    """A file as the authors' program writes them, with something bad in it."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "joint_davis.pth.tar"
    content = {"epoch": 90, "net_type": "JOINTNet", "net": state, "constructor": Constructor(), "stats": {"loss": 0.1}}
    torch.save({**content, "settings": Evil(folder / "EVIL")}, path)
    return path


def test_a_published_pickle_names_the_command_that_converts_it(tmp_path: Path) -> None:
    """No code of it is run, wherever it is given."""
    path = published(tmp_path, {"decoder.project.conv2.bias": torch.zeros(1)})
    with pytest.raises(WeightsError, match=r"Constructor.*would run code.*rvos-bench weights convert .*joint_davis"):
        load_adapter("joint", path, "cpu")
    assert not (tmp_path / "EVIL").exists()


@pytest.mark.skipif(not can_confine(), reason="no way on this system to cut a process off from the network")
@pytest.mark.slow
def test_a_published_pickle_is_converted_and_loads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, empty_state: dict[str, torch.Tensor]
) -> None:
    """By the name of the model; what comes out is found without being given. Shared tensors are written twice."""
    monkeypatch.setenv("RVOS_BENCH_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("RVOS_BENCH_CACHE", str(tmp_path / "cache"))
    shared = torch.ones(128)
    both = {f"transformer.{part}.self_attn.WK.bias": shared for part in ("encoder", "decoder")}
    whole = {name: tensor.contiguous() for name, tensor in empty_state.items()}
    path = published(tmp_path / "joint", {**whole, **both})
    with pytest.raises(WeightsError, match=r"has to be converted once: rvos-bench weights convert joint"):
        find_checkpoint(find_entry("joint").card, None)
    made = convert_weights("joint")
    assert Path(made.output) == path.with_name("joint_davis.safetensors") and made.tensors == 503
    found = find_checkpoint(find_entry("joint").card, None)
    assert found == path.with_name("joint_davis.safetensors") and not (path.parent / "EVIL").exists()
    assert float(JointAdapter(found, region=SMALL).network.transformer.encoder.self_attn.WK.bias[0]) == 1
    path.rename(path.with_name("joint_ytvos.pth.tar"))
    assert Path(convert_weights("joint").output).name == "joint_ytvos.safetensors"


def test_the_card_names_both_files() -> None:
    card = builtin_entries()["joint"].card
    assert [w.file for w in card.weights] == ["joint_davis.safetensors", "joint_ytvos.safetensors"]
    assert [w.original for w in card.weights] == ["joint_davis.pth.tar", "joint_ytvos.pth.tar"]
    assert "none given" in card.license


def clip(mask: np.ndarray, frames: int = 3, first: int = 0) -> Video:
    """Frames of noise of the mask's size; the mask is given on frame `first`."""
    noise = np.random.default_rng(1).integers(0, 256, (frames, *mask.shape, 3), np.uint8)
    return Video.from_arrays(list(noise), {first: mask.astype(np.uint8)}, name="odd")


def masks(adapter: JointAdapter, video: Video) -> list[np.ndarray]:
    """Checked against the contract; a given mask is returned on its frame."""
    found = list(segment_checked(adapter, video))
    t = video.first_prompt
    assert len(found) == len(video) and np.array_equal(found[t], video.prompts[t])
    return found


@pytest.mark.parametrize("size", [(9, 7), (2, 3), (1, 40), (40, 1)])
def test_a_video_smaller_than_one_cell(adapter: JointAdapter, size: tuple[int, int]) -> None:
    mask = np.zeros(size, np.uint8)
    mask[size[0] // 3 : 1 + size[0] // 2, size[1] // 3 : 1 + size[1] // 2] = 3
    masks(adapter, clip(mask, 5))


def test_an_object_of_three_pixels(adapter: JointAdapter) -> None:
    """Of one row: the authors' code has no region for it, and a diagnostic says what is done."""
    mask = np.zeros((48, 64), np.uint8)
    mask[20, 21:24] = 200
    masks(adapter, clip(mask, 4))
    assert "object 200 is a single row or column" in adapter.diagnostics[0]
    mask[21, 22] = 200
    masks(adapter, clip(mask, 4))
    assert adapter.diagnostics == []


def test_fifty_objects(adapter: JointAdapter) -> None:
    mask = np.zeros((40, 80), np.uint8)
    for i in range(50):
        y, x = divmod(i, 10)
        mask[y * 8 : y * 8 + 6, x * 8 : x * 8 + 6] = 4 * i + 2
    masks(adapter, clip(mask, 2))


def test_a_first_frame_without_objects(adapter: JointAdapter) -> None:
    mask = np.zeros((32, 48), np.uint8)
    mask[4:20, 8:30] = 1
    found = masks(adapter, clip(mask, 4, first=2))
    assert not found[0].any() and not found[1].any()


def test_an_object_that_goes_is_followed_without_harm(adapter: JointAdapter) -> None:
    """Its scores are low everywhere: it keeps its place, and what is remembered stays finite."""
    mask = np.zeros((32, 64), np.uint8)
    mask[:, :40], mask[8:20, 50:60] = 1, 2
    video = clip(mask, 7)
    session = adapter.session(video)
    positions = []
    for t, frame in enumerate(video.frames):
        found = session.step(frame, video.prompts.get(t), t == 6)
        gone = session.trackers[1]
        gone.network = Gone(adapter.network)  # type: ignore[assignment]
        positions.append(gone.state.position.tolist())
        assert bool(torch.isfinite(session.probabilities).all()) and bool(torch.isfinite(gone.filter).all())
        assert t == 0 or not (found == 2).any()
    assert positions[1] == positions[-1] and len(gone.memory) == 3


class Gone:
    """The network, but the object is nowhere."""

    def __init__(self, network: JOINT) -> None:
        self.network = network

    def __getattr__(self, name: str) -> Any:
        return getattr(self.network, name)

    def decoder(self, encoding: torch.Tensor, reduced: Any) -> torch.Tensor:
        """Low scores."""
        return torch.full(SMALL, -50.0)


def test_equal_regions_are_seen_once(adapter: JointAdapter, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two objects whose regions are the whole frame: the backbone runs once per frame."""
    mask = np.zeros((48, 80), np.uint8)
    mask[:24, :60], mask[24:, 10:] = 1, 2
    video = clip(mask, 3)
    looks = []
    plain = adapter.network.look
    monkeypatch.setattr(adapter.network, "look", lambda region: looks.append(region) or plain(region))
    masks(adapter, video)
    assert len(looks) == 2 and not torch.equal(looks[0], looks[1])


def test_frames_bound_the_memory(adapter: JointAdapter) -> None:
    """Three remembered frames, however long the video; with one, the given frame alone stays."""
    mask = np.zeros((32, 48), np.uint8)
    mask[4:20, 8:30] = 1
    video = clip(mask, 12)
    for frames in (3, 1):
        small = JointAdapter.__new__(JointAdapter)
        small.__dict__.update(adapter.__dict__)
        small.settings = type(adapter.settings)(SMALL, 2, frames)
        session = small.session(video)
        for t, frame in enumerate(video.frames):
            session.step(frame, video.prompts.get(t), t == 11)
        tracker = session.trackers[0]
        assert len(tracker.memory) == frames and len(tracker._features) == frames == len(tracker._labels)


def test_frames_count_from_an_objects_own_first(adapter: JointAdapter) -> None:
    """A late object; ids in any order, and its mask is returned as given."""
    first, second = np.zeros((2, 48, 64), np.uint8)
    first[4:24, 4:24], second[28:44, 30:60] = 7, 2
    noise = np.random.default_rng(0).integers(0, 256, (8, 48, 64, 3), np.uint8)
    video = Video.from_arrays(list(noise), {0: first, 3: second}, name="late")
    session = adapter.session(video)
    numbers = []
    for t, frame in enumerate(video.frames):
        found = session.step(frame, video.prompts.get(t), t == 7)
        numbers.append([(tracker.number, len(tracker.memory)) for tracker in session.trackers])
        if t == 3:
            assert (found[second == 2] == 2).all()
    assert session.ids.ids == [7, 2]
    assert numbers[3] == [(4, 2), (1, 1)] and numbers[7] == [(8, 3), (5, 2)]
