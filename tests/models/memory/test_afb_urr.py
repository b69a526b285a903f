"""AFB-URR: banks and refinement against their definitions, the loop's rules, and recorded runs of the official code."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from recordings import Recording, steps
from torch import Tensor

from robust_vos_bench.adapters.common.tensors import image_tensor
from robust_vos_bench.adapters.memory import feature_bank, uncertain
from robust_vos_bench.adapters.memory.afb_urr import AFBURRAdapter, AFBURRSession
from robust_vos_bench.adapters.memory.feature_bank import BankRule, FeatureBank
from robust_vos_bench.adapters.memory.pillow_sizes import PillowSizes
from robust_vos_bench.datasets.video import Video
from robust_vos_bench.errors import UsageError, WeightsError
from robust_vos_bench.models import load_adapter

from .golden import Differences, cut, differences, recorded_alone
from .test_hmmn import close, noise
from .test_weights import bare


class Definition:
    """A bank as lists of vectors in float64, cell by cell."""

    def __init__(self, key: Tensor, value: Tensor, frame: int) -> None:
        self.rows = [[k, v, frame, 0.0] for k, v in zip(key.double().t(), value.double().t())]

    def read(self, key: Tensor) -> Tensor:
        """Readout D x hw."""
        found, counts = [], [0] * len(self.rows)
        for q in key.double().t():
            scores = torch.stack([row[0] @ q / math.sqrt(len(q)) for row in self.rows])
            weights = torch.softmax(scores, 0)
            counts = [n + bool(w > 1e-3) for n, w in zip(counts, weights)]
            found.append(torch.stack([w * row[1] for w, row in zip(weights, self.rows)]).sum(0))
        for row, count in zip(self.rows, counts):
            row[3] += math.log(count + 1)
        return torch.stack(found, 1)

    def update(self, key: Tensor, value: Tensor, frame: int, rate: float, threshold: float, share: float) -> None:
        """Merge, remove, append."""
        hits: dict[int, list[int]] = {}
        others = []
        keys, values = key.double().t(), value.double().t()
        for cell, k in enumerate(keys):
            cosines = [float(row[0] @ k / row[0].norm() / k.norm()) for row in self.rows]
            best = max(range(len(cosines)), key=lambda i: (cosines[i], -i)) if cosines else -1
            if cosines and cosines[best] > threshold:
                hits.setdefault(best, []).append(cell)
            else:
                others.append(cell)
        for i, cells in hits.items():
            for part, new in ((0, keys), (1, values)):
                mean = torch.stack([new[cell] / new[cell].norm() for cell in cells]).mean(0)
                old = self.rows[i][part]
                self.rows[i][part] = old.norm() * ((1 - rate) * old / old.norm() + rate * mean)
        if share < len(self.rows) + len(others):
            while self.rows:
                level = int(min(row[3] / (frame - row[2]) for row in self.rows)) + 1
                self.rows = [row for row in self.rows if row[3] / (frame - row[2]) > level]
                if len(self.rows) + len(others) <= share:
                    break
        self.rows += [[keys[cell], values[cell], frame, 0.0] for cell in others]


@pytest.mark.parametrize(("share", "block"), [(1e9, 1 << 24), (70, 1 << 24), (70, 100), (30.4, 1 << 24), (10, 50)])
def test_a_bank_is_its_definition(monkeypatch: pytest.MonkeyPatch, share: float, block: int) -> None:
    """Merged, appended and removed rows over eight frames, also where a frame alone has more cells than the bank."""
    monkeypatch.setattr(feature_bank, "BLOCK", block)
    rule = BankRule(update_rate=0.3, merge_threshold=0.8)
    centres = noise(5, 40, seed=3) * 2

    def frame(t: int) -> tuple[Tensor, Tensor]:
        return centres + noise(5, 40, seed=t) * 0.7, noise(6, 40, seed=100 + t)

    bank, definition = FeatureBank(*frame(0), 0), Definition(*frame(0), 0)
    sizes = []
    for t in range(1, 9):
        query = frame(50 + t)[0]
        torch.testing.assert_close(bank.read(query).double(), definition.read(query), atol=1e-5, rtol=1e-4)
        bank.update(*frame(t), t, rule, share)
        definition.update(*frame(t), t, 0.3, 0.8, share)
        assert len(bank) == len(definition.rows)
        if len(bank):
            expected = [torch.stack([row[part] for row in definition.rows]) for part in (0, 1)]
            torch.testing.assert_close(bank.keys.double(), expected[0], atol=1e-5, rtol=1e-4)
            torch.testing.assert_close(bank.values.double(), expected[1], atol=1e-5, rtol=1e-4)
            info = torch.tensor([row[2:] for row in definition.rows], dtype=torch.float64)
            torch.testing.assert_close(bank.info.double(), info, atol=1e-4, rtol=1e-5)
        sizes.append(len(bank))
    assert max(sizes) > 40 if share > 50 else max(sizes) <= 40


def test_an_empty_bank_reads_zeros_and_takes_all() -> None:
    """Where every row went and none came: the official code stops with an error."""
    key = torch.eye(4)
    bank = FeatureBank(key, torch.ones(6, 4), 0)
    bank.update(key, torch.ones(6, 4), 1, BankRule(), share=3)  # all merged, one level of use: none is left
    assert len(bank) == 0
    assert torch.equal(bank.read(key), torch.zeros(6, 4))
    bank.update(key, torch.ones(6, 4), 2, BankRule(), share=100)
    assert len(bank) == 4 and bank.info[:, 0].tolist() == [2.0] * 4


def test_each_bank_has_its_share() -> None:
    """A fifth is left free with one object, where the budget of a bank is no whole number."""
    assert BankRule(1201).share(2) == 480.0 and BankRule(1201).share(3) == 400 and BankRule(7).share(10) == 0


def test_refinement_is_its_definition() -> None:
    """Shares are a softmax of probabilities; means count the border as zeros; doubt is one where shares tie."""
    logits = noise(3, 2, 9, 11, seed=0)
    plain = torch.softmax(logits, 1)[:, 1]
    shares = uncertain.rough_shares(logits)
    torch.testing.assert_close(shares, plain.exp() / plain.exp().sum(0))
    best = shares.sort(0, descending=True).values
    torch.testing.assert_close(uncertain.uncertainty(shares), torch.exp(1 - best[0] / best[1]), atol=1e-6, rtol=1e-5)
    assert bool((uncertain.uncertainty(torch.full((2, 3, 3), 0.5)) > 1 - 1e-6).all())
    x = noise(2, 4, 9, 11, seed=1)
    around, strongest = uncertain.around(x), uncertain.strongest_around(x)
    for i, j in ((0, 0), (4, 5), (8, 3)):
        window = x[:, :, max(0, i - 3) : i + 4, max(0, j - 3) : j + 4]
        torch.testing.assert_close(around[:, :, i, j], window.sum((2, 3)) / 49)
        assert torch.equal(strongest[:, :, i, j], window.amax((2, 3)))


def test_high_frames_are_reduced_by_pillow() -> None:
    """Height 495 from there on, whatever the width; the width as the authors' code rounds it."""
    assert PillowSizes((480, 854), 495).inner == (480, 854) and PillowSizes((494, 10), 495).inner == (494, 10)
    assert PillowSizes((720, 1280), 495).inner == (495, 880) and PillowSizes((1280, 720), 495).inner == (495, 278)
    assert PillowSizes((1080, 1920), None).inner == (1080, 1920) and PillowSizes((100, 1), 16).inner == (16, 1)
    frame = np.random.default_rng(0).integers(0, 256, (40, 70, 3), np.uint8)
    sizes = PillowSizes((40, 70), 24)
    image = sizes.image(frame, "cpu")
    expected = np.asarray(Image.fromarray(frame).resize((42, 24), Image.Resampling.BICUBIC))
    assert image.shape == (1, 3, 32, 48) and torch.equal(sizes.unpad(image), image_tensor(expected, "cpu"))
    mask = (frame[..., 0] > 200).astype(np.uint8) * 9
    small = np.asarray(Image.fromarray(mask).resize((42, 24), Image.Resampling.NEAREST))
    assert np.array_equal(sizes.masks(mask, [9])[0].numpy(), small == 9)
    assert sizes.enlarged(torch.zeros(2, 24, 42)).shape == (2, 40, 70)


