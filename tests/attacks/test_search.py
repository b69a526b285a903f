"""Attacks on one video: a model without fault falls, and each planted fault raises its flag."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from clips import clip
from torch import Tensor
from toys import Blind, Deaf, Toy

import robust_vos_bench as rvos
from robust_vos_bench import Effort, Threat, UsageError, attack_video
from robust_vos_bench.attacks.apgd import Value, apgd, checkpoints
from robust_vos_bench.attacks.effort import Attacked, Candidate
from robust_vos_bench.attacks.flags import Flag
from robust_vos_bench.attacks.lattice import PatchBox
from robust_vos_bench.attacks.limits import outside
from robust_vos_bench.attacks.losses import LOSSES
from robust_vos_bench.attacks.momentum import momentum
from robust_vos_bench.attacks.rollout import Window, windows_of
from robust_vos_bench.attacks.square import share_at
from robust_vos_bench.attacks.threat import in_order, read_threat
from robust_vos_bench.datasets.video import Video
from robust_vos_bench.errors import DataError

QUICK = Effort(steps=10, losses=("lost",), queries=60, eot=1)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def attacked(kind: str, budget: int, frames: str, fault: str = "", effort: Effort = QUICK) -> Attacked:
    video, truth = clip()
    return attack_video(Toy(fault=fault), video, truth, Threat(kind, budget, frames), effort=effort)


def names(found: Attacked) -> set[str]:
    return {flag.name for flag in found.flags}


class Sines(torch.nn.Module):
    """The toy network of `apgd.json`: many local optima inside of the box.

    The file holds what `_apgd` of adv-lib 0.2.8 finds from `start` with cross-entropy, eps 0.4 and this network.
    """

    def forward(self, x: Tensor) -> Tensor:
        a = torch.linspace(-1, 1, 16 * 12).mul(17.0).sin().reshape(16, 12)
        b = torch.linspace(-1, 1, 3 * 16).mul(11.0).cos().reshape(3, 16)
        return (3 * torch.sin(2.5 * (x.flatten(1) @ a.T))) @ b.T * 0.3


@pytest.mark.parametrize("steps", [20, 50, 100])
def test_apgd_finds_what_adv_lib_finds_from_the_same_start(steps: int) -> None:
    golden = json.loads((Path(__file__).parent / "apgd.json").read_text())
    x, start = (torch.tensor(golden[name]).reshape(1, 3, 2, 2) for name in ("x", "start"))
    low, high = (x - golden["eps"]).clamp(0, 1), (x + golden["eps"]).clamp(0, 1)
    net, label = Sines(), torch.tensor([golden["label"]])

    def evaluate(at: Tensor) -> Value:
        leaf = at.clone().requires_grad_(True)
        loss = torch.nn.functional.cross_entropy(net(leaf), label)
        return Value(float(loss.detach()), torch.autograd.grad(loss, leaf)[0])

    found = list(apgd(evaluate, lambda p: torch.minimum(torch.maximum(p, low), high), start, golden["eps"], steps))
    best = max(found, key=lambda step: step.value.loss)
    assert len(found) == steps + 1
    assert best.value.loss == pytest.approx(golden["losses"][str(steps)], abs=2e-5)
    assert best.point.flatten().tolist() == pytest.approx(golden["best"][str(steps)], abs=1e-3)


def test_checkpoints_come_closer_to_each_other() -> None:
    assert checkpoints(100) == [22, 41, 57, 70, 80, 87, 93, 99]
    assert checkpoints(1) == [1]


def test_a_linear_score_is_driven_to_the_corner_exactly() -> None:
    weights = torch.tensor([1.0, -2.0, 0.5, -0.1])
    x = torch.tensor([10.0, 254.0, 0.0, 100.0])
    low, high = (x - 4).clamp(0), (x + 4).clamp(max=255)
    last = list(apgd(lambda p: Value(float(p @ weights), weights), lambda p: p.clamp(low, high), x, 4.0, 20))
    best = max(last, key=lambda step: step.value.loss)
    assert torch.equal(best.point, torch.where(weights > 0, high, low))


def test_momentum_keeps_what_gradients_have_in_common() -> None:
    """One coordinate's gradient always says up, the other's turns about, twelve times as large: the first has moved as
    far as the box goes, and the steps become smaller."""
    turns = iter([1.0, -1.0] * 20)
    points = [
        step.point
        for step in momentum(
            lambda p: Value(0.0, torch.tensor([0.5, 6 * next(turns)])),
            lambda p: p.clamp(-4, 4),
            torch.zeros(2),
            1.0,
            20,
        )
    ]
    assert len(points) == 21 and torch.equal(points[0], torch.zeros(2))
    assert points[-1][0] == 4
    moves = [float((b - a).abs().max()) for a, b in itertools.pairwise(points)]
    assert moves[0] == 1 and moves[-1] == pytest.approx(0.1)
    still = [step.point for step in momentum(lambda p: Value(0.0, torch.zeros(2)), lambda p: p, torch.ones(2), 1.0, 2)]
    assert all(torch.equal(point, torch.ones(2)) for point in still)


def test_what_is_left_of_the_steps_goes_to_the_best_loss() -> None:
    effort = Effort(steps=10, eot=1)
    found = attacked("linf", 4, "prompt", effort=effort)
    assert list(found.trace) == ["lost", "softj", "ce-bal", "refined"]
    assert [len(curves[0]) for curves in found.trace.values()] == [7, 7, 7, 12]
    assert sum(len(curves[0]) for curves in found.trace.values()) == 3 * 11  # as three searches of 10 steps
    assert found.trace["refined"][0][0] == pytest.approx(min(found.by_loss[name] for name in effort.losses), abs=0.1)
    twice = attacked("linf", 4, "prompt", effort=Effort(steps=4, losses=("lost", "softj"), starts=2, eot=1))
    assert list(twice.trace) == ["lost", "softj", "refined", "lost, start 2", "softj, start 2"]
    assert list(attacked("patch", 9, "all", effort=Effort(steps=2, eot=1)).trace) == ["lost", "softj", "ce-bal"]


def test_white_box_stays_within_its_budget_and_beats_noise() -> None:
    video, truth = clip()
    clean = list(video.frames)
    found, noise = attacked("linf", 8, "prompt"), attacked("noise", 8, "prompt")
    assert found.clean > 95
    assert found.score < 70 < noise.score
    assert outside(Threat("linf", 8, "prompt"), video, clean, found.frames, truth) == ""
    assert np.abs(found.frames[0].astype(int) - clean[0]).max() == 8
    assert all(np.array_equal(a, b) for a, b in zip(found.frames[1:], clean[1:]))
    assert not names(found) & {"gradient", "agreement", "budget", "random"}
    assert len(found.trace["lost"][0]) == 11
    assert found.chosen == "lost"


@pytest.mark.parametrize(("kind", "budget", "frames"), [("linf", 3, "rest"), ("linf", 2, "all"), ("patch", 9, "all")])
def test_other_threats_change_what_they_may(kind: str, budget: int, frames: str) -> None:
    video, truth = clip()
    clean = list(video.frames)
    threat = Threat(kind, budget, frames)
    found = attacked(kind, budget, frames)
    assert outside(threat, video, clean, found.frames, truth) == ""
    assert found.score < found.clean
    changed = {t for t in range(len(clean)) if not np.array_equal(found.frames[t], clean[t])}
    assert changed <= threat.allowed(video)


def test_a_patch_is_laid_on_each_frame_once_a_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    video, truth = clip(12)
    asked: list[int] = []
    frame = PatchBox.frame

    def counting(box: PatchBox, values: Tensor, t: int) -> Tensor:
        asked.append(t)
        return frame(box, values, t)

    monkeypatch.setattr(PatchBox, "frame", counting)
    effort = Effort(steps=2, losses=("lost",), window=4, eot=1)
    found = attack_video(Toy(), video, truth, Threat("patch", 9, "all"), effort=effort)
    passes = len(found.trace["lost"][0])
    assert passes == 3 and len(asked) == 12 * (passes + 1)  # once more for the frames that are kept


def test_square_needs_masks_alone() -> None:
    video, truth = clip()
    found = attack_video(Blind(), video, truth, Threat("square", 20, "all"), effort=QUICK)
    assert found.score < found.clean - 5
    assert found.chosen == "square"
    with pytest.raises(UsageError, match=r"square.*adversarial-black.*transfer"):
        attack_video(Blind(), video, truth, Threat("linf", 2, "all"))


@pytest.mark.parametrize("fault", ["rounding", "detached", "nan"])
def test_a_dead_gradient_is_an_error_and_no_robustness(fault: str) -> None:
    found = attacked("linf", 8, "prompt", fault)
    assert found.score > 95
    assert "gradient" in names(found)
    assert next(flag for flag in found.flags if flag.name == "gradient").is_error


def test_noise_in_the_model_is_told_and_averaged_over() -> None:
    assert "random" in names(attacked("linf", 8, "prompt", "noise"))
    averaged = attacked("linf", 8, "prompt", "noise", Effort(steps=3, losses=("lost",)))
    assert averaged.eot == 8
    assert "random" not in names(averaged)


def test_another_model_that_is_scored_is_told() -> None:
    assert "agreement" in names(attacked("linf", 2, "prompt", "other"))


def test_a_gradient_that_misleads_is_beaten_by_square() -> None:
    from robust_vos_bench.attacks.flags import weaker

    white = attacked("linf", 8, "all", "killer", Effort(steps=4, losses=("lost",)))
    black = attacked("square", 8, "all", "killer", Effort(queries=150, eot=1))
    assert not names(white) & {"gradient", "agreement"}
    assert [flag.name for flag in weaker("black box", "square", white.score, black.score)] == ["black box"]


def test_without_a_bound_nothing_is_left_of_a_model_that_can_be_attacked() -> None:
    effort = Effort(steps=10, losses=("lost",), unbounded=True, restarts=2)
    assert "unbounded" not in names(attacked("linf", 8, "prompt", effort=effort))


def test_a_model_that_no_frame_moves_is_no_robust_one() -> None:
    video, truth = clip()
    effort = Effort(steps=5, losses=("lost",), unbounded=True, eot=1)
    found = attack_video(Deaf(), video, truth, Threat("linf", 8, "prompt"), effort=effort)
    assert found.score == found.clean
    assert [(flag.name, flag.detail) for flag in found.flags if flag.name != "converged"] == [
        ("unbounded", f"{found.clean:.1f} points are left")
    ]


def test_a_larger_threat_is_never_weaker() -> None:
    video, truth = clip()
    small = attack_video(Toy(), video, truth, Threat("linf", 8, "prompt"), effort=QUICK)
    candidate = Candidate("linf-prompt-e8", small.frames)
    large = attack_video(
        Toy(), video, truth, Threat("linf", 9, "all"), effort=Effort(steps=1, losses=("softj",)), candidates=[candidate]
    )
    assert large.score <= small.score
    assert large.candidates == {"linf-prompt-e8": pytest.approx(small.score)}


def test_a_candidate_beyond_the_budget_is_told() -> None:
    video, truth = clip()
    frames = [frame.copy() for frame in video.frames]
    frames[0][3, 4, 1] += 3
    candidate = Candidate("odd", frames)
    found = attack_video(Toy(), video, truth, Threat("linf", 2, "prompt"), effort=QUICK, candidates=[candidate])
    assert any(flag.name == "budget" and "changed by 3 instead of 2" in flag.detail for flag in found.flags)


def test_the_same_twice_and_no_global_state_is_touched() -> None:
    before = torch.get_rng_state()
    one, two = (attacked("linf", 4, "all", "noise") for _ in range(2))
    assert torch.equal(before, torch.get_rng_state())
    assert all(np.array_equal(a, b) for a, b in zip(one.frames, two.frames))
    assert one.by_loss == two.by_loss


def test_windows_cover_the_video_and_prompts_keep_their_first_predictions() -> None:
    video, _ = clip(12, late=True)
    assert windows_of(Threat("linf", 1, "prompt"), video, 4, 3) == [Window(0, 7)]
    assert windows_of(Threat("linf", 1, "prompt"), video, 1, 3) == [Window(0, 2), Window(2, 4)]
    assert windows_of(Threat("linf", 1, "all"), video, 4, 3) == [
        Window(0, 4),
        Window(4, 7),
        Window(7, 10),
        Window(10, 12),
    ]
    assert windows_of(Threat("linf", 1, "all"), video, 4, 0) == [Window(0, 12)]
    assert windows_of(Threat("linf", 1, "one"), video, 4, 3) == [Window(6, 10)]


def test_windows_reach_the_end_of_a_long_video() -> None:
    video, truth = clip(14)
    found = attack_video(
        Toy(), video, truth, Threat("linf", 4, "rest"), effort=Effort(steps=4, losses=("lost",), window=4)
    )
    assert len(found.trace["lost"]) == 3  # the last frame is in a window of its own, and is not scored
    assert not np.array_equal(found.frames[12], list(video.frames)[12])


def test_objects_that_come_later_are_attacked_too() -> None:
    video, truth = clip(late=True)
    found = attack_video(Toy(), video, truth, Threat("linf", 8, "prompt"), effort=QUICK, protocol="ranges")
    assert found.score < found.clean
    assert not np.array_equal(found.frames[2], list(video.frames)[2])


def test_presets_of_attacks_are_none_of_run() -> None:
    with pytest.raises(UsageError, match="rvos-bench attack --preset adversarial-quick"):
        rvos.run("static", preset="adversarial-quick", limit=1, progress=False)


def test_threats_that_cannot_be() -> None:
    for budget in (0, 256, True, 1.5):
        with pytest.raises(UsageError, match="is not in 1"):
            Threat("linf", budget, "all")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="all frames"):
        Threat("patch", 5, "prompt")
    with pytest.raises(UsageError, match=r"linf-prompt-e2"):
        read_threat("linf-prompt")
    assert read_threat("linf-prompt-e2") == Threat("linf", 2, "prompt")


def test_order_puts_what_is_contained_first() -> None:
    video, _ = clip()
    threats = in_order([read_threat(f"linf-{f}-e{b}") for f in ("all", "rest", "prompt", "one") for b in (8, 1)])
    for n, threat in enumerate(threats):
        assert not any(later.within(threat, video) for later in threats[n + 1 :])


def test_what_holds_which_box_is_one_rule() -> None:
    videos = [clip()[0], clip(late=True)[0], clip(4, late=True)[0]]  # in the last the middle frame has a prompt
    boxes = itertools.product(("linf", "square"), (1, 4), ("prompt", "one", "rest", "all"))
    threats = [*(Threat(*box) for box in boxes), Threat("patch", 4, "all"), Threat("patch", 5, "all")]
    for small in threats:
        for large in threats:
            here = [small.within(large, video) for video in videos]
            assert all(here) if small.within(large) else not all(here)
            assert small.may_be_within(large) or not any(here)
    assert Threat("linf", 1, "one").may_be_within(Threat("linf", 1, "rest"))
    assert not Threat("linf", 1, "prompt").may_be_within(Threat("linf", 8, "rest"))


def test_a_video_of_one_frame_cannot_be_attacked() -> None:
    video, truth = clip(1)
    with pytest.raises(DataError, match=r"nothing to attack|nothing can be scored|no frame"):
        attack_video(Toy(), video, truth, Threat("linf", 2, "prompt"))


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_losses_rise_when_an_object_pixel_turns(name: str) -> None:
    target = torch.tensor([[0, 0, 1, 1, 2, -1]])
    values = torch.tensor([[[3.0, 3, 0, 0, 0, 9]], [[0.0, 0, 2, 2, 0, 0]], [[0.0, 0, 0, 0, 2, 0]]])
    worse = values.clone()
    worse[1, 0, 2] = -2
    assert LOSSES[name](worse, target) > LOSSES[name](values, target)
    only = values.clone()
    only[:, 0, 5] = torch.tensor([-9.0, 9.0, 0.0])  # a pixel that does not count
    assert torch.allclose(LOSSES[name](only, target), LOSSES[name](values, target))


def test_a_search_that_still_gains_is_told_and_one_that_is_done_is_not() -> None:
    from robust_vos_bench.attacks.flags import converged, merged, monotone, noise, restarts, unbounded

    assert [flag.name for flag in converged([[90, 80, 70, 60, 50], [90, 60, 50, 50, 50]])] == ["converged"]
    assert converged([[90, 60, 50, 50, 50]]) == []
    assert converged([[90, 80, 40, 20, 0.5]]) == []  # nothing is left to gain
    assert unbounded(5.1) and not unbounded(4.9)
    assert restarts([30, 36]) and not restarts([30, 34]) and not restarts([30])
    assert monotone(2, 10) and not monotone(1, 10)
    assert noise(90, 80, 79) and not noise(90, 50, 89)
    order = merged([*converged([[9, 9, 9, 6, 3]]), Flag("gradient", "a"), Flag("gradient", "b")])
    assert [(flag.name, flag.detail) for flag in order] == [("gradient", "a"), ("converged", "6.0 points")]


def test_squares_shrink() -> None:
    shares = [share_at(query, 1000) for query in (1, 2, 100, 999)]
    assert shares == sorted(shares, reverse=True)
    assert shares[0] == 0.8


def test_true_masks_stay_with_the_attacker() -> None:
    """The model is handed the given masks and no others: nothing of the truth is added to its prompts."""
    video, truth = clip()
    seen: list[Video] = []

    class Watching(Toy):
        def rolling(self, video: Video, *, checkpointed: bool = False) -> object:  # type: ignore[override]
            seen.append(video)
            return super().rolling(video, checkpointed=checkpointed)

    attack_video(Watching(), video, truth, Threat("linf", 2, "prompt"), effort=QUICK)
    assert seen and all(set(one.prompts) == set(video.prompts) for one in seen)
    assert all(np.array_equal(one.prompts[t], video.prompts[t]) for one in seen for t in video.prompts)
    assert not any(mask is given for one in seen for mask in vars(one).values() for given in truth.masks)
