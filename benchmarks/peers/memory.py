"""The authors' code of the STM line, to be timed beside ours: a driver of `benchmarks/models.py`.

    python benchmarks/models.py --model stcn --peer ~/src/STCN

Nothing of a checkout is changed or copied. Its own loop runs in a thread that waits for the next frame wherever the
loop reads one (whole videos are what these loops take), on a CPU (moves to a GPU are switched off), with the same
deterministic weights as ours. The loops of STM, HMMN, SWEM, AFB-URR and GraphMemVOS cannot be imported without the
rest; their calls per frame are made in `stm_line/`.

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
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from peers.stm_line.afb_urr import AfbUrr
from peers.stm_line.checkout import importing
from peers.stm_line.stm import GraphMem, Hmmn, Stm
from peers.stm_line.swem import Swem
from peers.stm_line.whole_videos import Core, Tbd
from peers.stm_line.xmem import Steps

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