@pytest.fixture(scope="module")
def adapter() -> AFBURRAdapter:
    """Untrained, at the frames' own size."""
    found: Any = load_adapter("afb_urr", "random", "cpu", size=None)
    assert isinstance(found, AFBURRAdapter)
    return found


def test_protocols_have_their_update_rates() -> None:
    rates = {name: AFBURRAdapter(protocol=name).rule.update_rate for name in ("davis", "youtube-vos", "long-videos")}  # type: ignore[arg-type]
    assert rates == {"davis": 0.1, "youtube-vos": 0.05, "long-videos": 0.05}
    assert AFBURRAdapter(update_rate=0.2).rule.update_rate == 0.2
    with pytest.raises(UsageError, match="protocol is 'youtube'; it can be davis, youtube-vos, long-videos"):
        load_adapter("afb_urr", "random", "cpu", protocol="youtube")


def late(frames: int = 5) -> Video:
    """Object 7 from the start, 2 from frame 2 on."""
    noise_ = np.random.default_rng(0).integers(0, 256, (frames, 32, 48, 3), np.uint8)
    first, second = np.zeros((2, 32, 48), np.uint8)
    first[4:20, 4:20], second[8:28, 30:44] = 7, 2
    return Video.from_arrays(list(noise_), {0: first, 2: second}, name="late")


