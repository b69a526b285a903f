"""The bare network of the package rf-sam-2, from its own settings file."""

from __future__ import annotations

from importlib.resources import files

from hydra.utils import instantiate
from omegaconf import OmegaConf
from sam2.modeling.sam2_base import SAM2Base

from robust_vos_bench.errors import MissingExtraError

from ..common.downloads import no_downloads

FILES = {"tiny": "t", "small": "s", "base_plus": "b+", "large": "l"}


def network(variant: str, size: int) -> SAM2Base:
    """SAM 2.1 with no particular weights, for images of size x size.

    The package composes its settings with Hydra, whose state is global to the process; here the file is read as it
    is, without the additions for interactive use (the official evaluation of VOS leaves them out too).
    """
    name = f"configs/sam2.1/sam2.1_hiera_{FILES[variant]}.yaml"
    found = files("sam2").joinpath(name)
    if not found.is_file():
        raise MissingExtraError(
            f"the installed package 'sam2' has no {name}: another project (EdgeTAM, an older SAM 2) took its name. "
            "Uninstall it, then pip install 'rvos-bench[sam2]'"
        )
    settings = OmegaConf.create(found.read_text())
    settings.model.image_size = size
    with no_downloads("sam2"):
        built: SAM2Base = instantiate(settings.model, _recursive_=True)
    return built
