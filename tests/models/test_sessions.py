"""What the bases promise: a session per video, copies for models with reset and step, bounds before building."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
import pytest
import torch
from msgspec import Meta
from torch import nn

from robust_vos_bench.datasets.video import Frame, Mask, Video
from robust_vos_bench.errors import UsageError
from robust_vos_bench.evaluation import evaluate
from robust_vos_bench.models import ModelCard, SessionAdapter, StreamingAdapter, VOSAdapter, load_adapter
from robust_vos_bench.models.synthetic import delayed_clip, other_clip, standard_clip
from robust_vos_bench.models.torch_adapter import TorchAdapter, TorchSession


class Counting:
    """Returns the prompt, and counts the frames it was given."""

    def __init__(self, video: Video) -> None:
        self.diagnostics = [f"begun {video.name}"]
        self.frames = 0
        self.mask = np.zeros(video.size, np.uint8)

    def step(self, frame: Frame, prompt: Mask | None, last: bool) -> Mask:
        self.frames += 1
        self.diagnostics.append(f"{self.frames}{' last' if last else ''}")
        if prompt is not None:
            self.mask = np.where(prompt > 0, prompt, self.mask)
        return self.mask.copy()


class Sessions(SessionAdapter):
    card = ModelCard("sessions")

    def session(self, video: Video) -> Counting:
        self.made = Counting(video)
        return self.made


class Copies(StreamingAdapter):
    """Counts in an attribute that `reset` assigns; `shared` was made by the constructor."""

    card = ModelCard("copies")

    def __init__(self) -> None:
        super().__init__()
        self.shared: list[str] = []

    def reset(self, video: Video) -> None:
        self.frames, self.size = 0, video.size

    def step(self, frame: Frame, prompt: Mask | None, last: bool) -> Mask:
        self.frames += 1
        self.shared.append("step")
        return np.full(self.size, 0, np.uint8) if prompt is None else prompt.copy()


class Net(TorchAdapter):
    """One weight; its session says whether gradients are on."""

    card = ModelCard("net")

    def build(self) -> nn.Module:
        return nn.Linear(1, 1)

    def session(self, video: Video) -> TorchSession:
        return Graded(self.precision)


class Graded(TorchSession):
    def advance(self, frame: Frame, prompt: Mask | None, last: bool) -> Mask:
        self.warn(f"gradients {torch.is_grad_enabled()}")
        return np.zeros(frame.shape[:2], np.uint8)


class Learning(TorchSession):
    """Fits one number to the brightness of each frame, by an optimiser of torch."""

    def advance(self, frame: Frame, prompt: Mask | None, last: bool) -> Mask:
        target = torch.tensor(frame.mean() / 255)
        assert not torch.is_grad_enabled()
        with self.gradients():
            level = torch.zeros((), dtype=torch.float64, requires_grad=True)
            optimiser = torch.optim.SGD([level], lr=0.25)
            for _ in range(50):
                optimiser.zero_grad()
                (level - target.clone()).square().backward()
                optimiser.step()
        assert not torch.is_grad_enabled()
        assert abs(level.item() - frame.mean() / 255) < 1e-6 and level.item() > 0.1
        return np.zeros(frame.shape[:2], np.uint8)


class LearningNet(Net):
    """A model whose sessions are fitted on line."""

    def session(self, video: Video) -> TorchSession:
        return Learning(self.precision)


class Stepping(StreamingAdapter, TorchAdapter):
    """A torch model with reset and step instead of sessions."""

    card = ModelCard("stepping")

    def build(self) -> nn.Module:
        return nn.Linear(1, 1)

    def reset(self, video: Video) -> None:
        self.size = video.size

    def step(self, frame: Frame, prompt: Mask | None, last: bool) -> Mask:
        with self.precision():
            assert not torch.is_grad_enabled()
        return np.zeros(self.size, np.uint8)


def test_frames_before_the_first_prompt_reach_no_session() -> None:
    clip, model = delayed_clip(), Sessions()
    masks = list(model.segment(clip))
    assert clip.first_prompt == 2 and not masks[0].any() and not masks[1].any() and masks[2].any()
    assert model.made.frames == len(clip) - 2
    assert model.diagnostics == ["begun delayed", "1", "2 last"]


@pytest.mark.parametrize("model", [Sessions(), Copies()])
def test_two_videos_in_turns_do_not_meet(model: VOSAdapter) -> None:
    clips = standard_clip(3, late=False), other_clip(3)
    alone = [list(model.segment(clip)) for clip in clips]
    for t, masks in enumerate(zip(*(model.segment(clip) for clip in clips))):
        assert all(np.array_equal(mask, alone[i][t]) for i, mask in enumerate(masks))


def test_a_streaming_model_is_copied_for_every_video() -> None:
    """What `reset` assigns stays in the copy, what the constructor made is shared; direct calls use no copy."""
    model, clip = Copies(), other_clip(3)
    list(model.segment(clip))
    assert not hasattr(model, "frames") and len(model.shared) == 3
    model.reset(clip)
    model.step(next(iter(clip.frames)), clip.prompts[0], False)
    assert model.frames == 1 and len(model.shared) == 4


def test_a_torch_session_steps_without_gradients_and_warns_once() -> None:
    clip = other_clip(3)
    session = Net().session(clip)
    with pytest.raises(UsageError, match="no prompt"):
        session.step(next(iter(clip.frames)), None, False)
    for t, frame in enumerate(clip.frames):
        session.step(frame, clip.prompts.get(t), t == 2)
    assert session.diagnostics == ["gradients False"]


@pytest.mark.parametrize("mode", [torch.enable_grad, torch.no_grad, torch.inference_mode])
def test_a_session_may_fit_on_line(mode: Any) -> None:
    """Through the path of a run, and in any mode of a caller; the network's weights are left alone."""
    net, clip = LearningNet(), other_clip(3)
    with mode():
        assert evaluate(net, clip, None, "davis").frames == 3
    assert not any(p.requires_grad or p.grad is not None for p in net.network.parameters())


