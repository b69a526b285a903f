"""The authors' code of the STM line, to be timed beside ours: a driver of `benchmarks/models.py`.

    python benchmarks/models.py --model stcn --peer ~/src/STCN

Nothing of a checkout is changed or copied. Its own loop runs in a thread that waits for the next frame wherever the
loop reads one (whole videos are what these loops take), on a CPU (moves to a GPU are switched off), with the same
deterministic weights as ours. The loops of STM, HMMN, SWEM, AFB-URR and GraphMemVOS cannot be imported without the
rest; their calls per frame are made here.

    family    checkout                         also needs
    stcn      hkchengrex/STCN                  torchvision
    xmem      hkchengrex/XMem
    stm       seoungwugoh/STM                  torchvision
    mivos     hkchengrex/Mask-Propagation
    rde       Limingxing00/RDE-VOS-CVPR2022    torchvision
    qdmn      workforai/QDMN
    gsfm      workforai/GSFM
    tbd       suhwan-cho/TBD                   torchvision
    hmmn      Hongje/HMMN                      torchvision
    swem      lmm077/SWEM                      torchvision
    afb_urr   xmlyqing00/AFB-URR               torchvision
    graphmem  carrierlxk/GraphMemVOS           torchvision

Of SWEM the package is imported without its trainer, and begins with the bases that ours draws.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.machinery
import io
import sys
import threading
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import numpy as np
import torch
from numpy.typing import NDArray
from ours import UNTRAINED_MEMORY, drawn_keys, fill_untrained, image_tensor, normalise
from torch.overrides import TorchFunctionMode

Frame = NDArray[np.uint8]

STUBS = (
    "matplotlib",
    "matplotlib.pyplot",
    "numpy.lib.arraysetops",
    "progressbar",
    "retrying",
    "sklearn",
    "sklearn.decomposition",
    "tqdm",
)
"""Imported by one checkout or another and used by none of what runs here."""


class OnCpu(TorchFunctionMode):
    """What is meant for a GPU stays where it is."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if func is torch.Tensor.cuda:
            return args[0]
        if str(kwargs.get("device", "")).startswith("cuda"):
            kwargs["device"] = "cpu"
        return func(*args, **kwargs)


class Loop:
    """A loop over a whole video in a thread that is given one frame at a time. Subclasses say what it runs."""

    length = 0
    """Frames of the video; set before `start`."""

    def __init__(self) -> None:
        self._asked, self._given = threading.Semaphore(0), threading.Semaphore(0)
        self._frame: Frame | None = None
        self._failure: BaseException | None = None

    def start(self, frame: Frame, mask: Frame) -> None:
        """Begin a video and run until the second frame is asked for."""
        threading.Thread(target=self._main, args=(frame, mask), daemon=True).start()
        self._wait()

    def step(self, frame: Frame) -> Frame:
        """Labels of the next frame."""
        self._frame = frame
        self._given.release()
        self._wait()
        return self.labels()

    def frame(self) -> torch.Tensor:
        """Called in the loop: the next frame, 1 x 3 x H x W."""
        self._asked.release()
        self._given.acquire()
        assert self._frame is not None
        return self.image(self._frame)

    def _wait(self) -> None:
        self._asked.acquire()
        if self._failure is not None:
            raise RuntimeError("the official code failed") from self._failure

    def _main(self, frame: Frame, mask: Frame) -> None:
        try:
            with torch.no_grad(), OnCpu():
                self.run(frame, mask)
        except BaseException as failure:
            self._failure = failure
        self._asked.release()

    def image(self, frame: Frame) -> torch.Tensor:
        """1 x 3 x H x W as the official data set makes it."""
        return normalise(image_tensor(frame, "cpu"))

    def run(self, frame: Frame, mask: Frame) -> None:
        """The official loop."""
        raise NotImplementedError

    def labels(self) -> Frame:
        """Of the last frame."""
        raise NotImplementedError


