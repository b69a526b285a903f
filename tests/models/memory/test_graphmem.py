"""GraphMemVOS: memory, gated query and head against their definitions, and recorded runs of the official code."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from recordings import Recording, steps
from torch import Tensor

from robust_vos_bench.adapters.encoders.fold import fold_norms
from robust_vos_bench.adapters.memory.graph_network import DILATIONS, Context, GatedUnit
from robust_vos_bench.adapters.memory.graphmem import FlippedSession, GraphMemAdapter, GraphMemSession
from robust_vos_bench.adapters.memory.sampled_bank import SampledBank, chosen, last_uses
from robust_vos_bench.adapters.memory.sizes import AlignedSizes
from robust_vos_bench.adapters.memory.untrained import UNTRAINED
from robust_vos_bench.datasets.video import Video
from robust_vos_bench.models import load_adapter
from robust_vos_bench.models.torch_adapter import fill_untrained

from .golden import Differences, cut, differences, recorded_alone
from .test_hmmn import close, noise
from .test_weights import bare


def test_the_chosen_frames_are_the_published_ones() -> None:
    """The first frame counts twice from frame 5 to 7, the one before at frame 8."""
    assert [chosen(t) for t in (1, 2, 4)] == [[0], [0, 1], [0, 3]]
    assert [chosen(t) for t in (5, 7)] == [[0, 0, 1, 2, 3, 4], [0, 0, 1, 2, 3, 6]]
    assert [chosen(t) for t in (8, 11)] == [[0, 1, 3, 5, 7, 7], [0, 1, 3, 5, 7, 10]]
    assert chosen(103) == [0, 12, 37, 62, 87, 102]


def read(frames: list[tuple[Tensor, Tensor]], query: Tensor) -> Tensor:
    """What is read from some frames, from the definition: k x D x h x w in float64."""
    keys, values = (torch.cat([frame[part].double().flatten(2) for frame in frames], 2) for part in (0, 1))
    weights = torch.softmax(keys.transpose(1, 2) @ query[0].double().flatten(1) / math.sqrt(keys.shape[1]), 1)
    return (values @ weights).unflatten(2, query.shape[-2:])


@pytest.mark.parametrize("frames", [2, 9, 30, None])
def test_a_bank_reads_all_it_ever_asks_for(frames: int | None) -> None:
    """Frames that are not asked for again are dropped where the length is known; nothing that is read changes."""
    bank, past = SampledBank(frames), []
    for t in range(frames or 24):
        query = noise(1, 4, 2, 3, seed=500 + t)
        if t:
            expected = read([past[i] for i in chosen(t)], query)
            torch.testing.assert_close(bank.read(query).double(), expected, atol=1e-5, rtol=1e-4)
        past.append((noise(2, 4, 2, 3, seed=t) * 2, noise(2, 5, 2, 3, seed=100 + t)))
        bank.add(*past[-1], temporary=False, reference=t == 0)
        assert bank.seen == t + 1
    if frames is None:
        assert len(bank.held) == 24
    elif frames > 5:
        assert len(bank.held) < frames / 2


@pytest.mark.parametrize("frames", [100, 400])
def test_three_in_ten_frames_are_held(frames: int) -> None:
    uses, bank, most = last_uses(frames), SampledBank(frames), 0
    empty = torch.zeros(1, 1, 1, 1)
    for t in range(frames):
        bank.add(empty, empty)
        most = max(most, len(bank.held))
        assert all(uses[i] > t for i in bank.held if i and i < t)
    assert 0.2 * frames < most <= 0.3 * frames + 2


def test_a_bound_keeps_the_first_frame_and_a_spread() -> None:
    """Five frames are held beside the one before, however long the video is; the nearest stand in for the others."""
    bank = SampledBank(None, max_frames=5)
    for t in range(40):
        bank.add(torch.full((1, 1, 1, 1), float(t)), torch.full((1, 1, 1, 1), float(t)))
    held = sorted(bank.held)
    assert held[0] == 0 and held[-1] == 39 and len(held) == 6
    assert max(b - a for a, b in pairwise(held)) <= 16
    assert bank._nearest(held[2] + 1) == held[2] and bank._nearest(held[1]) == held[1]
    value = float(bank.read(torch.zeros(1, 1, 1, 1)))
    assert value == pytest.approx(np.mean([bank._nearest(i) for i in chosen(40)]))
    one = SampledBank(None, max_frames=1)
    for _ in range(9):
        one.add(torch.zeros(1, 1, 1, 1), torch.zeros(1, 1, 1, 1))
    assert sorted(one.held) == [0, 8]


def test_the_query_is_gated_by_what_was_read() -> None:
    """Five steps whose hidden state is the readout each time; the convolutions on (input, hidden)."""
    unit = GatedUnit(6)
    value, readout = noise(1, 6, 2, 3, seed=1), noise(2, 6, 2, 3, seed=2)
    with torch.no_grad():
        states = unit.states(value.flatten(2)[0].t(), readout.flatten(2).transpose(1, 2))
        expected = value.expand(2, -1, -1, -1)
        assert len(states) == 5
        for state in states:
            joined = torch.cat([expected, readout], 1)
            update, reset = torch.sigmoid(unit.update_gate(joined)), torch.sigmoid(unit.reset_gate(joined))
            candidate = torch.tanh(unit.out_gate(torch.cat([expected, readout * reset], 1)))
            expected = readout * (1 - update) + candidate * update
            torch.testing.assert_close(state, expected.flatten(2).transpose(1, 2), atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("folded", [False, True])
def test_the_head_joins_five_branches(folded: bool) -> None:
    """The mean of all cells, 1 x 1, dilations 2, 4, 8; shared channels computed once, norms folded or not."""
    head = Context(12, 4).eval()
    fill_untrained(head, UNTRAINED)
    state, value = noise(3, 5, 6, 7, seed=1), noise(1, 7, 6, 7, seed=2)
    joined = torch.cat([state, value.expand(3, -1, -1, -1)], 1)
    with torch.no_grad():
        branches = [F.relu(head.bn_x(head.conv(joined.mean((2, 3), keepdim=True)))).expand(-1, -1, 6, 7)]
        for i, dilation in enumerate(DILATIONS):
            conv = head.get_submodule(f"conv2d_{i}")
            padding = 0 if dilation == 1 else dilation
            found = F.conv2d(joined, conv.weight, conv.bias, 1, padding, dilation)  # type: ignore[arg-type]
            branches.append(F.relu(head.get_submodule(f"bn_{i}")(found)))
        expected = head.bottleneck(torch.cat(branches, 1))
        if folded:
            fold_norms(head)
            assert not any(isinstance(part, torch.nn.BatchNorm2d) for part in head.modules())
        torch.testing.assert_close(head(state, value), expected, atol=1e-5, rtol=1e-4)


def test_sizes_keep_corners() -> None:
    """The height becomes 480, in portrait too; corner pixels stay corner pixels."""
    assert AlignedSizes((480, 854), 480).inner == (480, 854) and AlignedSizes((240, 427), 480).inner == (480, 854)
    assert AlignedSizes((1280, 720), 480).inner == (480, 270) and AlignedSizes((48, 64), None).inner == (48, 64)
    sizes = AlignedSizes((5, 9), 9)
    assert sizes.inner == (9, 16)
    image = noise(1, 3, 5, 9, seed=0)
    resized = sizes.unpad(sizes.image(image, False))
    assert torch.equal(resized[..., 0, 0], image[..., 0, 0]) and torch.equal(resized[..., -1, -1], image[..., -1, -1])
    back = sizes.enlarged(resized[0])
    torch.testing.assert_close(back[:, ::4, ::8], image[0, :, ::4, ::8])


@pytest.fixture(scope="module")
def adapter() -> GraphMemAdapter:
    """Untrained, at the frames' own size."""
    found: Any = load_adapter("graphmem", "random", "cpu", size=None)
    assert isinstance(found, GraphMemAdapter)
    return found


