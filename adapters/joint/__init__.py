"""JOINT: a filter fitted per object and attention to past frames, joined, in a search region that follows the object.

- `regions`: which part of a frame is searched, and back; `tracker`: one object; `session`: the loop over a video;
- `network`: backbone and decoder; `learner`: the filter; `transformer`: the attention; `labels`: encoding of masks;
- `model`: options and weights.
"""

from robust_vos_bench.fetch import DriveFile
from robust_vos_bench.models.card import ModelCard, ModelEntry, Weights

_URL = "https://github.com/maoyunyao/JOINT"


def _drive(name: str, drive_id: str, data: str) -> Weights:
    return Weights(
        f"{name}.safetensors",
        f"made by `rvos-bench weights convert joint` of {name}.pth.tar, which holds objects of the authors' program "
        f"beside the tensors; for {data}; linked in the README of {_URL}",
        links=(DriveFile(drive_id),),
        original=f"{name}.pth.tar",
    )


MODELS = [
    ModelEntry(
        ModelCard(
            "joint",
            title="JOINT",
            paper="Mao, Wang, Zhou, Li: Joint Inductive and Transductive Learning for Video Object Segmentation, "
            "ICCV 2021, arXiv:2108.03679",
            license="none given by the authors: all rights reserved (this implementation shares no code with theirs)",
            url=_URL,
            weights=(
                _drive("joint_davis", "1UB_gDc0LMg0yixIQmkxpAt2AMF4m9zRq", "DAVIS"),
                _drive("joint_ytvos", "1U48rlb1Xplb2CN2urwFtaB_o62B2Y4xo", "YouTube-VOS"),
            ),
            trained_on=("youtubevos2019-train", "davis2017-train"),
            max_objects=254,
            input_policy="native frames; of each object a search region, five times its size, brought to 480 x 832 "
            "bilinearly; scores bilinear",
            autocast="optional",
            notes="every object has its own search region, filter and memory of 20 frames (frames); equal regions are "
            "seen once; YouTube-VOS was published with protocol=youtube-vos and weights of its own",
        ),
        "robust_vos_bench.adapters.joint.model:JointAdapter",
    )
]