class Core(Loop):
    """The `InferenceCore` of STCN, RDE, GSFM (`encode_key` reads a frame) and MiVOS, QDMN."""

    def __init__(self, network: str, **options: Any) -> None:
        super().__init__()
        self.network = filled(getattr(importlib.import_module("model.eval_network"), network)())
        self.loop = importlib.import_module("inference_core").InferenceCore
        self.tensors = importlib.import_module("util.tensor_util")
        self.options = options

    def run(self, frame: Frame, mask: Frame) -> None:
        """`interact` over all frames."""
        images = torch.zeros(1, self.length, 3, *frame.shape[:2])
        images[:, 0] = self.image(frame)
        given = one_hot(mask)[:, None]
        options = dict(self.options)
        first = [options.pop("args")] if "args" in options else []
        core = self.loop(*first, self.network, images, len(given), **options)
        reader = "encode_key" if hasattr(core, "encode_key") else "get_query_kv_buffered"
        read = getattr(core, reader)

        def reading(index: int) -> Any:
            if index:
                core.images[:, index] = self.tensors.pad_divide_by(self.frame(), 16)[0]
                self.index = index
            return read(index)

        setattr(core, reader, reading)
        self.core = core
        core.interact(given, 0, self.length)

    def labels(self) -> Frame:
        """The best channel, padding cut off."""
        out: Frame = (
            self.tensors.unpad(self.core.prob[:, self.index], self.core.pad).argmax(0)[0].to(torch.uint8).numpy()
        )
        return out


class Steps:
    """XMem's `InferenceCore`, which takes one frame at a time."""

    def __init__(self) -> None:
        config = {
            "enable_long_term": True,
            "enable_long_term_count_usage": True,
            "max_mid_term_frames": 10,
            "min_mid_term_frames": 5,
            "max_long_term_elements": 10000,
            "num_prototypes": 128,
            "top_k": 30,
            "mem_every": 5,
            "deep_update_every": -1,
        }
        self.network = filled(importlib.import_module("model.network").XMem(config))
        self.core = importlib.import_module("inference.inference_core").InferenceCore(self.network, config=config)

    @torch.no_grad()
    def start(self, frame: Frame, mask: Frame) -> None:
        """Give the first frame and its mask."""
        labels = list(range(1, int(mask.max()) + 1))
        self.core.set_all_labels(labels)
        self.core.step(normalise(image_tensor(frame, "cpu"))[0], one_hot(mask), labels)

    @torch.no_grad()
    def step(self, frame: Frame) -> Frame:
        """Labels of the next frame."""
        out: Frame = self.core.step(normalise(image_tensor(frame, "cpu"))[0]).argmax(0).to(torch.uint8).numpy()
        return out


class Stm:
    """STM: remember the frame before, segment this one; every fifth frame stays."""

    every = 5

    def __init__(self) -> None:
        self.network = filled(importlib.import_module("model").STM())

    @torch.no_grad()
    def start(self, frame: Frame, mask: Frame) -> None:
        """Eleven channels, as the official data set gives, background first."""
        self.count = torch.tensor([int(mask.max())])
        self.before = torch.zeros(1, 11, *mask.shape)
        self.before[0, 1 : 1 + len(one_hot(mask))] = one_hot(mask)
        self.before[0, 0] = torch.from_numpy(mask == 0)
        self.image, self.kept, self.time = image_tensor(frame, "cpu"), None, 0

    @torch.no_grad()
    def step(self, frame: Frame) -> Frame:
        """Labels of the next frame."""
        new = self.network(self.image, self.before, self.count)
        memory = new if self.kept is None else tuple(torch.cat(pair, 3) for pair in zip(self.kept, new))
        self.image = image_tensor(frame, "cpu")
        self.before = torch.softmax(self.network(self.image, *memory, self.count), 1)
        if self.time % self.every == 0:
            self.kept = memory
        self.time += 1
        return self.before[0].argmax(0).to(torch.uint8).numpy()


