"""FEELVOS: an embedding matched with the first frame and, nearby, with the one before; a small head per object."""

from robust_vos_bench.fetch import Url
from robust_vos_bench.models.card import ModelCard, ModelEntry, Weights

_URL = "https://github.com/tensorflow/models/tree/v1.13.0/research/feelvos"
_HOST = "download.tensorflow.org/models"
_BUCKET = "https://storage.googleapis.com"
"""Where that host keeps its files; the host itself is linked without encryption."""


def _weights(name: str, trained: str) -> Weights:
    address = f"{_HOST}/{name}.tar.gz"
    where = f"http://{address} (linked from the authors' README): trained on {trained}; a TensorFlow checkpoint"
    links = (Url(f"{_BUCKET}/{address}"), Url(f"http://{address}"))
    return Weights(f"{name}.safetensors", where, links=links, original=f"{name}.tar.gz")


MODELS = [
    ModelEntry(
        ModelCard(
            "feelvos",
            title="FEELVOS (Xception-65)",
            paper="Voigtlaender, Chai, Schroff, Adam, Leibe, Chen: FEELVOS: Fast End-to-End Embedding Learning for "
            "Video Object Segmentation, CVPR 2019, arXiv:1902.09513",
            license="Apache-2.0 (code); no separate licence is given for the weights",
            url=_URL,
            weights=(
                _weights("feelvos_davis17_and_youtubevos_trained", "DAVIS 2017 and YouTube-VOS"),
                _weights("feelvos_davis17_trained", "DAVIS 2017"),
            ),
            trained_on=("davis2017-train", "youtubevos2018-train"),
            late_objects="native",
            max_objects=254,
            input_policy="native: never resized; maps at stride 4 of (side - 1) // 4 + 1 cells, aligned corners",
            autocast="optional",
            notes="remembers the first frame and the one before; objects that appear later, of which the official code "
            "knows none, become further references by their first frame (ours, as CFBI does)",
        ),
        "robust_vos_bench.adapters.feelvos.model:FEELVOSAdapter",
    )
]
