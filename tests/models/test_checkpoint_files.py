"""Files that are given as weights: good ones load whatever they are wrapped in, all others say what they are."""

from __future__ import annotations

import argparse
import collections
import io
import json
import pathlib
import pickle
import re
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from robust_vos_bench.errors import WeightsError
from robust_vos_bench.models.checkpoint import find_checkpoint, load_strict, read_state
from robust_vos_bench.models.registry import find_entry


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 3, 1)
        self.norm = nn.BatchNorm2d(3)


class Wrapped(nn.Module):
    """A network of somebody's own, all of whose names begin with `model.`."""

    def __init__(self) -> None:
        super().__init__()
        self.model = Net()


def weights(seed: int = 0) -> dict[str, Tensor]:
    draw = torch.Generator().manual_seed(seed)
    own = Net().state_dict()
    return {
        n: torch.rand(t.shape, generator=draw) + 0.5 if t.is_floating_point() else torch.tensor(7)
        for n, t in own.items()
    }


def saved(path: Path, loaded: object, **how: Any) -> Path:
    torch.save(loaded, path, **how)
    return path


def assert_loads(path: Path, wanted: dict[str, Tensor], network: nn.Module | None = None) -> None:
    network = network or Net()
    load_strict(network, read_state(path), str(path))
    found = network.state_dict()
    assert all(torch.equal(found[next(f for f in found if f.endswith(n))], t) for n, t in wanted.items())


def prefixed(state: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {prefix + n: t for n, t in state.items()}


WRAPPINGS: dict[str, Callable[[dict[str, Tensor]], object]] = {
    "bare": lambda s: s,
    "ordered": lambda s: collections.OrderedDict(s),
    "model_state_dict": lambda s: {"model_state_dict": s, "epoch": 3, "optimizer": {"state": {}, "param_groups": []}},
    "params": lambda s: {"params": s},
    "ema": lambda s: {"ema": s, "step": torch.tensor(4)},
    "nested": lambda s: {"checkpoint": {"model": {"state_dict": s}}, "epoch": 2},
    "twice the same": lambda s: {"model": s, "ema": {n: t.clone() for n, t in s.items()}},
    "compiled": lambda s: prefixed(s, "_orig_mod."),
    "compiled and parallel": lambda s: {"state_dict": prefixed(s, "module._orig_mod.")},
    "double module": lambda s: prefixed(s, "module.module."),
    "lightning": lambda s: {"state_dict": prefixed(s, "model."), "pytorch-lightning_version": "2.0"},
    "net in module": lambda s: {"net": prefixed(s, "module.net.")},
    "compiled inside": lambda s: {n.replace("conv.", "conv._orig_mod."): t for n, t in s.items()},
}


@pytest.mark.parametrize("how", [{}, {"_use_new_zipfile_serialization": False}])
@pytest.mark.parametrize("name", WRAPPINGS)
def test_common_wrappings_are_taken_off(name: str, how: dict[str, Any], tmp_path: Path) -> None:
    wanted = weights()
    assert_loads(saved(tmp_path / "w.pth", WRAPPINGS[name](wanted), **how), wanted)


@pytest.mark.parametrize("name", ["bare", "compiled", "double module", "lightning"])
def test_a_network_whose_own_names_begin_with_model_loads_too(name: str, tmp_path: Path) -> None:
    wanted = weights()
    file = saved(tmp_path / "w.pth", WRAPPINGS[name](prefixed(wanted, "model.")))
    assert_loads(file, wanted, Wrapped())


@pytest.mark.parametrize("suffix", ["safetensors", "pth", "bin", "ckpt.part"])
def test_safetensors_are_known_by_content(suffix: str, tmp_path: Path) -> None:
    wanted = weights()
    save_file(prefixed(wanted, "module."), tmp_path / f"w.{suffix}")
    assert_loads(tmp_path / f"w.{suffix}", wanted)


def test_torch_files_may_be_called_safetensors(tmp_path: Path) -> None:
    assert_loads(saved(tmp_path / "w.safetensors", weights()), weights())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_real_types_are_converted(dtype: torch.dtype, tmp_path: Path) -> None:
    state = {n: t.to(dtype) if t.is_floating_point() else t for n, t in weights().items()}
    network = Net()
    load_strict(network, read_state(saved(tmp_path / "w.pth", state)), "w.pth")
    assert torch.equal(network.conv.weight, state["conv.weight"].float())


@pytest.mark.parametrize(
    ("loaded", "words"),
    [
        (
            lambda: {"model": weights(1), "ema": weights(2)},
            ["several sets", "model", "ema", "weights_only=True)['model']"],
        ),
        (lambda: {"state_dict": weights(1), "net": weights(2)}, ["several sets", "state_dict and net"]),
        (lambda: {**weights(), "module.conv.weight": torch.zeros(3, 2, 1, 1)}, ["module.conv.weight", "one tensor"]),
        (lambda: {"encoder": {"a": {"b": 1}}, "epoch": 5}, ["Keys found: encoder (1 entries), epoch (int)"]),
        (lambda: {"state_dict": {**weights(), "lr": 0.1}}, ["state_dict.lr (float)", "7 tensors"]),
        (lambda: [torch.zeros(1)], ["type list"]),
        (lambda: torch.zeros(2), ["type Tensor"]),
        (dict, ["empty mapping"]),
        (lambda: {"state_dict": {}}, ["state_dict"]),
        (lambda: {"a": 1}, ["a (int)"]),
    ],
)
def test_what_is_no_single_state_dict_says_which_keys_there_are(
    loaded: Callable[[], object], words: list[str], tmp_path: Path
) -> None:
    refused(saved(tmp_path / "odd.pth", loaded()), *words)


class Config:
    def __init__(self) -> None:
        self.size = 3


UNSAFE: dict[str, tuple[Callable[[], object], list[str]]] = {
    "namespace": (
        lambda: {"state_dict": weights(), "args": argparse.Namespace(lr=1), "epoch": 3},
        ["argparse.Namespace", "state_dict (7 entries)", "args (argparse.Namespace)", "epoch (int)"],
    ),
    "number of numpy": (
        lambda: {"model": weights(), "iou": np.float64(0.5)},
        ["multiarray.scalar", "model (7 entries)"],
    ),
    "array of numpy": (lambda: {"net": weights(), "mean": np.zeros(3)}, ["numpy", "net (7 entries)"]),
    "path": (lambda: {"net": weights(), "root": pathlib.PurePosixPath("/data")}, ["PurePosixPath", "net (7 entries)"]),
    "own class": (lambda: {"net": weights(), "cfg": Config()}, ["test_checkpoint_files.Config"]),
    "whole model": (Net, ["whole pickled object", "test_checkpoint_files.Net"]),
    "default dict": (lambda: {"net": weights(), "log": collections.deque([1])}, ["collections.deque"]),
}


@pytest.mark.parametrize("how", [{}, {"_use_new_zipfile_serialization": False}])
@pytest.mark.parametrize("name", UNSAFE)
def test_classes_in_a_checkpoint_are_named_and_not_run(name: str, how: dict[str, Any], tmp_path: Path) -> None:
    make, words = UNSAFE[name]
    refused(saved(tmp_path / "odd.pth", make(), **how), "never done", "torch.save(model.state_dict()", *words)


def test_another_pickle_protocol_is_named(tmp_path: Path) -> None:
    refused(saved(tmp_path / "w.pth", {"net": weights()}, pickle_protocol=4), "pickle protocol 4", "net (7 entries)")


class Bomb:
    def __reduce__(self) -> Any:
        return Path.touch, (Path(BOMB),)


BOMB = "/nonexistent/folder/bomb"


def test_looking_into_a_pickle_runs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "BOMB", str(tmp_path / "bomb"))
    for how in ({}, {"_use_new_zipfile_serialization": False}):
        refused(saved(tmp_path / "odd.pth", {"net": weights(), "x": Bomb()}, **how), "net (7 entries)")
    (tmp_path / "plain.pkl").write_bytes(pickle.dumps({"x": Bomb()}))
    refused(tmp_path / "plain.pkl")
    assert not (tmp_path / "bomb").exists()


