"""Untrained weights: drawn from names, scaled by a table, independent of everything else."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from robust_vos_bench.models.torch_adapter import fill_untrained
from robust_vos_bench.models.untrained import Untrained, draw


def test_a_draw_depends_on_the_name_alone() -> None:
    np.random.seed(1)
    first = draw("conv.weight", (4, 3))
    np.random.seed(2)
    np.testing.assert_array_equal(first, draw("conv.weight", (4, 3)))
    assert not np.array_equal(first, draw("conv.bias", (4, 3)))


def test_lines_of_a_table_apply_in_order() -> None:
    table = Untrained(
        scales={"gamma": (1, 0.5), "head.bias": (3, 0)},
        gain=lambda name, shape: 2.0 if name.startswith("head.") else 1.0,
        kept=frozenset({"mean"}),
        canonical=lambda name: name.removeprefix("copy."),
        adjusted=lambda name, values: values + 100 if name == "late.weight" else values,
    )
    n = draw
    assert table.values("x.mean", (3,)) is None
    for name, shape, expected in (
        ("a.gamma", (2, 2), 1 + 0.5 * n("a.gamma", (2, 2))),
        ("head.bias", (5,), np.full(5, 3.0)),
        ("a.bias", (5,), 0.05 * n("a.bias", (5,))),
        ("a.weight", (5,), 1 + 0.05 * n("a.weight", (5,))),
        ("a.running_var", (5,), 1 + 0.1 * abs(n("a.running_var", (5,)))),
        ("a.weight", (2, 3, 3), n("a.weight", (2, 3, 3)) / 3),
        ("head.weight", (2, 4), n("head.weight", (2, 4))),
        ("copy.a.weight", (5,), 1 + 0.05 * n("a.weight", (5,))),
        ("late.weight", (2, 4), n("late.weight", (2, 4)) / 2 + 100),
    ):
        found = table.values(name, shape)
        assert found is not None and found.dtype == np.float32
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-7)


def test_centred_draws_have_no_mean_over_their_inputs() -> None:
    found = Untrained(centred=True).values("a.weight", (4, 6, 3, 3))
    assert found is not None
    np.testing.assert_allclose(found.mean(1), 0, atol=1e-7)
    assert Untrained(centred=True).values("a.weight", (4, 1, 3, 3)) is not None


def test_filling_keeps_types_and_what_a_table_keeps() -> None:
    network = nn.BatchNorm1d(4)
    fill_untrained(network, Untrained(kept=frozenset({"num_batches_tracked", "bias"})))
    assert network.num_batches_tracked is not None and network.num_batches_tracked.dtype == torch.int64
    assert torch.equal(network.bias, torch.zeros(4)) and not torch.equal(network.weight, torch.ones(4))