class Hmmn(Stm):
    """HMMN: as STM, and at the finer strides the first frame and the one before."""

    def __init__(self) -> None:
        self.network = filled(importlib.import_module("model").HMMN())

    @torch.no_grad()
    def start(self, frame: Frame, mask: Frame) -> None:
        """A channel per object, background first."""
        super().start(frame, mask)
        self.before = self.before[:, : 1 + int(self.count)]
        self.first: tuple[torch.Tensor, ...] = ()

    @torch.no_grad()
    def step(self, frame: Frame) -> Frame:
        """Labels of the next frame."""
        new = self.network(self.image, self.before, self.count)
        held = (*self.kept, *self.first) if self.kept is not None else ()
        memory = tuple(torch.cat(pair, 2) for pair in zip(held, new)) if held else new
        self.image = image_tensor(frame, "cpu")
        self.before = torch.softmax(self.network(self.image, *memory, self.count), 1)
        if self.time % self.every == 0:
            self.kept = memory[:2]
        self.first = self.first or memory[2:]
        self.time += 1
        return self.before[0].argmax(0).to(torch.uint8).numpy()


class AfbUrr:
    """AFB-URR's loop for DAVIS: segment, remember, update the banks."""

    def __init__(self) -> None:
        def scatter_mean(source: torch.Tensor, index: torch.Tensor, dim: int, out: torch.Tensor) -> torch.Tensor:
            counts = torch.zeros(out.shape[1]).index_add_(0, index[0], torch.ones(index.shape[1]))
            return out.index_add_(dim, index[0], source).div_(counts.clamp(min=1))

        scatter = types.ModuleType("torch_scatter")
        scatter.scatter_mean = scatter_mean  # type: ignore[attr-defined]
        sys.modules["torch_scatter"] = scatter
        self.banks = importlib.import_module("model").FeatureBank
        self.network: Any = filled(importlib.import_module("model").AFB_URR(torch.device("cpu"), update_bank=True))

    @torch.no_grad()
    def start(self, frame: Frame, mask: Frame) -> None:
        """A channel per object, background first."""
        objects = one_hot(mask)
        self.before = torch.cat([1 - objects.sum(0, keepdim=True), objects])[None]
        self.image, self.time = image_tensor(frame, "cpu"), 0
        self.bank = self.banks(1 + len(objects), 300_000, "cpu", update_rate=0.1, thres_close=0.95)

    @torch.no_grad()
    def step(self, frame: Frame) -> Frame:
        """Labels of the next frame."""
        keys, values = self.network.memorize(self.image, self.before)
        if self.time:
            self.bank.update(keys, values, self.time)
        else:
            self.bank.init_bank(keys, values)
        self.image = image_tensor(frame, "cpu")
        self.before = torch.softmax(self.network.segment(self.image, self.bank)[0], 1)
        self.time += 1
        return self.before[0].argmax(0).to(torch.uint8).numpy()


