"""Every matching function, the object vector and the blocks against the official code on small tensors."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from robust_vos_bench.adapters.aoc.conditioning import ConditioningBlock, ConditioningLayer
from robust_vos_bench.adapters.aoc.maps import object_window_maps
from robust_vos_bench.adapters.aoc.memory import Reference, entropy
from robust_vos_bench.adapters.aoc.proxies import ProxyBank
from robust_vos_bench.adapters.aoc.weights import UNTRAINED
from robust_vos_bench.adapters.cfbi_line.blocks import GCT, GCTBottleneck
from robust_vos_bench.adapters.cfbi_line.labels import one_hot
from robust_vos_bench.adapters.cfbi_line.maps import background_maps, distance_maps
from robust_vos_bench.adapters.cfbi_line.means import masked_means, object_vectors
from robust_vos_bench.adapters.cfbi_line.nearest import nearest_distances
from robust_vos_bench.adapters.cfbi_line.windows import window_maps

from .golden import golden

WINDOWS = (3, 1, 2)
CASES = {"K3": (("0", "1"), 4), "K3one": (("0",), 4), "K4": (("0", "1"), 5)}
"""Reference frames and slots: two with a three-pixel object and label 125, one frame, and an absent fourth object."""


@pytest.fixture(scope="module")
def unit(shared: Path) -> dict[str, Tensor]:
    return {name: torch.from_numpy(array) for name, array in golden(shared, "unit").arrays.items()}


def channels_first(maps: Tensor) -> Tensor:
    """1 x h x w x slots x maps -> slots x maps x h x w."""
    return maps[0].permute(2, 3, 0, 1)


def embedding(unit: dict[str, Tensor], name: str) -> Tensor:
    return unit[name].permute(2, 0, 1)


def close(actual: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(actual, expected, atol=1e-5, rtol=0)


def filled(module: nn.Module, prefix: str) -> nn.Module:
    drawn = {n: UNTRAINED.values(prefix + n, tuple(t.shape)) for n, t in module.state_dict().items()}
    values = {n: torch.from_numpy(array) for n, array in drawn.items() if array is not None}
    module.load_state_dict(values)
    return module.eval().requires_grad_(False)


@pytest.fixture(params=list(CASES))
def case(request: pytest.FixtureRequest, unit: dict[str, Tensor]) -> tuple[str, int, Reference, Tensor]:
    frames, slots = CASES[request.param]
    reference = Reference()
    for frame in frames:
        reference.add(embedding(unit, f"ref{frame}"), unit[f"label{frame}"], slots)
    return request.param, slots, reference, one_hot(unit["labelp"], slots)


def test_global_and_proxy_maps(unit: dict[str, Tensor], case: tuple[str, int, Reference, Tensor]) -> None:
    name, slots, reference, _ = case
    query, biases = embedding(unit, "query"), unit["dis_bias"][:slots]

    def maps(groups: list[Tensor]) -> Tensor:
        return distance_maps(nearest_distances(query, groups), biases)[:, None]

    nearest = maps(reference.pool.groups(slots))
    close(nearest, channels_first(unit[f"{name}_global"]))
    close(background_maps(nearest), unit[f"{name}_global_bg"])
    proxies = ProxyBank().proxies(reference.pool, slots)
    close(torch.cat([maps(proxies.centres), maps(proxies.averages)], 1), channels_first(unit[f"{name}_cluster"]))
    means = reference.means.means(slots)[0]
    close(maps([mean[None] for mean in means]), channels_first(unit[f"{name}_gproxy"]))


def test_local_maps(unit: dict[str, Tensor], case: tuple[str, int, Reference, Tensor]) -> None:
    name, slots, reference, masks = case
    query, previous, biases = embedding(unit, "query"), embedding(unit, "prev"), unit["dis_bias"][:slots]
    local = window_maps(query, previous, masks, WINDOWS, biases, reduce=True)
    close(local, channels_first(unit[f"{name}_local"]))
    close(background_maps(local), unit[f"{name}_local_bg"])
    inside = masked_means(previous, masks)[0]
    close((masks.float().flatten(1).T @ inside).reshape(13, 17, 10), unit[f"{name}_inst"])
    close(object_window_maps(query, inside, masks, biases, WINDOWS), channels_first(unit[f"{name}_lproxy"]))
    close(object_vectors(reference.means, previous, masks), unit[f"{name}_head"])


def test_without_any_reference_pixel(unit: dict[str, Tensor]) -> None:
    reference = Reference()
    reference.add(embedding(unit, "ref0"), torch.full((13, 17), 125), 4)
    query, biases = embedding(unit, "query"), unit["dis_bias"][:4]
    nearest = distance_maps(nearest_distances(query, reference.pool.groups(4)), biases)
    close(nearest[:, None], channels_first(unit["noref_global"]))
    proxies = ProxyBank().proxies(reference.pool, 4)
    for support in (proxies.centres, proxies.averages):
        close(distance_maps(nearest_distances(query, support), biases)[:, None], channels_first(unit["noref_cluster"]))


def test_entropy(unit: dict[str, Tensor]) -> None:
    close(entropy(unit["ent_in"][0]), unit["ent_out"][0, 0])


@pytest.mark.parametrize(
    ("reading", "key"), [("strict", "clb_out"), ("inclusive", "clb_out_inclusive"), ("map", "clb_out_cl2map")]
)
def test_conditioning_block(unit: dict[str, Tensor], reading: str, key: str) -> None:
    block = filled(ConditioningBlock(32, 24, reading), "unit.CLB.")
    close(block(unit["clb_x"], unit["clb_head"]), unit[key])
    if reading == "strict":
        layer = block.get_submodule("CL_1")
        assert isinstance(layer, ConditioningLayer)
        close(layer(unit["clb_x"]), unit["clb_cl1"])


def test_gated_blocks(unit: dict[str, Tensor]) -> None:
    close(filled(GCT(32), "unit.GCT.")(unit["clb_x"]), unit["gct_out"])
    close(filled(GCTBottleneck(64, 128, 2), "unit.BT.")(unit["bt_x"]), unit["bt_out"])
