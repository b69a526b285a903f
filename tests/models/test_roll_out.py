"""`roll_out`: the masks of `segment`, gradients through memory, window borders, checkpoints, and what `check` finds."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from robust_vos_bench import ModelCard, TorchAdapter, TorchSession
from robust_vos_bench.datasets.video import Frame, Mask, Video
from robust_vos_bench.errors import UsageError
from robust_vos_bench.models import VOSAdapter, load_adapter
from robust_vos_bench.models.argmax import with_given, without
from robust_vos_bench.models.check import check_adapter
from robust_vos_bench.models.check_gradients import FINITE, REACH
from robust_vos_bench.models.differentiable import Scores, as_differentiable, differentiable
from robust_vos_bench.models.registry import builtin_entries
from robust_vos_bench.models.synthetic import Blob, moving_blobs
from robust_vos_bench.models.torch_adapter import Seen

LINE: dict[str, Any] = {"size": 64}
MODELS: dict[str, tuple[dict[str, Any], set[int]]] = {
    "aoc.lite": ({}, {4}),
    "aot.lite": ({}, {4}),
    "cfbi.lite": ({}, {4}),
    "aot.t": ({}, {4}),
    "deaot.t": ({}, {4}),
    "cfbi.mobilenetv2": ({}, {4}),
    "cfbi": ({}, {4}),
    "cfbi.plus": ({}, {4}),
    "rpcm": ({}, {4}),
    "aoc.base": ({}, {4}),
    "stm": (LINE, {1, 2, 4}),
    "mivos": (LINE, {1, 2, 4}),
    "qdmn": (LINE, {1, 2, 4}),
    "hmmn": (LINE, {1, 2, 4}),
    "graphmem": (LINE, {1, 2, 4}),
    "xmem": (LINE, {1, 2, 4}),
    "stcn": ({**LINE, "mem_every": 1}, {1, 2, 4}),
    "rde": ({**LINE, "mem_every": 2}, {2}),
    "gsfm": ({**LINE, "mem_every": 1}, {1, 2, 4}),
    "sam2.tiny": (LINE, {1, 2, 4}),
    "cutie.small": ({"mem_every": 1}, {1, 2, 4}),
}
"""Options, and frames beside the prompts (0 and 3) that the last one (5) has to have a gradient at, through memory."""
QUICK = ("aoc.lite", "aot.lite", "cfbi.lite", "aot.t", "deaot.t")


def clip() -> Video:
    blobs = Blob(3, (14, 16), (0.5, 1), (9, 8), 0), Blob(200, (34, 48), (0, -1), (8, 10), 0)
    return moving_blobs((*blobs, Blob(7, (16, 50), (0.5, 0), (8, 8), 3)), (49, 70), 6)


def tensors(video: Video, gradients: bool = False) -> list[Tensor]:
    found = [torch.from_numpy(np.array(f)).permute(2, 0, 1).float().contiguous() for f in video.frames]
    return [frame.requires_grad_(gradients) for frame in found]


def loaded(name: str, **options: Any) -> Any:
    if builtin_entries()[name].card.extra:
        pytest.importorskip({"cutie": "cutie.inference.inference_core"}.get(name.partition(".")[0], "transformers"))
    return load_adapter(name, None if ".lite" in name else "random", "cpu", **options)


def cost(scores: Scores | None) -> Tensor:
    assert scores is not None
    return torch.log_softmax(scores.values, 0)[1:].mean()


@pytest.mark.parametrize("name", [n if n in QUICK else pytest.param(n, marks=pytest.mark.slow) for n in MODELS])
def test_every_model(name: str) -> None:
    """Equal masks; gradients at prompts and at remembered frames; checkpoints, borders and copies."""
    options, remembered = MODELS[name]
    adapter, video = loaded(name, **options), clip()
    assert differentiable(adapter)
    masks = [mask.copy() for mask in adapter.segment(video)]
    with torch.no_grad():
        plain = list(adapter.roll_out(tensors(video), video))
    assert [int((a != b.mask()).sum()) for a, b in zip(masks, plain)] == [0] * 6
    assert plain[-1].ids == (3, 200, 7) or plain[-1].ids == (3, 7, 200)

    frames = tensors(video, True)
    scores = list(adapter.roll_out(frames, video))
    # other kernels, other roundings: untrained networks that feed labels back go other ways later on
    assert sum((a != b.mask()).sum() for a, b in zip(masks[:3], scores)) <= 5
    gradients = torch.autograd.grad(cost(scores[-1]), frames, allow_unused=True)
    reached = {t for t, g in enumerate(gradients) if g is not None and bool((g != 0).any())}
    assert reached >= {0, 3, 5} | remembered
    assert all(bool(torch.isfinite(g).all()) for g in gradients if g is not None)

    rolling = adapter.rolling(video, checkpointed=True)
    again = torch.autograd.grad(cost([rolling.step(f) for f in frames][-1]), frames, allow_unused=True)
    for a, b in zip(gradients, again):
        assert (a is None) == (b is None) and (a is None or torch.equal(a, b))

    border = adapter.rolling(video)
    for frame in frames[:4]:
        border.step(frame)
    other = border.copy()
    border.detach()
    ends = []
    for each in (border, other):
        end = [each.step(frame) for frame in frames[4:]][-1]
        ends.append(end)
        cut = torch.autograd.grad(cost(end), frames, allow_unused=True)
        assert [g is not None for g in cut[:4]] == [False] * 4 and cut[5] is not None
    torch.testing.assert_close(ends[0].values, ends[1].values)


@pytest.mark.parametrize("checkpointed", [False, True])
@pytest.mark.parametrize("name", [n if n in QUICK else pytest.param(n, marks=pytest.mark.slow) for n in MODELS])
def test_a_roll_leaves_nothing_behind(name: str, checkpointed: bool) -> None:
    """A graph that holds its session is a circle that the collector cannot see: every step of an attack would leak."""
    options, _ = MODELS[name]
    adapter, video = loaded(name, **options), clip()
    left = []
    for _ in range(3):
        frames, rolling = tensors(video, True), adapter.rolling(video, checkpointed=checkpointed)
        end = [rolling.step(frame) for frame in frames][-1]
        torch.autograd.grad(cost(end), frames, allow_unused=True)
        del frames, rolling, end
        gc.collect()
        left.append(sum(type(item) is Tensor for item in gc.get_objects()))
    assert left[2] == left[1]


class Conv(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 5, padding=2)
        torch.nn.init.normal_(self.conv.weight, generator=torch.Generator().manual_seed(3))

    def forward(self, image: Tensor) -> Tensor:
        return torch.tanh(self.conv(image))[0]


class Toy(TorchSession):
    """Pixels take the object whose mean feature in the frame before is nearest; what is given is copied."""

    def __init__(self, adapter: ToyAdapter) -> None:
        super().__init__(adapter.precision)
        self.adapter, self.network = adapter, adapter.network
        self.means: list[Tensor] = []

    def image(self, frame: Frame | Tensor) -> Tensor:
        plain = frame if isinstance(frame, Tensor) else torch.from_numpy(frame.copy()).permute(2, 0, 1).float()
        return plain[None] / 255 - 0.5

    def observe(self, image: Tensor, prompt: Mask | None, last: bool) -> Seen:
        features = self.network(image)
        scores = None
        if self.means:
            scores = torch.stack([-(features - mean[:, None, None]).square().sum(0) for mean in self.means])
        given = None
        if prompt is not None:
            self.ids.add(prompt)
            given = self.given(prompt, features.device)
        whole = self.logits(Seen(scores, given)).detach().argmax(0)
        self.means = [self.adapter.fault(self.mean(features, whole == slot)) for slot in range(len(self.ids) + 1)]
        return Seen(scores, given)

    def mean(self, features: Tensor, where: Tensor) -> Tensor:
        return (features * where).sum((1, 2)) / where.sum().clamp(min=1)


class Blind(Toy):
    """Calls every object absent, as SAM 2 does where its object score is low: no score of `Toy` is above 0."""

    def observe(self, image: Tensor, prompt: Mask | None, last: bool) -> Seen:
        seen = super().observe(image, prompt, last)
        if seen.scores is None:
            return seen
        return Seen(
            torch.cat([seen.scores[:1], torch.where(seen.scores[1:] > 0, seen.scores[1:], -1024.0)]), seen.given
        )


class ToyAdapter(TorchAdapter):
    card = ModelCard("toy", license="MIT", differentiable=True)
    fault: Callable[[Tensor], Tensor] = staticmethod(lambda mean: mean)

    def build(self) -> nn.Module:
        return Conv()

    def session(self, video: Video) -> Toy:
        return Toy(self)


class Forgetful(ToyAdapter):
    """What is remembered is detached."""

    fault = staticmethod(lambda mean: mean.detach())


class Numpy(ToyAdapter):
    """What is remembered goes through NumPy."""

    fault = staticmethod(lambda mean: torch.from_numpy(mean.detach().numpy().copy()))


class Absent(ToyAdapter):
    """No object is there but where it is given."""

    def session(self, video: Video) -> Toy:
        return Blind(self)


class NotANumber(ToyAdapter):
    """The root of 0 has an infinite slope, and 0 times that is NaN; the value is right."""

    fault = staticmethod(lambda mean: mean + 0 * (mean - mean.detach()).square().sum().sqrt())


class Old(TorchSession):
    """From frame to mask in one."""

    def __init__(self, adapter: TorchAdapter) -> None:
        super().__init__(adapter.precision)
        self.mask: Mask | None = None

    def advance(self, frame: Frame, prompt: Mask | None, last: bool) -> Mask:
        if prompt is not None:
            self.mask = prompt if self.mask is None else np.where(prompt > 0, prompt, self.mask)
        assert self.mask is not None
        return self.mask.copy()


class OldAdapter(ToyAdapter):
    card = ModelCard("old", license="MIT")

    def session(self, video: Video) -> Any:
        return Old(self)


class Pretender(OldAdapter):
    card = ModelCard("pretender", license="MIT", differentiable=True)


def broken(adapter: VOSAdapter) -> dict[str, str]:
    return {f.check: f.detail for f in check_adapter(adapter).findings if f.level == "broken"}


def test_a_plug_in_gets_roll_out_for_free() -> None:
    adapter, video = ToyAdapter(), clip()
    assert broken(adapter) == {}
    masks = [mask.copy() for mask in adapter.segment(video)]
    scores = list(adapter.roll_out(tensors(video), video))
    assert all(np.array_equal(a, b.mask()) for a, b in zip(masks, scores) if b is not None)
    assert [len(s.values) for s in scores if s is not None] == [3, 3, 3, 4, 4, 4]


@pytest.mark.parametrize("fault", [Forgetful, Numpy])
def test_a_detached_memory_is_found(fault: type[ToyAdapter]) -> None:
    found = broken(fault())
    assert list(found) == [REACH] and "frame 0" in found[REACH]


def test_of_objects_that_are_called_absent_nothing_is_told() -> None:
    """Their score is one constant, whose derivative is zero however well the memory passes gradients."""
    [found] = [f for f in check_adapter(Absent()).findings if f.check == REACH]
    assert found.level == "warning" and "frame 0: no object is seen" in found.detail


def test_a_gradient_that_is_nan_is_found() -> None:
    found = broken(NotANumber())
    assert FINITE in found and "NaN or Inf" in found[FINITE]


def test_a_session_with_advance_alone_runs_as_before_and_is_a_black_box() -> None:
    adapter = OldAdapter()
    assert broken(adapter) == {} and not differentiable(adapter)
    with pytest.raises(UsageError, match="black box"):
        as_differentiable(adapter)
    with pytest.raises(UsageError, match="`image` and `observe`"):
        adapter.rolling(clip())
    assert "`image` and `observe`" in next(iter(broken(Pretender()).values()))


def test_models_without_torch_are_a_black_box() -> None:
    assert not differentiable(load_adapter("flow", device="cpu"))


def test_the_first_frames_without_a_prompt_have_no_scores() -> None:
    video = clip()
    late = video.with_prompts({2: video.prompts[0]})
    scores = list(ToyAdapter().roll_out(tensors(late), late))
    assert [s is None for s in scores] == [True, True, False, False, False, False]


def test_frames_of_another_kind_are_refused() -> None:
    adapter, video = ToyAdapter(), clip()
    frames = tensors(video)
    for wrong in (frames[0].permute(1, 2, 0), frames[0].to(torch.uint8), frames[0][:, 1:], frames[0].numpy()):
        with pytest.raises(UsageError, match="frame 0: expected a float32 tensor"):
            adapter.rolling(video).step(wrong)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="has 6 frames"):
        list(adapter.roll_out([*frames, frames[0]], video))


def test_a_session_that_cannot_be_copied_says_so() -> None:
    def generator() -> Iterator[int]:
        yield 0

    rolling = ToyAdapter().rolling(clip())
    rolling.session.held = generator()  # type: ignore[attr-defined]
    with pytest.raises(UsageError, match="cannot be copied"):
        rolling.copy()


def test_the_caller_decides_about_gradients() -> None:
    adapter, video = ToyAdapter(), clip()
    frames = tensors(video, True)
    with torch.no_grad():
        assert not any(s.values.requires_grad for s in adapter.roll_out(frames, video) if s is not None)
    assert list(adapter.roll_out(frames, video))[-1].values.requires_grad  # type: ignore[union-attr]
    assert not any(p.requires_grad for p in adapter.network.parameters())


def test_given_pixels_win_and_hidden_slots_do_not() -> None:
    logits = torch.randn(2, 4, 5, generator=torch.Generator().manual_seed(0)) * 100
    given = torch.zeros(4, 5, dtype=torch.uint8)
    given[1, 2:4] = 3
    found = with_given(logits, given, 4).argmax(0)
    assert (found[given > 0] == 3).all() and torch.equal(found[given == 0], logits.argmax(0)[given == 0])
    assert torch.equal(with_given(None, given, 4).argmax(0), given.long())
    assert torch.equal(without(logits, [1]).argmax(0), torch.zeros(4, 5, dtype=torch.int64))