def late(frames: int = 7) -> Video:
    """Object 7 from the start, 2 from frame 3 on."""
    pictures = np.random.default_rng(0).integers(0, 256, (frames, 32, 50, 3), np.uint8)
    first, second = np.zeros((2, 32, 50), np.uint8)
    first[4:20, 4:20], second[8:28, 30:44] = 7, 2
    return Video.from_arrays(list(pictures), {0: first, 3: second}, name="late")


def test_each_group_counts_its_own_frames(adapter: GraphMemAdapter) -> None:
    """Only a group with two frames in its memory is gated; every frame but the last is encoded once."""
    video = late()
    session = adapter.session(video)
    assert isinstance(session, GraphMemSession)
    gated: list[int] = []
    encoded: list[int] = []
    plain, encode = session.network.Memory.forward, session.network.encode_memory
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(session.network.Memory, "forward", lambda r, v: gated.append(len(r)) or plain(r, v))
        patch.setattr(session.network, "encode_memory", lambda *given: encoded.append(len(given[2])) or encode(*given))
        groups = []
        for _ in steps(session, video):
            groups.append([(bank.seen, bank._uses and max(bank._uses) + 1) for _, bank in session.groups])  # type: ignore[attr-defined]
    assert groups[2] == [(3, 6)] and groups[3] == [(4, 6), (1, 3)] and groups[-1] == [(6, 6), (3, 3)]
    assert len(gated) == 2 + 1 + 2 * 2 and encoded == [1, 1, 1, 2, 2, 2]


def test_flip_averages_two_runs(adapter: GraphMemAdapter) -> None:
    """One of them sees mirrored frames and masks; each feeds back its own."""
    video = late(5)
    mirrored = Video.from_arrays(
        [frame[:, ::-1] for frame in video.frames], {t: mask[:, ::-1] for t, mask in video.prompts.items()}
    )
    flipped: Any = load_adapter("graphmem", "random", "cpu", size=48, flip=True)
    one: Any = load_adapter("graphmem", "random", "cpu", size=48)
    sessions = [flipped.session(video), one.session(video), one.session(mirrored)]
    assert isinstance(sessions[0], FlippedSession)
    runs = zip(*(steps(session, clip) for session, clip in zip(sessions, (video, video, mirrored))))
    for t, (mask, _, _) in enumerate(runs):
        sizes = sessions[1].sizes
        expected = [sizes.enlarged(session.probabilities) for session in sessions[1:]]
        mean = (expected[0] + expected[1].flip(-1)) / 2
        assert torch.equal(sessions[0].probabilities, mean)
        ids = np.array([0, 7, 2], np.uint8)[mean.argmax(0).numpy()]
        given = video.prompts.get(t, np.zeros_like(mask))
        assert np.array_equal(mask, np.where(given > 0, given, ids))