def test_a_torch_model_may_have_reset_and_step() -> None:
    assert len(list(Stepping().segment(other_clip(3)))) == 3


def test_every_torch_model_has_untrained_weights_the_same_each_time() -> None:
    one, two = (next(Net("random").network.parameters()) for _ in range(2))
    torch.manual_seed(7)
    before = torch.get_rng_state()
    without = [next(Net().network.parameters()) for _ in range(2)]
    assert torch.equal(one, two) and torch.equal(*without) and not torch.equal(one, without[0])
    assert torch.equal(before, torch.get_rng_state()), "the global generator is left alone"


class Bounded(Sessions):
    built = 0

    def __init__(
        self,
        checkpoint: Any = None,
        device: str = "cpu",
        *,
        size: Annotated[int, Meta(ge=32, multiple_of=16)] | None = 64,
        share: Annotated[float, Meta(gt=0, le=1)] = 0.5,
        factors: tuple[Annotated[float, Meta(gt=0)], ...] = (1.0,),
        **options: Any,
    ) -> None:
        type(self).built += 1
        super().__init__(checkpoint, device, **options)


class Wider(Bounded):
    """Annotates one option anew."""

    def __init__(self, *, size: Annotated[int, Meta(ge=8)] = 8, **options: Any) -> None:
        super().__init__(size=size * 16, **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 16}, "option size is 16; it must be a multiple of 16 and at least 32"),
        ({"size": 40}, "option size is 40; it must be a multiple of 16"),
        ({"share": 0}, "option share is 0; it must be positive and at most 1"),
        ({"share": 1.01}, "option share is 1.01"),
        ({"share": float("nan")}, "option share is nan"),
        ({"factors": (1.0, -2.0)}, r"option factors is \(1.0, -2.0\); it must be positive"),
    ],
)
def test_options_out_of_bounds_are_refused_before_anything_is_built(options: dict[str, Any], message: str) -> None:
    before = Bounded.built
    with pytest.raises(UsageError, match=f"model 'sessions': {message}"):
        Bounded(**options)
    assert Bounded.built == before


def test_bounds_leave_other_values_alone() -> None:
    for options in ({}, {"size": None}, {"size": 32, "share": 1, "factors": (0.5,)}, {"size": np.int64(48)}):
        assert isinstance(Bounded(**options), Bounded)  # type: ignore[arg-type]
    Wider(size=8)
    with pytest.raises(UsageError, match="option size is 7; it must be at least 8"):
        Wider(size=7)


@pytest.mark.parametrize(
    ("model", "option", "value"),
    [
        ("aot.t", "short_term_skip", 0),
        ("cfbi", "rate", 0),
        ("flow", "sharpen", 0.5),
        ("gsfm", "top_k", 0),
        ("rpcm", "mem_every", -2),
        ("stm", "size", 15),
        ("tbd", "size", 31),
        ("xmem", "num_prototypes", 0),
    ],
)
def test_bounds_of_built_in_models(model: str, option: str, value: float) -> None:
    with pytest.raises(UsageError, match=f"option {option} is {value}; it must be at least"):
        load_adapter(model, None if model == "flow" else "random", "cpu", **{option: value})
