"""Pickles are read without calling anything that they name, in a process without network."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from robust_vos_bench.api.convert import convert_weights
from robust_vos_bench.errors import WeightsError
from robust_vos_bench.models.checkpoint import read_state
from robust_vos_bench.models.inert import read_tensors
from robust_vos_bench.system.confine import can_confine

STATE = {"a.weight": torch.arange(6.0).reshape(2, 3), "a.bias": torch.tensor([1.5, -2.0]).half()}


class Evil:
    """Runs a program when it is unpickled in the usual way."""

    def __init__(self, *call: Any) -> None:
        self.call = call

    def __reduce__(self) -> Any:
        return self.call[0], self.call[1:]


class Trainer:
    """Some class of a training program."""

    def __init__(self) -> None:
        self.settings = {"lr": 0.1, "list": [1, 2], "set": {3}}


def saved(path: Path, content: object, new: bool = True) -> Path:
    torch.save(content, path, _use_new_zipfile_serialization=new)
    return path


@pytest.mark.parametrize("new", [True, False])
def test_tensors_are_kept_and_nothing_else_is_called(tmp_path: Path, new: bool) -> None:
    mark = tmp_path / "EVIL"
    content = {
        "net": OrderedDict({**STATE, "p": torch.nn.Parameter(torch.ones(1))}),
        "constructor": Trainer(),
        "evil": [
            Evil(os.system, f"touch {mark}"),
            Evil(eval, f"open({str(mark)!r}, 'w')"),
            Evil(getattr, "x", "upper"),
        ],
        "stats": {"epoch": 3, "path": Path("x"), "numbers": (1, 2.5)},
    }
    path = saved(tmp_path / "w.pth.tar", content, new)
    with pytest.raises(WeightsError, match="would run code from the file"):
        read_state(path)
    state = read_tensors(path)
    assert set(state) == {*STATE, "p"} and all(torch.equal(state[n], t) for n, t in STATE.items())
    assert state["a.bias"].dtype == torch.half and not mark.exists()


def test_what_torch_itself_would_not_call_is_not_called_either(tmp_path: Path) -> None:
    mark = tmp_path / "EVIL"
    inner = pickle.dumps(Evil(os.system, f"touch {mark}"))
    for function in (torch.storage._load_from_bytes, torch.load, pickle.loads):
        path = saved(tmp_path / "w.pth", {"net": STATE, "x": Evil(function, inner)})
        assert set(read_tensors(path)) == set(STATE) and not mark.exists()


def test_what_holds_no_tensors_or_is_damaged_is_refused_and_nothing_is_left(tmp_path: Path) -> None:
    saved(tmp_path / "none.pth", {"epoch": 3, "x": Trainer()})
    whole = saved(tmp_path / "whole.pth", {"net": STATE, "x": Trainer()}).read_bytes()
    (tmp_path / "cut.pth").write_bytes(whole[: len(whole) // 2])
    saved(tmp_path / "two.pth", {"net": STATE, "model": {"b": torch.ones(2)}, "x": Trainer()})
    (tmp_path / "text.pth").write_text("hello")
    for name, said in (("none", "no state_dict"), ("cut", "cut off"), ("two", "several sets"), ("text", "text file")):
        with pytest.raises(WeightsError, match=said):
            read_tensors(tmp_path / f"{name}.pth")


def test_a_new_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    mark, output = tmp_path / "EVIL", tmp_path / "out.safetensors"
    output.write_bytes(b"old")
    saved(tmp_path / "bad.pth", {"x": Trainer()})
    with pytest.raises(WeightsError, match=r"bad\.pth: holds no state_dict"):
        convert_weights(tmp_path / "bad.pth", output=output)
    assert output.read_bytes() == b"old" and [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []
    path = saved(tmp_path / "w.pth", {"net": STATE, "x": Trainer(), "evil": Evil(os.system, f"touch {mark}")})
    found = convert_weights(path, output=output)
    made = load_file(output)
    assert made.keys() == STATE.keys() and all(torch.equal(made[n], t) for n, t in STATE.items())
    assert "posix.system" in [name.replace("nt.", "posix.") for name in found.objects] and not mark.exists()
    assert set(read_state(output)) == set(STATE) and found.tensors == 2


CONFINED = """
import os, socket, subprocess, threading
from robust_vos_bench.system.confine import confine
confine()
for name, try_it in {
    "tcp": lambda: socket.create_connection(("127.0.0.1", 9)), "udp": lambda: socket.socket(type=socket.SOCK_DGRAM),
    "unix": lambda: socket.socket(socket.AF_UNIX), "pair": socket.socketpair,
    "program": lambda: os.execv("/bin/true", ["true"]), "child": lambda: subprocess.run(["/bin/true"], check=True),
}.items():
    try:
        try_it()
        print(name, "WORKS")
    except PermissionError:
        print(name, "refused")
    except Exception as error:
        print(name, "refused" if "PermissionError" in repr(error) else repr(error))
thread = threading.Thread(target=lambda: print("thread works"))
thread.start()
thread.join()
print(len(open("/proc/self/status").read()) > 0)
"""


@pytest.mark.skipif(not can_confine(), reason="no way on this system to cut a process off from the network")
def test_a_confined_process_has_no_network_and_starts_no_program() -> None:
    done = subprocess.run([sys.executable, "-c", CONFINED], capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert lines == [
        *(f"{n} refused" for n in ("tcp", "udp", "unix", "pair", "program", "child")),
        "thread works",
        "True",
    ]


def test_where_a_process_cannot_be_cut_off_the_command_asks_for_a_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = saved(tmp_path / "w.pth", {"net": STATE, "x": Trainer()})
    (tmp_path / "sitecustomize.py").write_text("import platform\nplatform.machine = lambda: 'vax'\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(WeightsError, match=r"cannot be cut off .* vax; --unconfined"):
        convert_weights(path)
    assert convert_weights(path, unconfined=True).how.startswith("not cut off from the network")