def begun(golden: Recording, video: Video) -> Any:
    """A session with the settings of a recorded run."""
    adapter: Any = load_adapter("graphmem", "random", "cpu", size=None, flip=golden.meta["flip_tta"])
    return adapter.session(video)


@pytest.mark.parametrize("last", [2, pytest.param(6, marks=pytest.mark.slow)])
def test_frames_step_by_step(shared: Path, last: int) -> None:
    """Keys, values, readouts, states, head, logits and probabilities of two objects."""
    golden = recorded_alone(shared, "graphmem", "multi2rev_B")
    inner = recorded_alone(shared, "graphmem", "multi2rev_B_inter")
    video = cut(shared, golden)
    session = begun(golden, video)
    network = session.network
    seen: dict[str, list[Any]] = {name: [] for name in ("memory", "query", "head", "logits", "read", "states")}

    def noted(name: str, function: Any) -> Any:
        def inside(*given: Any) -> Any:
            found = function(*given)
            seen[name].append(found)
            if name == "states":
                seen["read"].append(given[1])
            return found

        return inside

    masks = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(network, "encode_memory", noted("memory", network.encode_memory))
        patch.setattr(network, "encode_query", noted("query", network.encode_query))
        patch.setattr(network.Decoder.layer5, "forward", noted("head", network.Decoder.layer5.forward))
        patch.setattr(network.Decoder, "quarter", noted("logits", network.Decoder.quarter))
        patch.setattr(network.Memory.ConvGRU_h, "states", noted("states", network.Memory.ConvGRU_h.states))
        for t, frame in enumerate(video.frames):
            masks.append(session.step(frame, video.prompts.get(t), False))
            if t == 1:
                probabilities = session.probabilities.clone()
                apart = differences(session, masks[1], golden, 1)
                assert apart.largest < 5e-3 and apart.beyond < 1e-3 and apart.means < 1e-4 and apart.labels < 1e-3
            if t == last:
                break
    key, value = seen["memory"][0]
    close(key[:, ::4], inner["f0_key_c4"])
    close(value[:, ::32], inner["f0_value_c32"])
    query = seen["query"][0]
    close(query.key[:, ::4], inner["f1_key_c4"])
    close(query.value[:, ::32], inner["f1_value_c32"])
    with torch.no_grad():
        readout = read([seen["memory"][0]], query.key).float()
    close(torch.cat([readout, query.value.expand(2, -1, -1, -1)], 1)[:, ::32], inner["f1_matched_c32"])
    close(seen["head"][0][:, ::16], inner["f1_aspp_c16"])
    close(seen["logits"][0][..., ::2, ::2], inner["f1_pred2_s2"])
    assert probabilities.shape == (3, 185, 330)
    share = 1.2e-3 if last == 2 else 5e-3  # free-running up to there
    close(seen["read"][last - 2].transpose(1, 2).unflatten(2, (12, 21))[:, ::32], inner[f"f{last}_mem_c32"], share)
    for step, state in enumerate(seen["states"][last - 2]):
        close(state.transpose(1, 2).unflatten(2, (12, 21))[:, ::32], inner[f"f{last}_q_step{step}_c32"], share)


@pytest.mark.slow
@pytest.mark.parametrize("run", ["single_B", "multi2rev_B", "multi2rev_flip_B"])
def test_whole_clips(shared: Path, run: str) -> None:
    """Free-running, with memory frames encoded once and dropped when they are not asked for again."""
    golden = recorded_alone(shared, "graphmem", run)
    video = cut(shared, golden)
    session = begun(golden, video)
    found: list[Differences] = []
    for t, mask in enumerate(steps(session, video)):
        found.append(differences(session, mask, golden, t))
    assert found[1].largest < 5e-3 and found[1].beyond < 1e-3
    assert max(each.largest for each in found) < 3e-2
    assert max(each.means for each in found) < 1e-3
    assert max(each.labels for each in found) < 1e-3


def test_an_official_file_is_read_beside_its_optimiser(tmp_path: Path) -> None:
    """The weights lie under `net`; parameters that change nothing are in the file and must be."""
    state = {n: torch.zeros(()).expand(t.shape) for n, t in bare("graphmem").state_dict().items()}
    assert any(name.startswith("Memory.ConvGRU_m.") for name in state)
    path = tmp_path / "main_runfile_graph_memory.pth.tar"
    torch.save({"epoch": 3, "net": state, "optimizer": {"state": {}, "param_groups": [{"lr": 1e-5}]}}, path)
    assert float(GraphMemAdapter(path).network.Memory.linear_e.weight.sum()) == 0
