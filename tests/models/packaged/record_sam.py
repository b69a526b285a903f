"""Makes the recordings that `test_sam_recorded.py` compares with: the authors' own loops on untrained weights of ours.

    python tests/models/packaged/record_sam.py KIND CHECKOUT [FOLDER]

    KIND       CHECKOUT (the commit that was recorded)           also needs
    sam2       facebookresearch/sam2 (2b90b9f)                    hydra-core, omegaconf, iopath
    samurai    yangchris11/samurai, its folder sam2
    dam4sam    jovanavidenovic/DAM4SAM
    sam2long   Mark12Ding/SAM2Long
    edgetam    facebookresearch/EdgeTAM                           timm
    sam3       facebookresearch/sam3: its tracker on the maps of our image encoder

Nothing of a checkout is copied or changed on disk. Memory stays in float32 and everything on a CPU, so that what is
compared is the rule. Packages that none of this calls (torchvision, vot, loguru ...) are stood in for.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.machinery
import re
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import torch

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parents[1]), str(HERE.parent)]

from packaged.sam_clips import KINDS, THIN, Kind, clip, give  # noqa: E402
from robust_vos_bench.adapters.sam.adapter import SAMAdapter  # noqa: E402
from robust_vos_bench.adapters.sam.names import translated  # noqa: E402

ABSENT = ("torchvision", "loguru", "vot", "triton")
ABSENT_INSIDE = ("sam3.train", "sam3.model.edt", "sam3.model.utils")


class Word(type):
    """A class whose attributes are words and whose calls are decorators."""

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return name

    def __call__(cls, *arguments: Any, **options: Any) -> Any:
        return lambda function: function


class Stub(types.ModuleType):
    """A module that has everything and does nothing."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return Word(name, (), {})


class Stubs:
    """Finds a `Stub` for what is absent. also: names of further packages."""

    def __init__(self, *also: str) -> None:
        self.names = (*ABSENT, *also)

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        if name.partition(".")[0] in self.names or name.startswith(ABSENT_INSIDE):
            return importlib.machinery.ModuleSpec(name, self, is_package=True)  # type: ignore[arg-type]
        return None

    def create_module(self, spec: Any) -> Any:
        return Stub(spec.name)

    def exec_module(self, module: Any) -> None: ...


def on_cpu_in_float32() -> None:
    """Moves to a GPU and to bfloat16 do nothing from here on."""
    move = torch.Tensor.to

    def to(self: torch.Tensor, *where: Any, **options: Any) -> torch.Tensor:
        where = tuple(each for each in where if each is not torch.bfloat16)
        if not where and options.keys() <= {"non_blocking"}:
            return self
        return move(self, *where, **options)

    torch.Tensor.to = to  # type: ignore[method-assign,assignment]
    torch.Tensor.cuda = torch.Tensor.pin_memory = lambda self, *a, **k: self  # type: ignore[method-assign,assignment]


def official_name(name: str) -> str:
    """The name that the mapping knows, of a name in SAM 3's tracker."""
    for theirs, ours in (
        ("transformer.encoder.", "memory_attention."),
        ("maskmem_backbone.", "memory_encoder."),
        (".mlp.lin1.", ".mlp.layers.0."),
        (".mlp.lin2.", ".mlp.layers.1."),
    ):
        name = name.replace(theirs, ours)
    return name


def give_weights(network: torch.nn.Module, ours: torch.nn.Module) -> None:
    """Load our weights into the authors' network, entry by entry."""
    mine, state = ours.state_dict(), {}
    for name, tensor in network.state_dict().items():
        point = re.fullmatch(r"sam_prompt_encoder\.point_embeddings\.(\d)\.weight", name)
        new = translated(official_name(name)).replace
        if point:
            state[name] = mine["prompt_encoder.point_embed.weight"][int(point[1])][None]
        elif ".to_kv." in name:
            keys, values = (mine[new(".to_kv.", f".{part}_proj.")] for part in "kv")
            state[name] = torch.cat([keys, values])
        elif name.startswith("memory_attention.") and new("linear1", "linear1") not in mine:
            state[name] = mine[new(".linear1.", ".mlp.up_proj.").replace(".linear2.", ".mlp.down_proj.")]
        else:
            state[name] = mine[new("", "")]
        assert state[name].shape == tensor.shape, name
    network.load_state_dict(state)


