"""Every file that `torch.save`, a text editor or a broken download could leave loads right or says what is wrong."""

from __future__ import annotations

import argparse
import io
import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fuzz.seconds import fuzz
from hypothesis import strategies as st
from safetensors.torch import save as to_safetensors
from torch import Tensor, nn

from robust_vos_bench.errors import WeightsError
from robust_vos_bench.models.checkpoint import load_strict, read_state
from robust_vos_bench.models.state_dicts import WRAPPERS

FORBIDDEN = re.compile(r"\x1b|weights_only=False|weights_only`|add_safe_globals|Traceback|0x[0-9a-f]{8}")


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 1)
        self.norm = nn.BatchNorm2d(2)


def good(number: int) -> dict[str, Tensor]:
    draw = torch.Generator().manual_seed(number)
    own = Net().state_dict()
    return {
        n: torch.rand(t.shape, generator=draw) + 0.5 if t.is_floating_point() else torch.tensor(number)
        for n, t in own.items()
    }


def container(kind: str, loaded: Any) -> bytes:
    buffer = io.BytesIO()
    if kind == "zip":
        torch.save(loaded, buffer)
    elif kind == "legacy":
        torch.save(loaded, buffer, _use_new_zipfile_serialization=False)
    elif kind == "pickle":
        pickle.dump(loaded, buffer)
    else:
        buffer.write(to_safetensors({str(n): t for n, t in loaded.items()}))
    return buffer.getvalue()


PREFIXES = st.lists(st.sampled_from(["module.", "_orig_mod.", "model.", "net.", "network."]), max_size=3).map("".join)
SUFFIXES = st.sampled_from(["w.pth", "w.safetensors", "w.pth.tar", "w.bin", "w", "w.ckpt", "ü w.pt"])
BESIDE = st.dictionaries(
    st.sampled_from(["epoch", "optimizer", "lr", "hyper", "iter"]),
    st.sampled_from([3, 0.1, "text", None, {"state": {}, "param_groups": []}, [1, 2]]),
)
WHOLE = st.tuples(
    st.integers(0, 50),
    st.sampled_from([torch.float32, torch.float16, torch.bfloat16, torch.float64]),
    PREFIXES,
    st.lists(st.sampled_from(WRAPPERS), max_size=3),
    BESIDE,
    st.sampled_from(["zip", "legacy", "safetensors"]),
    SUFFIXES,
)


@pytest.mark.timeout(0)
def test_whole_files_load_to_the_last_bit(tmp_path: Path) -> None:
    def check(example: Any) -> None:
        number, dtype, prefix, wrapping, beside, kind, name = example
        state = {n: t.to(dtype) if t.is_floating_point() else t for n, t in good(number).items()}
        loaded: Any = {prefix + n: t for n, t in state.items()}
        if kind != "safetensors":
            for word in wrapping:
                loaded = {**beside, word: loaded}
        path = tmp_path / name
        path.write_bytes(container(kind, loaded))
        network = Net()
        load_strict(network, read_state(path), str(path))
        for n, t in network.state_dict().items():
            assert torch.equal(t, state[n].to(t.dtype)), n

    fuzz(WHOLE, check, share=0.4)


def damage(data: bytes, how: str, at: float, byte: int) -> bytes:
    place = min(int(at * len(data)), len(data) - 1)
    if how == "cut":
        return data[:place]
    if how == "flip":
        return data[:place] + bytes([data[place] ^ (byte or 1)]) + data[place + 1 :]
    if how == "zeros":
        return data[:place] + bytes(len(data) - place)
    if how == "page":
        return data[:place] + b"<html>Service unavailable</html>"
    if how == "insert":
        return data[:place] + bytes([byte]) * 7 + data[place:]
    if how == "lines":  # a transfer as text
        return data.replace(b"\n", b"\r\n")
    return data[place:]


ODD: dict[str, Callable[[], Any]] = {
    "nan": lambda: {**good(1), "conv.bias": torch.tensor([float("nan"), 1.0])},
    "inf": lambda: {**good(1), "norm.running_mean": torch.tensor([float("inf"), 1.0])},
    "integers": lambda: {n: t.to(torch.int32) for n, t in good(1).items()},
    "complex": lambda: {n: t.to(torch.complex64) for n, t in good(1).items()},
    "sparse": lambda: {**good(1), "conv.bias": torch.ones(2).to_sparse()},
    "other shape": lambda: {**good(1), "conv.bias": torch.ones(3)},
    "missing": lambda: {n: t for n, t in good(1).items() if n != "conv.bias"},
    "namespace": lambda: {"model": good(1), "args": argparse.Namespace(a=1)},
    "numpy": lambda: {"model": good(1), "score": np.float32(3)},
    "two": lambda: {"model": good(1), "ema": good(2)},
    "same name": lambda: {**good(1), "module.conv.bias": torch.zeros(2)},
    "module": Net,
    "numbers": lambda: [1, 2, {"a": "b"}],
    "arrays": lambda: {n: t.numpy() for n, t in good(1).items()},
    "names": lambda: dict(enumerate(good(1).values())),
}
BROKEN = st.one_of(
    st.binary(max_size=200),
    st.text(max_size=80).map(lambda text: text.encode("utf-8", "replace")),
    st.sampled_from(sorted(ODD)).flatmap(
        lambda name: st.sampled_from(["zip", "legacy", "pickle"]).map(lambda kind: container(kind, ODD[name]()))
    ),
    st.builds(
        lambda kind, how, at, byte: damage(
            container(kind, {"state_dict": good(1)} if kind != "safetensors" else good(1)), how, at, byte
        ),
        st.sampled_from(["zip", "legacy", "safetensors"]),
        st.sampled_from(["cut", "flip", "zeros", "page", "insert", "lines", "rest"]),
        st.floats(0, 1),
        st.integers(0, 255),
    ),
)


@pytest.mark.timeout(0)
def test_all_other_files_say_what_is_wrong(tmp_path: Path) -> None:
    """A file loads strictly, with finite numbers, or raises WeightsError that names it, in plain words."""

    def check(example: tuple[bytes, str]) -> None:
        data, name = example
        path = tmp_path / name
        path.write_bytes(data)
        network = Net()
        try:
            load_strict(network, read_state(path), str(path))
        except WeightsError as error:
            message = str(error)
            assert str(path) in message
            assert not FORBIDDEN.search(message.replace(str(path), "")), message
            return
        assert all(bool(torch.isfinite(t).all()) for t in network.state_dict().values())

    fuzz(st.tuples(BROKEN, SUFFIXES), check, share=0.6)
