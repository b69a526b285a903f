"""Options from `NAME=VALUE` strings, typed by the constructor."""

from __future__ import annotations

import sys
import types
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import pytest

from robust_vos_bench.errors import UsageError
from robust_vos_bench.models import ModelCard, ModelEntry, StreamingAdapter, load_adapter, parse_options


class Base(StreamingAdapter):
    card = ModelCard("typed")

    def __init__(self, checkpoint=None, device="cpu", *, amp: bool = False, **options):
        super().__init__(checkpoint, device, **options)

    def reset(self, video):
        pass

    def step(self, frame, prompt, last):
        return prompt


class Typed(Base):
    def __init__(
        self,
        checkpoint=None,
        device="cpu",
        *,
        size: int = 480,
        rate: float = 0.5,
        name: str = "a",
        folder: Path = Path(),
        scales: tuple[float, ...] = (1.0,),
        crop: tuple[int, int] = (0, 0),
        limit: int | None = None,
        mode: Literal["fast", "exact"] = "fast",
        variant: str = "x",
        memory: Annotated[int, msgspec.Meta(ge=1)] = 5,
        share: Annotated[float, msgspec.Meta(gt=0, le=1)] | None = None,
        sides: tuple[Annotated[int, msgspec.Meta(ge=32)], ...] = (480,),
        bare=3,
        **options,
    ):
        super().__init__(checkpoint, device, **options)


@pytest.fixture
def entry(monkeypatch: pytest.MonkeyPatch) -> ModelEntry:
    module = types.ModuleType("typed_model")
    module.Typed = Typed  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "typed_model", module)
    return ModelEntry(Typed.card, "typed_model:Typed", options={"variant": "y"})


@pytest.mark.parametrize(
    ("pair", "value"),
    [
        ("size=240", 240),
        ("rate=1e-2", 0.01),
        ("rate=2", 2.0),
        ("name=a=b", "a=b"),
        ("folder=/x/y", Path("/x/y")),
        ("scales=1,1.5", (1.0, 1.5)),
        ("crop=3, 4", (3, 4)),
        ("limit=none", None),
        ("limit=7", 7),
        ("mode=exact", "exact"),
        ("amp=yes", True),
        ("amp=0", False),
        ("bare=5", 5),
        ("memory=1", 1),
        ("share=none", None),
        ("share=0.5", 0.5),
        ("sides=32,64", (32, 64)),
    ],
)
def test_values_have_the_annotated_type(entry: ModelEntry, pair: str, value: object) -> None:
    parsed = parse_options(entry, [pair])[pair.split("=")[0]]
    assert parsed == value and type(parsed) is type(value)


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        ("size=big", "not a whole number"),
        ("size=1.5", "not a whole number"),
        ("rate=x", "not a number"),
        ("amp=maybe", "not true or false"),
        ("crop=1", "2 are needed"),
        ("mode=slow", "fast, exact"),
        ("limit=x", "not a whole number"),
        ("size", "NAME=VALUE"),
        ("speed=3", "size=480"),
        ("variant=z", "no option 'variant'"),
        ("memory=0", "model 'typed': option memory is 0; it must be at least 1"),
        ("memory=x", "not a whole number"),
        ("share=0", r"option share is 0\.0; it must be positive and at most 1"),
        ("share=2", r"option share is 2\.0; it must be positive and at most 1"),
        ("sides=480,16", r"option sides is \(480, 16\); it must be at least 32"),
        ("device=cuda", "no option 'device'"),
    ],
)
def test_bad_values_are_explained(entry: ModelEntry, pair: str, message: str) -> None:
    with pytest.raises(UsageError, match="(?s)" + message.replace("=", "=")):
        parse_options(entry, [pair])


def test_bounds_hold_for_python_too(tmp_path: Path) -> None:
    file = tmp_path / "bounded.py"
    file.write_text(
        "from typing import Annotated\nimport msgspec\nfrom robust_vos_bench import ModelCard, StreamingAdapter\n"
        "class Bounded(StreamingAdapter):\n    card = ModelCard('bounded')\n"
        "    def __init__(self, checkpoint=None, device='cpu', *, every: Annotated[int, msgspec.Meta(ge=1)] = 2):\n"
        "        super().__init__(checkpoint, device)\n        self.every = every\n"
        "    def reset(self, video): pass\n    def step(self, frame, prompt, last): return prompt\n"
    )
    assert load_adapter(f"{file}:Bounded", device="cpu", every=1).every == 1  # type: ignore[attr-defined]
    with pytest.raises(UsageError, match="model 'bounded': option every is 0; it must be at least 1"):
        load_adapter(f"{file}:Bounded", device="cpu", every=0)
    with pytest.raises(UsageError, match="model 'bounded': option every is -3; it must be at least 1"):
        load_adapter(f"{file}:Bounded", device="cpu", every=-3)


def test_unknown_and_missing_options_of_a_built_in_model() -> None:
    with pytest.raises(UsageError, match=r"no option 'speed'; its options: preset=medium, sharpen=1\.5"):
        load_adapter("flow", device="cpu", speed=3)
    with pytest.raises(UsageError, match="needs the option 'folder'"):
        load_adapter("masks", device="cpu")