def born(session: AFBURRSession, video: Video) -> Iterator[tuple[int, set[float], Tensor]]:
    """After each frame: banks, frames that the rows of all banks are of, probabilities."""
    for _ in steps(session, video):
        yield len(session.banks), {n for b in session.banks for n in b.info[:, 0].tolist()}, session.probabilities


def test_banks_begin_again_where_an_object_appears(adapter: AFBURRAdapter) -> None:
    """Channels of objects that come later exist, in the order of ids, and have no pixel before."""
    video = late()
    session = adapter.session(video)
    session.rule = BankRule(merge_threshold=1.0)  # nothing is merged
    found = list(born(session, video))
    assert [count for count, _, _ in found] == [3] * 5 and session.ids.ids == [2, 7]
    assert [frames for _, frames, _ in found] == [{0.0}, {0.0, 1.0}, {2.0}, {2.0, 3.0}, {2.0, 3.0}]
    assert not found[1][2][1].any() and bool((found[2][2][1][8:28, 30:44] == 1).all())
    assert float(found[2][2][1].sum()) == 20 * 14
    assert all(bool((p.sum(0) - 1).abs().max() < 1e-5) for _, _, p in found)


def test_objects_that_were_not_announced_grow_the_channels(adapter: AFBURRAdapter) -> None:
    """From their frame on all is as if they had been; before, fewer channels are compared."""
    video = late()
    alone = video.with_prompts({0: video.prompts[0]})
    session, announced = adapter.session(alone), adapter.session(video)
    found, expected = list(born(session, video)), list(born(announced, video))
    assert [count for count, _, _ in found] == [2, 2, 3, 3, 3] and session.ids.ids == [7, 2]
    assert torch.equal(found[2][2][[0, 2, 1]] > 0.5, expected[2][2] > 0.5)
    assert [len(bank) for bank in session.banks] == [len(announced.banks[i]) for i in (0, 2, 1)]


def test_of_long_videos_the_last_two_frames_are_not_remembered() -> None:
    video = late()
    video = video.with_prompts({0: video.prompts[0]})
    remembered: dict[str, list[float]] = {}
    for protocol in ("davis", "long-videos"):
        long: Any = load_adapter("afb_urr", "random", "cpu", size=None, protocol=protocol, merge_threshold=1.0)
        session = long.session(video)
        remembered[protocol] = sorted(list(born(session, video))[-1][1])
    assert remembered == {"davis": [0, 1, 2, 3], "long-videos": [0, 1, 2]}