SETTINGS = {
    "sam2": "sam2/configs/sam2.1/sam2.1_hiera_t.yaml",
    "sam2long": "sam2/configs/sam2.1/sam2.1_hiera_t.yaml",
    "samurai": "sam2/configs/samurai/sam2.1_hiera_t.yaml",
    "dam4sam": "sam2/sam21pp_hiera_t.yaml",
    "edgetam": "sam2/configs/edgetam.yaml",
}


def predictor(name: str, kind: Kind, checkout: Path) -> Any:
    """The video predictor of a checkout around the small network."""
    from hydra.utils import instantiate
    from omegaconf import OmegaConf

    settings = OmegaConf.load(checkout / SETTINGS[name]).model
    settings._target_ = "sam2.sam2_video_predictor.SAM2VideoPredictor"
    settings.image_size = kind.size
    grid = [kind.size // 16] * 2
    if name == "edgetam":
        settings.memory_attention.layer.cross_attention.q_sizes = grid
        timm = importlib.import_module("sam2.modeling.backbones.timm")
        create = timm.create_model
        timm.create_model = lambda model, pretrained, **options: create(model, pretrained=False, **options)
    else:
        trunk = settings.image_encoder.trunk
        trunk.embed_dim, trunk.stages, trunk.global_att_blocks = 16, [1, 1, 2, 1], [3]
        settings.image_encoder.neck.backbone_channel_list = [128, 64, 32, 16]
    # What `build_sam2_video_predictor` adds unless it is told not to, as SAM 2's and SAM2Long's evaluations do.
    settings.binarize_mask_from_pts_for_mem_enc = name in ("samurai", "dam4sam")
    return instantiate(settings, _recursive_=True).eval()


def images_of(video: Any, size: int) -> torch.Tensor:
    """Frames as the authors' readers make them."""
    from PIL import Image

    mean, std = (torch.tensor(each)[:, None, None] for each in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    squashed = [np.array(Image.fromarray(frame).resize((size, size))) / 255.0 for frame in video.frames]
    found = torch.stack([torch.from_numpy(each).permute(2, 0, 1).float() for each in squashed])
    return (found - mean) / std


def follow_sam2(name: str, kind: Kind, checkout: Path, ours: Any) -> dict[str, Any]:
    """Logits by object and frame."""
    network = predictor(name, kind, checkout)
    give_weights(network, ours)
    video = clip(kind.frames)
    images = images_of(video, kind.size)
    module = importlib.import_module("sam2.sam2_video_predictor")
    module.load_video_frames = lambda *arguments, **options: (images, *video.size)  # type: ignore[attr-defined]
    if name == "dam4sam":
        return follow_dam4sam(network, kind, checkout, images)
    if name == "sam2long":  # its attention is written for one size
        attention = importlib.import_module("sam2.modeling.memory_attention")
        source = Path(str(attention.__file__)).read_text().replace("4096", str((kind.size // 16) ** 2))
        fixed: dict[str, Any] = {"__name__": attention.__name__}
        exec(compile(source, str(attention.__file__), "exec"), fixed)
        for layer in network.memory_attention.layers:
            layer.__class__ = type("Layer", (type(layer),), {"_forward_ca": fixed["MemoryAttentionLayer"]._forward_ca})
    found: dict[str, Any] = {}
    for i in kind.objects:
        first = video.first_frames[i]
        network.kf_mean, network.kf_covariance, network.stable_frames = None, None, 0  # SAMURAI's, per object
        state = network.init_state("in memory")
        state.update(num_pathway=3, iou_thre=0.1, uncertainty=2)  # SAM2Long's
        network.add_new_mask(state, first, i, video.prompts[first] == i)
        if name == "sam2long":
            masks = network.propagate_in_video(state, start_frame_idx=first)[1]
            found.update({f"{i}_{first + t}": mask[0, 0] for t, mask in enumerate(masks)})
        else:
            found.update({f"{i}_{r[0]}": r[2][0, 0] for r in network.propagate_in_video(state, start_frame_idx=first)})
    return found


def follow_dam4sam(network: Any, kind: Kind, checkout: Path, images: torch.Tensor) -> dict[str, Any]:
    """Its tracker is a script for one GPU and one size around the predictor."""
    import cv2
    from PIL import Image

    def largest(mask: Any) -> Any:
        _, labels, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
        return (labels == 1 + np.argmax(stats[1:, cv2.CC_STAT_AREA])).astype(np.uint8)

    class Shape:
        """Stands for vot's Mask."""

        def __init__(self, mask: Any) -> None:
            self.mask = mask

        def rasterize(self, bounds: Any) -> Any:
            return self.mask

        def convert(self, kind: Any) -> Any:
            y, x = np.nonzero(self.mask)
            return x.min(), y.min(), x.max() + 1, y.max() + 1

    def overlaps(ones: Any, others: Any) -> list[float]:
        found = []
        for a, b in zip(ones, others):
            both = max(0, min(a[2], b[2]) - max(a[0], b[0])) * max(0, min(a[3], b[3]) - max(a[1], b[1]))
            area = [(c[2] - c[0]) * (c[3] - c[1]) for c in (a, b)]
            found.append(both / (area[0] + area[1] - both))
        return found

    source = (checkout / "dam4sam_tracker.py").read_text()
    for theirs, ours in (
        ('device="cuda:0"', 'device="cpu"'),
        ('torch.device("cuda")', 'torch.device("cpu")'),
        ("torch.cuda.empty_cache()", ""),
        ("from utils.utils import keep_largest_component, determine_tracker", ""),
    ):
        source = source.replace(theirs, ours)
    space: dict[str, Any] = {"__file__": str(checkout / "dam4sam_tracker.py"), "__name__": "dam4sam_tracker"}
    exec(compile(source, space["__file__"], "exec"), space)
    space.update(
        keep_largest_component=largest,
        determine_tracker=lambda name: (None, None),
        Mask=Shape,
        calculate_overlaps=overlaps,
        build_sam2_video_predictor=lambda *arguments, **options: network,
        RegionType=types.SimpleNamespace(RECTANGLE=1),
    )
    video, found = clip(kind.frames), {}
    propagate = network.propagate_in_video
    for i in kind.objects:

        def told(*arguments: Any, i: int = i, **options: Any) -> Any:
            for out in propagate(*arguments, **options):
                found[f"{i}_{out[0]}"] = out[2][0, 0]
                yield out

        network.propagate_in_video = told
        tracker = space["DAM4SAMTracker"]()
        tracker.input_image_size = kind.size
        frames = [Image.fromarray(frame) for frame in video.frames]
        at = iter(images)
        tracker._prepare_image = lambda image: next(at)  # noqa: B023 - called before the next round
        tracker.initialize(frames[0], (video.prompts[0] == i).astype(np.uint8))
        for frame in frames[1:]:
            tracker.track(frame)
        print("anchors of", i, tracker.inference_state["adds_in_drm_per_obj"])
    return found


def follow_sam3(kind: Kind, ours: Any, stages: Any) -> dict[str, Any]:
    """The tracker of SAM 3 on our maps of the frames."""
    from sam3.model.decoder import TransformerDecoderLayerv2, TransformerEncoderCrossAttention
    from sam3.model.memory import CXBlock, SimpleFuser, SimpleMaskDownSampler, SimpleMaskEncoder
    from sam3.model.model_misc import TransformerWrapper
    from sam3.model.position_encoding import PositionEmbeddingSine
    from sam3.model.sam3_tracking_predictor import Sam3TrackerPredictor
    from sam3.sam.transformer import RoPEAttention

    grid = kind.size // 14
    attention: dict[str, Any] = {
        "embedding_dim": 256,
        "num_heads": 1,
        "downsample_rate": 1,
        "dropout": 0.1,
        "rope_theta": 10000.0,
        "feat_sizes": [grid, grid],
        "use_fa3": False,
        "use_rope_real": False,
    }
    layer = TransformerDecoderLayerv2(
        cross_attention_first=False,
        activation="relu",
        dim_feedforward=2048,
        dropout=0.1,
        pos_enc_at_attn=False,
        pre_norm=True,
        self_attention=RoPEAttention(**attention),
        d_model=256,
        pos_enc_at_cross_attn_keys=True,
        pos_enc_at_cross_attn_queries=False,
        cross_attention=RoPEAttention(**attention, kv_in_dim=64, rope_k_repeat=True),
    )
    encoder = TransformerEncoderCrossAttention(
        remove_cross_attention_layers=[],
        batch_first=True,
        d_model=256,
        frozen=False,
        pos_enc_at_input=True,
        layer=layer,
        num_layers=4,
        use_act_checkpoint=False,
    )
    block = CXBlock(dim=256, kernel_size=7, padding=3, layer_scale_init_value=1e-6, use_dwconv=True)
    memory = SimpleMaskEncoder(
        out_dim=64,
        position_encoding=PositionEmbeddingSine(num_pos_feats=64, normalize=True, scale=None, temperature=10000),
        mask_downsampler=SimpleMaskDownSampler(kernel_size=3, stride=2, padding=1, interpol_size=[16 * grid] * 2),
        fuser=SimpleFuser(layer=block, num_layers=2),
    )
    autocast = torch.autocast
    torch.autocast = lambda *arguments, **options: contextlib.nullcontext()  # type: ignore[assignment,misc]
    network = Sam3TrackerPredictor(
        image_size=kind.size,
        num_maskmem=7,
        backbone=None,
        backbone_stride=14,
        transformer=TransformerWrapper(encoder=encoder, decoder=None, d_model=256),
        maskmem_backbone=memory,
        multimask_output_in_sam=True,
        multimask_output_for_tracking=True,
        multimask_min_pt_num=0,
        multimask_max_pt_num=1,
        non_overlap_masks_for_output=False,
        max_cond_frames_in_attn=4,
        clear_non_cond_mem_around_input=True,
        use_memory_selection=True,
    ).eval()
    torch.autocast = autocast  # type: ignore[misc]
    give_weights(network, ours)
    video = clip(kind.frames)
    frames = list(video.frames)

    def maps(state: Any, frame_idx: int, batch_size: int) -> Any:
        seen = stages.features(stages.image(frames[frame_idx]))
        levels = [*(each.flatten(2).permute(2, 0, 1) for each in seen.high), seen.top]
        return None, None, levels, [seen.position] * 3, [(s * grid, s * grid) for s in (4, 2, 1)]

    network._get_image_feature = maps
    found = {}
    for i in kind.objects:
        state = network.init_state(*video.size, num_frames=len(video), offload_state_to_cpu=True)
        network.add_new_mask(state, 0, i, torch.from_numpy(video.prompts[0] == i))
        network.propagate_in_video_preflight(state)
        for out in network.propagate_in_video(state, 0, len(video), False, tqdm_disable=True):
            found[f"{i}_{out[0]}"] = out[3][0, 0]
    return found


def main(name: str, checkout: Path, folder: Path) -> None:
    """Write `folder/sam_<name>.npz`."""
    kind = KINDS[name]
    adapter: Any = SAMAdapter(None, "cpu", network=kind.network, size=kind.size, memory=kind.memory)
    give(adapter.network, kind)
    sys.meta_path.insert(0, Stubs("timm") if name == "sam3" else Stubs())  # type: ignore[arg-type]
    sys.path.insert(0, str(checkout))
    for module in [m for m in sys.modules if m.partition(".")[0] in ("sam2", "sam3", *ABSENT)]:
        del sys.modules[module]
    if name == "sam3":  # its own __init__ wants the whole model
        sys.modules["sam3"] = types.ModuleType("sam3")
        sys.modules["sam3"].__path__ = [str(checkout / "sam3")]
    stages = adapter.session(clip(kind.frames)).stages
    on_cpu_in_float32()
    with torch.no_grad():
        if name == "sam3":
            found = follow_sam3(kind, adapter.network, stages)
        else:
            found = follow_sam2(name, kind, checkout, adapter.network)
    arrays = {key: logits[::THIN, ::THIN].float().numpy() for key, logits in found.items()}
    np.savez_compressed(folder / f"sam_{name}.npz", **arrays)
    print(name, len(arrays), "recorded; logits up to", max(float(np.abs(each).max()) for each in arrays.values()))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]).resolve(), Path(sys.argv[3]) if len(sys.argv) > 3 else HERE / "recorded")
