"""The shared end of the refiner, against the plain order of its operations."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from robust_vos_bench.adapters.refiner.levels import interpolated
from robust_vos_bench.adapters.refiner.projection import Projection, bicubic


@pytest.mark.parametrize("direct", [True, False])
@pytest.mark.parametrize("size", [(28, 36), (26, 41)])
def test_scores_are_those_of_convolutions_of_enlarged_features(direct: bool, size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    project, x = Projection(8), torch.randn(2, 8, 7, 9)
    with torch.no_grad():
        y = F.relu(project.conv1(bicubic(x, (14, 18))))
        large = bicubic(y, size) if direct else interpolated(bicubic(y, (28, 36)), size)
        torch.testing.assert_close(project(x, size, direct), project.conv2(large), atol=1e-5, rtol=1e-4)


def test_gradients_pass_through() -> None:
    torch.manual_seed(0)
    project, x = Projection(4).double(), torch.randn(1, 4, 3, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: project(x, (9, 11), False), x)