def test_the_budget_bounds_the_memory(adapter: AFBURRAdapter) -> None:
    """Three banks of at most 12 rows each, though frames have six cells each and nothing is merged."""
    video = late(9)
    session = adapter.session(video)
    session.rule = BankRule(budget=36, merge_threshold=1.0)
    sizes = [[len(bank) for bank in session.banks] for _ in steps(session, video)]
    assert max(max(each) for each in sizes) <= 12 and min(min(each) for each in sizes) >= 6


def settings(golden: Recording) -> dict[str, Any]:
    """Options of a recorded run."""
    names = {"budget": "budget", "update_rate": "update_rate", "merge_thres": "merge_threshold"}
    return {ours: golden.meta[theirs] for theirs, ours in names.items()}


def alike(ours: Tensor, recorded: np.ndarray) -> None:
    """As `close` but for some values that come from saturated probabilities, which the last bit decides."""
    most = max(1.0, float(np.abs(recorded).max()))
    apart = np.abs(ours.numpy() - recorded.astype(np.float32)) / most
    assert apart.max() < 3e-3 and (apart > 1.2e-3).mean() < 1e-2, (apart.max(), (apart > 1.2e-3).mean())


def test_two_frames_step_by_step(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys, values, readout, logits, shares, doubt, local terms, probabilities, scores and banks of two objects.

    Norms are not folded, as in the official code: saturated probabilities multiply each difference in rounding.
    """
    monkeypatch.setattr("robust_vos_bench.adapters.memory.adapter.prepare", lambda network, device: None)
    golden = recorded_alone(shared, "afb_urr", "multi2rev_B")
    inner = recorded_alone(shared, "afb_urr", "multi2rev_B_inter")
    video = cut(shared, golden, 3)
    adapter: Any = load_adapter("afb_urr", "random", "cpu", size=None, **settings(golden))
    session: AFBURRSession = adapter.session(video)
    network, frames = session.network, list(video.frames)
    seen: dict[str, Tensor] = {}
    remembered: list[tuple[Tensor, Tensor]] = []
    plain, decoder = network.encode_memory, network.decoder

    def noted(name: str, function: Any) -> Any:
        def inside(*given: Any) -> Any:
            found = function(*given)
            seen.setdefault(name, found)
            seen.setdefault(f"{name}_given", given[0])
            return found

        return inside

    with monkeypatch.context() as patch:
        patch.setattr(network, "encode_memory", lambda *given: remembered.append(plain(*given)) or remembered[-1])
        patch.setattr(network, "scores", noted("scores", network.scores))
        patch.setattr(decoder, "quarter", noted("quarter", decoder.quarter))
        patch.setattr(decoder, "probabilities", noted("p", decoder.probabilities))
        for name in ("rough_shares", "uncertainty", "around", "strongest_around"):
            patch.setattr(uncertain, name, noted(name, getattr(uncertain, name)))
        patch.setattr(decoder.local_pred2, "forward", noted("local", decoder.local_pred2.forward))
        masks = [session.step(frames[t], video.prompts.get(t), False) for t in (0, 1)]

    for t, (key, value) in enumerate(remembered):
        for i in range(3):
            (alike if t else close)(key[i, ::4], inner[f"f{t}_key_{i}_c4"])
            (alike if t else close)(value[i, ::32], inner[f"f{t}_value_{i}_c32"])
    close(seen["scores_given"].flatten(2)[:, ::16], inner["f1_matched_c16"])
    close(seen["quarter"][..., ::2, ::2], inner["f1_pred2"])
    close(seen["rough_shares"][None, :, ::4, ::4], inner["f1_rough_seg_s4"])
    assert np.abs(seen["uncertainty"][None, None, ::4, ::4].numpy() - inner["f1_uncertainty_s4"]).max() < 1e-4
    close(seen["around"][:, ::8, ::4, ::4], inner["f1_r1_weighted_avg_c8_s4"])
    close(seen["strongest_around"][..., ::4, ::4], inner["f1_r1_conf_s4"])
    close(seen["local"][..., ::4, ::4], inner["f1_local_pred2_s4"])
    close(seen["p"][:, ::4, ::4], inner["f1_decoder_p_s4"])
    scores = session.sizes.unpad(seen["scores"])[None, :, ::4, ::4].numpy()
    apart = np.abs(scores - inner["f1_score_s4"].astype(np.float32))
    assert apart.max() < 0.15 and (apart > 0.02).mean() < 1e-3  # of 16, where probabilities are saturated
    for i, bank in enumerate(session.banks):
        assert np.array_equal(bank.info[:, 0].numpy(), inner[f"f1_bank_info_{i}"][:, 0])
        assert np.abs(bank.info.numpy() - inner[f"f1_bank_info_{i}"]).max() < 0.1
        alike(bank.keys[:, ::8].t(), inner[f"f1_bank_key_{i}_c8"])
        alike(bank.values[:, ::64].t(), inner[f"f1_bank_value_{i}_c64"])
    apart1 = differences(session, masks[1], golden, 1)
    assert apart1.beyond < 0.05 and apart1.means < 1e-4 and apart1.labels < 1e-3


@pytest.mark.slow
@pytest.mark.parametrize("run", ["single_B", "multi2rev_B", "multi2rev_append_B", "late3_B"])
def test_whole_clips(shared: Path, run: str) -> None:
    """Free-running; sizes of the banks after every update are equal."""
    golden = recorded_alone(shared, "afb_urr", run)
    video = cut(shared, golden)
    adapter: Any = load_adapter("afb_urr", "random", "cpu", size=None, **settings(golden))
    session: AFBURRSession = adapter.session(video)
    found: list[Differences] = []
    rows = []
    for t, mask in enumerate(steps(session, video)):
        found.append(differences(session, mask, golden, t))
        if t and t not in video.prompts and t < len(video) - 1:
            rows.append([len(bank) for bank in session.banks])
    assert np.array_equal(rows, golden["bank_rows_after_update"])
    assert max(each.means for each in found) < 3e-4
    assert max(each.labels for each in found) < 1e-3
    assert max(each.beyond for each in found) < 0.02
    for i, bank in enumerate(session.banks):
        assert np.array_equal(bank.info[:, 0].numpy(), golden[f"bank_info_{i}"][:, 0])
        assert np.abs(bank.info[:, 1].numpy() - golden[f"bank_info_{i}"][:, 1]).max() < 1


def test_an_official_file_is_read_beside_epoch_and_loss(tmp_path: Path) -> None:
    """The weights lie under `model`, and load strictly: a missing tensor is named."""
    state = {n: torch.zeros(()).expand(t.shape) for n, t in bare("afb_urr").state_dict().items()}
    torch.save({"epoch": 9, "model": state, "loss": 0.1, "seed": 5}, tmp_path / "AFB-URR_DAVIS17.pth")
    assert float(AFBURRAdapter(tmp_path / "AFB-URR_DAVIS17.pth").network.keyval_r4.Key.weight.sum()) == 0
    del state["decoder.local_pred2.bias"]
    torch.save({"model": state}, tmp_path / "less.pth")
    with pytest.raises(WeightsError, match=r"missing: decoder\.local_pred2\.bias"):
        AFBURRAdapter(tmp_path / "less.pth")


@pytest.mark.parametrize(("given", "model"), [("stm", "afb_urr"), ("afb_urr", "graphmem"), ("graphmem", "stm")])
def test_the_checkpoint_of_a_sibling_is_named(tmp_path: Path, given: str, model: str) -> None:
    state = {n: torch.zeros(()).expand(t.shape) for n, t in bare(given).state_dict().items()}
    torch.save(state, tmp_path / "given.pth")
    with pytest.raises(WeightsError, match=rf"run it with --model {given} --checkpoint FILE"):
        load_adapter(model, tmp_path / "given.pth", "cpu")