def zipped(names: list[str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            archive.writestr(name, b"1234")
    return buffer.getvalue()


def tarred() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("weights.pth"), io.BytesIO())
    return buffer.getvalue()


def torch_file(**how: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save({"state_dict": weights()}, buffer, **how)
    return buffer.getvalue()


def flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 64]) + data[at + 1 :]


def npz() -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, a=np.zeros(3))
    return buffer.getvalue()


FILES: dict[str, tuple[Callable[[], bytes], list[str]]] = {
    "empty": (lambda: b"", ["empty file"]),
    "page": (
        lambda: b"\n <!DOCTYPE html><title>Google Drive - Virus\x1b[31m scan</title>",
        ["web page", "Google Drive"],
    ),
    "page in upper case": (lambda: b"<HTML><BODY>404</BODY></HTML>", ["web page"]),
    "page in UTF-16": (lambda: "<html><body>no".encode("utf-16"), ["web page"]),
    "xml": (lambda: b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', ["web page"]),
    "pointer": (
        lambda: b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n",
        ["Git LFS", "git lfs pull"],
    ),
    "json": (lambda: json.dumps({"error": "rate limit"}).encode(), ["JSON", "rate limit"]),
    "index": (lambda: json.dumps({"weight_map": {"a": "x-1.safetensors"}}).encode(), ["index of several files"]),
    "text": (lambda: "Zu viele Zugriffe \x1b[1m heute: später".encode(), ["text file", "Zu viele"]),
    "gzip": (lambda: b"\x1f\x8b\x08" + b"x" * 40, ["gzip", "Unpack"]),
    "tar": (tarred, ["tar archive", "Unpack"]),
    "zip": (lambda: zipped(["a/weights.pth", "readme.txt"]), ["zip archive", "a/weights.pth", "readme.txt"]),
    "npz": (npz, ["NumPy"]),
    "hdf5": (lambda: b"\x89HDF\r\n\x1a\n" + b"\0" * 90, ["HDF5"]),
    "picture": (lambda: b"\x89PNG\r\n\x1a\n" + b"\0" * 90, ["PNG"]),
    "cut zip": (lambda: torch_file()[:-300], ["cut off", "Download it again"]),
    "first half": (lambda: torch_file()[: len(torch_file()) // 2], ["cut off"]),
    "cut pickle": (lambda: torch_file(_use_new_zipfile_serialization=False)[:-9], ["damaged"]),
    "noise": (lambda: bytes(range(128, 256)) * 3, ["not a file of weights"]),
    "zeros": (lambda: bytes(5000), ["not a file of weights"]),
    "plain pickle": (lambda: pickle.dumps({"w": [1.0, 2.0], "b": 3}), ["w (list)", "b (int)"]),
    "cut safetensors": (lambda: b"\x90\0\0\0\0\0\0\0" + b'{"a":{"dtype":"F32","shape":[9]', ["safetensors"]),
}


@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
@pytest.mark.parametrize("name", FILES)
def test_files_that_are_no_weights_say_what_they_are(name: str, suffix: str, tmp_path: Path) -> None:
    make, words = FILES[name]
    path = tmp_path / f"given.{suffix}"
    path.write_bytes(make())
    refused(path, *words)


def test_a_flipped_bit_in_the_numbers_is_found(tmp_path: Path) -> None:
    """torch compares no checksums: it would load the changed number."""
    data = torch_file()
    at = data.index(weights()["conv.weight"].numpy().tobytes())
    path = tmp_path / "w.pth"
    path.write_bytes(flipped(data, at + 3))
    assert not torch.equal(torch.load(path, weights_only=True)["state_dict"]["conv.weight"], weights()["conv.weight"])
    refused(path, "checksum", "Download it again")


def test_folders_and_missing_files_are_named(tmp_path: Path) -> None:
    saved(tmp_path / "inside.pth", weights())
    for call in (lambda: read_state(tmp_path), lambda: find_checkpoint(find_entry("aot.t").card, tmp_path)):
        with pytest.raises(WeightsError, match=r"a folder.*inside\.pth"):
            call()
    with pytest.raises(WeightsError, match=r"gone\.pth.*no such file"):
        read_state(tmp_path / "gone.pth")


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("conv.weight", float("nan"), "conv.weight holds 1 NaN among 6 numbers"),
        ("conv.bias", float("inf"), "conv.bias holds 1 Inf among 3 numbers"),
        ("norm.running_var", -float("inf"), "norm.running_var holds 1 Inf"),
    ],
)
def test_numbers_that_are_none_are_refused_with_their_tensor(
    name: str, value: float, words: str, tmp_path: Path
) -> None:
    state = weights()
    state[name].view(-1)[1] = value
    network = Net()
    before = {n: t.clone() for n, t in network.state_dict().items()}
    with pytest.raises(WeightsError, match=re.escape(words)) as caught:
        load_strict(network, read_state(saved(tmp_path / "w.pth", state)), "w.pth")
    assert "w.pth" in str(caught.value)
    assert all(torch.equal(t, before[n]) for n, t in network.state_dict().items())


def test_numbers_that_do_not_fit_the_type_are_refused() -> None:
    state = weights()
    state["conv.bias"] = torch.tensor([1.0, 1e300, 2.0], dtype=torch.float64)
    with pytest.raises(WeightsError, match=r"conv\.bias holds 1 Inf among 3 numbers as float32"):
        load_strict(Net(), state, "w.pth")
    state["conv.bias"] = torch.tensor([1, 2, 3])
    with pytest.raises(WeightsError, match=r"conv\.bias is of type int64, the network has float32"):
        load_strict(Net(), state, "w.pth")


def test_a_constant_mask_may_hold_infinity() -> None:
    network = Net()
    network.register_buffer("mask", torch.tensor([0.0, -float("inf")]))
    load_strict(network, {**weights(), "mask": torch.tensor([0.0, -float("inf")])}, "w.pth")


def refused(path: Path, *words: str) -> None:
    """WeightsError with the file and the words, without escape codes or advice to load unsafely."""
    with pytest.raises(WeightsError) as caught:
        load_strict(Net(), read_state(path), str(path))
    message = str(caught.value)
    assert message.startswith(f"{path}:")
    assert [word for word in words if word not in message] == [], message
    assert "\x1b" not in message and "weights_only=False" not in message and "weights_only=`" not in message
    assert "add_safe_globals" not in message and len(message) < 2000