class GraphMem(Stm):
    """GraphMemVOS: the first frame, the one before and four between, which are encoded again for every frame."""

    def __init__(self, checkout: Path) -> None:
        units = types.ModuleType("units")  # without what it imports, which is not in the repository
        units.__path__ = [str(checkout / "models" / "units")]
        sys.modules["units"] = units
        self.network = filled(importlib.import_module("models").graph_memory())

    @torch.no_grad()
    def start(self, frame: Frame, mask: Frame) -> None:
        """As STM; all frames and their probabilities are held."""
        super().start(frame, mask)
        self.past: list[tuple[torch.Tensor, torch.Tensor]] = []

    @torch.no_grad()
    def step(self, frame: Frame) -> Frame:
        """Labels of the next frame."""
        self.past.append((self.image, self.before))
        new = self.network(*self.past[-1], self.count)
        self.kept = new if self.kept is None else self.kept
        now = len(self.past)
        parts = [self.kept, new] if now > 1 else [new]
        if now > 4:
            between = [now // 4 * j + now // 4 // 2 for j in range(4)]
            parts[1:1] = [self.network(*self.past[i], self.count) for i in between]
        self.image = image_tensor(frame, "cpu")
        memory = [torch.cat(pair, 3) for pair in zip(*parts)]
        self.before = torch.softmax(self.network(self.image, *memory, self.count), 1)
        return self.before[0].argmax(0).to(torch.uint8).numpy()


class Swem:
    """SWEM's loop for DAVIS: match, decode, remember."""

    size = (480, 864)

    def __init__(self, checkout: Path) -> None:
        for name in ("methods", "methods.SWEM"):  # without what they import, which is training and evaluation
            package = types.ModuleType(name)
            package.__path__ = [str(checkout.joinpath(*name.split(".")))]
            sys.modules[name] = package
        resnet = importlib.import_module("methods.basic_modules.mod_resnet")
        resnet.model_dirs = {"resnet50": ""}  # type: ignore[attr-defined]
        settings = SimpleNamespace(
            KEYDIM=128, VALDIM=512, NUM_BASES=128, NUM_EM_ITERS=4, EM_TAU=0.05, TOPL=64, SINGLE_OBJ=False,
            BACKBONE="resnet50",
        )  # fmt: skip
        module = importlib.import_module("methods.SWEM.swem")
        weights = vision().resnet50().state_dict()
        with (
            mock.patch("torch.load", lambda *given, **named: weights),
            mock.patch.object(resnet, "load_weights_sequential", lambda *given, **named: None),
        ):
            self.network = filled(module.SWEM(settings))
        core: Any = self.network.swem_core

        def begin(size: tuple[int, ...], **settings: Any) -> tuple[torch.Tensor, ...]:
            keys = torch.stack([drawn_keys(0, "clip", size[-1], i + 1) for i in range(size[1])])[None]
            sides = torch.zeros(*size[:3], 512, size[-1]), torch.full((*size[:3], 1, size[-1]), 1e-6)
            return keys, *sides

        core.random_init = begin

    def image(self, frame: Frame) -> torch.Tensor:
        """1 x 3 x 480 x 864 as the official evaluator makes it."""
        return torch.nn.functional.interpolate(image_tensor(frame, "cpu"), self.size, mode="bicubic")

    def remember(self, hard: torch.Tensor, soft: torch.Tensor) -> None:
        """What the loop does at the end of a frame, and before the next one."""
        small = torch.nn.functional.interpolate(soft, self.size, mode="bilinear")
        value = self.network("encode_value", self.now, small, self.features[2])
        self.network("memorize", self.features[0], value, hard, small)

    @torch.no_grad()
    def start(self, frame: Frame, mask: Frame) -> None:
        """Give the first frame and its mask."""
        masks = torch.cat([torch.from_numpy(mask == 0)[None].float(), one_hot(mask)])[None]
        image = self.image(frame)
        features = self.network("encode_key", image)
        small = torch.nn.functional.interpolate(masks, self.size, mode="nearest")
        self.network("init", features[0], self.network("encode_value", image, small, features[2]), masks)
        self.shape, self.left = mask.shape, self.length - 1

    @torch.no_grad()
    def step(self, frame: Frame) -> Frame:
        """Labels of the next frame."""
        self.now = self.image(frame)
        self.features = self.network("encode_key", self.now)
        key, value, _, f8, f4 = self.features
        context, count = self.network("match", key, value)
        _, soft = self.network("segment", count, context, f8, f4, None, self.shape)
        labels = soft.argmax(1)
        self.left -= 1
        if self.left:
            hard = (labels[:, None] == torch.arange(count + 1)[None, :, None, None]).float()
            self.remember(hard, soft)
        return np.asarray(labels[0].to(torch.uint8).numpy())

    length = 0
    """Frames of the video; set before `start`."""


class Tbd(Loop):
    """TBD's forward over a whole video; the encoder reads a frame, `aggregate_objects` gives a mask."""

    def __init__(self) -> None:
        super().__init__()
        self.module = importlib.import_module("tbd")
        self.network: Any = filled(self.module.TBD())

    def image(self, frame: Frame) -> torch.Tensor:
        """In 0..1; the network normalises."""
        return image_tensor(frame, "cpu")

    def run(self, frame: Frame, mask: Frame) -> None:
        """`TBD.forward`."""
        height, width = frame.shape[:2]
        padding = self.module.get_padding(height, width, 16)
        read, aggregate = self.network.vos.encoder.forward, self.module.aggregate_objects
        seen: list[int] = []

        def reading(image: torch.Tensor) -> Any:
            seen.append(0)
            if len(seen) > 1:
                image = self.module.attach_padding(self.frame()[None], [None], padding)[0][:, 0]
            return read(image)

        def aggregating(*given: Any) -> Any:
            found = aggregate(*given)
            top, left = padding[2], padding[0]
            self.found = found[0][0, 0, top : top + height, left : left + width]
            return found

        images = torch.zeros(1, self.length, 3, height, width)
        images[:, 0] = self.image(frame)
        given = [torch.from_numpy(mask).long()[None, None], *[None] * (self.length - 1)]
        rows, columns = -(-height // 16), -(-width // 16)
        y = torch.arange(rows).repeat_interleave(columns).float()
        x = torch.arange(columns).repeat(rows).float()
        distance = ((y[:, None] - y).square() + (x[:, None] - x).square()).sqrt()
        self.network.vos.encoder.forward = reading
        with mock.patch.object(self.module, "aggregate_objects", aggregating):
            self.network(images, given, distance[None], None)

    def labels(self) -> Frame:
        """Of the last frame."""
        out: Frame = self.found.to(torch.uint8).numpy()
        return out


PEERS: dict[str, Callable[[Path], Any]] = {
    # The settings are those of the adapters' defaults, which are the authors' for DAVIS.
    "stcn": lambda _: Core("STCN", top_k=20, mem_every=5),
    "xmem": lambda _: Steps(),
    "stm": lambda _: Stm(),
    "mivos": lambda _: Core("PropagationNetwork", mem_freq=5),
    "rde": lambda _: Core("RDE_VOS", args=SimpleNamespace(mode="two-frames-compress"), top_k=40, mem_every=3),
    "qdmn": lambda _: Core("PropagationNetwork", mem_freq=5),
    "gsfm": lambda _: Core("STCN", top_k=50, mem_every=3),
    "tbd": lambda _: Tbd(),
    "hmmn": lambda _: Hmmn(),
    "swem": Swem,
    "afb_urr": lambda _: AfbUrr(),
    "graphmem": GraphMem,
}


def open_peer(path: str | Path, model: str, device: str) -> Any:
    """The official code of one of our model names; CPU only."""
    if device != "cpu":
        raise SystemExit(f"the peers of the STM line are driven on a CPU here, not on {device}")
    with importing(Path(path)):
        return PEERS[model](Path(path))


def filled(network: torch.nn.Module) -> torch.nn.Module:
    """Untrained weights by name."""
    fill_untrained(network, UNTRAINED_MEMORY)
    return network.eval()


def one_hot(mask: Frame) -> torch.Tensor:
    """k x H x W float for ids 1..k."""
    return torch.stack([torch.from_numpy(mask == i).float() for i in range(1, int(mask.max()) + 1)])


@contextlib.contextmanager
def importing(checkout: Path) -> Iterator[None]:
    """The checkout on the path for good, and no downloads of ImageNet weights, which ours overwrite, meanwhile."""
    sys.path.insert(0, str(checkout.resolve()))
    with contextlib.ExitStack() as stack:
        for name in STUBS:
            if name not in sys.modules:
                sys.modules[name] = mock.MagicMock(__spec__=importlib.machinery.ModuleSpec(name, None))
                stack.callback(sys.modules.pop, name)
        sys.modules["retrying"].retry = lambda *given, **named: lambda function: function  # type: ignore[attr-defined]
        stack.enter_context(mock.patch("torch.utils.model_zoo.load_url", lambda *given, **named: {}))
        stack.enter_context(mock.patch("torch.hub.load_state_dict_from_url", lambda *given, **named: {}))
        with contextlib.suppress(ImportError, RuntimeError):
            models = vision()
            for name in ("resnet18", "resnet50", "densenet121"):
                make = getattr(models, name)
                stack.enter_context(mock.patch.object(models, name, lambda *given, _make=make, **named: _make()))
        for module, loader in (
            ("model.mod_resnet", "load_weights_sequential"),
            ("model.resnet", "load_weights_add_extra_dim"),
        ):
            with contextlib.suppress(ImportError, AttributeError):
                resnet = importlib.import_module(module)
                stack.enter_context(mock.patch.object(resnet, loader, lambda *given, **named: None))
        stack.enter_context(contextlib.redirect_stdout(io.StringIO()))
        yield


def vision() -> Any:
    """torchvision's models; a build for another torch misses operators that none of them needs."""
    library = torch.library.Library("torchvision", "DEF")
    for operator in ("nms", "qnms"):
        library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    return importlib.import_module("torchvision.models")
