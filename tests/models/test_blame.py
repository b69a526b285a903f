"""Errors of other people's code: the message has the line that its author can change, and the cure if it is known."""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path

import pytest

from robust_vos_bench.errors import ContractError, RvosError
from robust_vos_bench.models import load_adapter, segment_checked, synthetic
from robust_vos_bench.models.check import check_adapter
from robust_vos_bench.system import tracebacks

MODEL = """
import numpy as np
import torch
from torch import nn
from robust_vos_bench import ModelCard, SessionAdapter, StreamingAdapter, TorchAdapter, TorchSession
from helper_of_mine import narrow

class Net(nn.Module):
    def forward(self, image):
        return nn.functional.conv2d(image, torch.zeros(1, 4, 3, 3))  # LINE forward

class Base(StreamingAdapter):
    card = ModelCard("base")

    def reset(self, video):
        self.mask = np.zeros(video.size, np.uint8)

    def step(self, frame, prompt, last):
        return self.mask.copy()

class InTorch(Base):
    def step(self, frame, prompt, last):
        return Net()(torch.zeros(1, 3, 9, 9))

class InHelper(Base):
    def step(self, frame, prompt, last):
        return narrow(self.mask)

class Forgets(Base):
    def __init__(self, checkpoint=None, device="cpu"):
        self.size = 480

class ForgetsFirst(Base):
    def __init__(self, checkpoint=None, device="cpu"):
        self.where = self.device

class NoDiagnostics:
    def step(self, frame, prompt, last):
        return np.zeros(frame.shape[:2], np.uint8)

class Sessions(SessionAdapter):
    card = ModelCard("sessions")

    def session(self, video):
        return NoDiagnostics()

class FirstIsZero(Base):
    def segment(self, video):
        mask = video.prompts[0]
        for _ in video.frames:
            yield mask.copy()

class Tensors(Base):
    def step(self, frame, prompt, last):
        return torch.zeros(frame.shape[:2], dtype=torch.uint8)

class Channel(Base):
    def step(self, frame, prompt, last):
        return self.mask[None].copy()

class Scores(Base):
    def step(self, frame, prompt, last):
        return np.zeros((3, *frame.shape[:2]), np.float32)

class Prints(Base):
    def step(self, frame, prompt, last):
        print("frame", frame.shape)
        return self.mask.copy()

class NeedsWeights(Base):
    def __init__(self, checkpoint=None, device="cpu"):
        super().__init__(checkpoint, device)
        torch.load(checkpoint)
"""
HELPER = """
def narrow(mask):
    return mask[:, 10_000:].max()  # LINE helper
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "mine.py").write_text(MODEL)
    (tmp_path / "helper_of_mine.py").write_text(HELPER)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delitem(sys.modules, "helper_of_mine", raising=False)
    return tmp_path / "mine.py"


def line_of(text: str, mark: str) -> int:
    return next(i for i, line in enumerate(text.splitlines(), 1) if f"# LINE {mark}" in line)


def failure(spec: str) -> RvosError:
    with pytest.raises(RvosError) as caught:
        list(segment_checked(load_adapter(spec, device="cpu"), synthetic.standard_clip(3)))
    return caught.value


def test_the_line_is_the_authors_and_not_one_of_torch(file: Path) -> None:
    error = failure(f"{file}:InTorch")
    assert f"(mine.py:{line_of(MODEL, 'forward')} in forward)" in str(error) and "torch/" not in str(error)
    whole = tracebacks.whole(error)
    assert "nn/modules" in whole and "return nn.functional.conv2d(image" in whole and str(file) in whole
    assert f"(helper_of_mine.py:{line_of(HELPER, 'helper')} in narrow)" in str(failure(f"{file}:InHelper"))


def test_the_text_that_ran_is_shown_also_after_an_edit(file: Path) -> None:
    adapter = load_adapter(f"{file}:InTorch", device="cpu")
    file.write_text("\n" * 5)
    with pytest.raises(RvosError) as caught:
        list(segment_checked(adapter, synthetic.standard_clip(2)))
    assert "return nn.functional.conv2d(image" in tracebacks.whole(caught.value)


def test_a_model_of_an_installed_package_is_named_by_its_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "site-packages" / "their_model"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "net.py").write_text(
        textwrap.dedent(
            """
            import torch
            from robust_vos_bench import ModelCard, VOSAdapter
            class Theirs(VOSAdapter):
                card = ModelCard("theirs")
                def segment(self, video):
                    yield torch.zeros(2).reshape(3)
            """
        )
    )
    monkeypatch.syspath_prepend(tmp_path / "site-packages")
    from their_model.net import Theirs  # type: ignore[import-not-found]

    with pytest.raises(RvosError) as caught:
        list(segment_checked(Theirs(), synthetic.standard_clip(2)))
    assert "(their_model/net.py:7 in segment)" in str(caught.value)
    for name in ("their_model", "their_model.net"):
        sys.modules.pop(name)


def test_a_built_in_model_is_named_by_its_family(monkeypatch: pytest.MonkeyPatch) -> None:
    from robust_vos_bench.adapters.flow import model

    monkeypatch.setattr(model, "IdMap", lambda: 1 / 0)
    assert "ZeroDivisionError: division by zero (test_blame.py" in str(failure("flow"))
    monkeypatch.setattr(model, "IdMap", int)  # has no `add`: the family's own line is the innermost
    assert "(flow/model.py:" in str(failure("flow"))


def test_long_tracebacks_lose_their_middle() -> None:
    error = ValueError("x" * 100_000)
    assert len(tracebacks.whole(error)) < tracebacks.LONGEST + 100
    assert "characters left out" in tracebacks.whole(error)
    assert tracebacks.place(error) == "" and tracebacks.with_place("so", error) == "so"


@pytest.mark.parametrize("name", ["Forgets", "ForgetsFirst"])
def test_a_forgotten_super_init_is_said(file: Path, name: str) -> None:
    error = failure(f"{file}:{name}")
    assert "has to call `super().__init__(checkpoint, device)`" in str(error)
    assert isinstance(error, ContractError) or "(mine.py:" in str(error)


def test_a_word_that_the_class_does_not_know_is_explained(file: Path) -> None:
    with pytest.raises(RvosError, match="gives this class the word 'random'; it has to make up weights"):
        load_adapter(f"{file}:NeedsWeights", "random", "cpu")


@pytest.mark.parametrize(
    ("name", "cure"),
    [
        ("Sessions", "`self.diagnostics = []`"),
        ("Tensors", "return `mask.cpu().numpy().astype(np.uint8)`"),
        ("Channel", "return `mask[0]`"),
        ("Scores", "return `mask.argmax(0).astype(np.uint8)`"),
        ("FirstIsZero", "the first of them is `video.first_prompt`"),
    ],
)
def test_check_says_the_cure(file: Path, name: str, cure: str) -> None:
    report = check_adapter(load_adapter(f"{file}:{name}", device="cpu"))
    broken = [f for f in report.findings if f.level == "broken"]
    assert any(cure in f.detail for f in broken), broken
    assert report.verdict.startswith(f"model {report.name!r} failed: {len(broken)} of ")


def test_the_same_failure_is_said_at_length_once(file: Path) -> None:
    report = check_adapter(load_adapter(f"{file}:InTorch", device="cpu"))
    broken = [f for f in report.findings if f.level == "broken"]
    assert len(broken) == 4 and [f.detail for f in broken[1:]] == ["it fails as above"] * 3
    assert "conv2d" in broken[0].traceback and "traceback" in report.to_dict()["findings"][0]


def test_what_is_printed_is_a_warning_and_is_printed_all_the_same(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = check_adapter(load_adapter(f"{file}:Prints", device="cpu"))
    warned = [f for f in report.findings if f.level == "warning" and "printed" in f.check]
    assert report.ok and len(warned) == 1 and "frame (97, 139, 3)" in warned[0].detail
    assert capsys.readouterr().out.count("frame (97, 139, 3)") > 7
    assert report.verdict.endswith("checks, 2 warnings")
