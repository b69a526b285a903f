"""Cutie (Cheng et al., CVPR 2024), from the package rf-cutie: cards and entries, neither torch nor cutie here."""

from __future__ import annotations

from robust_vos_bench.fetch import DriveFolder, release
from robust_vos_bench.models.card import ModelCard, ModelEntry, Weights

REPOSITORY = "https://github.com/hkchengrex/Cutie"
RELEASE = f"the release v1.0 of {REPOSITORY} (or the Google Drive folder of its docs/EVALUATION.md)"
FOLDER = "1E9ESHFlGU2KQkeRfH14kZzbdnwA0dH0f"
"""The Google Drive folder of its docs/EVALUATION.md."""
MD5 = {"cutie-base-mega.pth": "a6071de6136982e396851903ab4c083a"}
"""Those that the authors give (cutie/utils/download_models.py)."""
TARGET = "robust_vos_bench.adapters.cutie.adapter:CutieAdapter"


def _weights(file: str, about: str = "") -> Weights:
    links = (release("hkchengrex/Cutie", "v1.0", file), DriveFolder(FOLDER, file))
    return Weights(file, RELEASE + about, links=links, md5=MD5.get(file, ""))


def _entry(variant: str, title: str, aliases: tuple[str, ...] = ()) -> ModelEntry:
    return ModelEntry(
        ModelCard(
            f"cutie.{variant}",
            title=title,
            paper="Cheng, Oh, Price, Lee, Schwing: Putting the Object Back into Video Object Segmentation, CVPR 2024, "
            "arXiv:2310.12982",
            license="MIT (code)",
            url=REPOSITORY,
            weights=(
                _weights(f"cutie-{variant}-mega.pth"),
                _weights(f"cutie-{variant}-wmose.pth", " (trained without BURST and OVIS)"),
                _weights(f"cutie-{variant}-nomose.pth", " (trained without BURST, OVIS and MOSE)"),
            ),
            trained_on=(
                "static-images",
                "youtubevos2019-train",
                "davis2017-train",
                "mose-train",
                "burst-train",
                "ovis-train",
            ),
            late_objects="native",
            differentiable=True,
            max_objects=254,
            input_policy="short side down to 480, bilinear with antialias, smaller frames as they are; zeros to "
            "multiples of 16; probabilities bilinear",
            autocast="optional",
            extra="cutie",
            notes="remembers every fifth frame, four of them beside the first; top 30; the paper's plus setting is "
            "size=720 mem_every=3 max_memory_frames=10 on DAVIS",
        ),
        TARGET,
        {"variant": variant},
        aliases,
    )


MODELS = [_entry("base", "Cutie, ResNet-50", ("cutie",)), _entry("small", "Cutie, ResNet-18")]
