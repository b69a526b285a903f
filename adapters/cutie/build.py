"""Settings and the bare network of the package rf-cutie, without Hydra and without its downloads."""

from __future__ import annotations

from importlib.resources import files
from typing import Any
from unittest.mock import patch

from cutie.model.cutie import CUTIE
from cutie.model.utils import resnet
from omegaconf import DictConfig, OmegaConf
from torch import nn

from ..common.downloads import no_downloads


def settings(variant: str) -> DictConfig:
    """The package's evaluation settings with one variant's network; its data sets and logging are left out."""
    folder = files("cutie.config")

    def read(name: str) -> dict[str, Any]:
        return dict(OmegaConf.create(folder.joinpath(name).read_text()))

    evaluation = {k: v for k, v in read("eval_config.yaml").items() if k not in ("defaults", "hydra", "datasets")}
    model = [{k: v for k, v in read(f"model/{name}.yaml").items() if k != "defaults"} for name in ("base", variant)]
    merged = OmegaConf.merge(evaluation, {"model": OmegaConf.merge(*model)})
    assert isinstance(merged, DictConfig)
    return merged


def network(settings: DictConfig) -> nn.Module:
    """The network with no particular weights.

    Its constructors ask for ImageNet weights, which the checkpoint then replaces; here they are not asked for.
    """

    def plain(make: Any) -> Any:
        return lambda pretrained=True, **options: make(pretrained=False, **options)

    with (
        no_downloads("cutie"),
        patch.object(resnet, "resnet18", plain(resnet.resnet18)),
        patch.object(resnet, "resnet50", plain(resnet.resnet50)),
    ):
        built: nn.Module = CUTIE(settings)
    return built
