"""PyAV, loaded when the first video file is opened."""

from __future__ import annotations

from typing import Any

from robust_vos_bench.errors import MissingExtraError


def load_av() -> Any:
    """The PyAV module. Raises MissingExtraError where it is not installed."""
    try:
        import av
    except ImportError as error:
        raise MissingExtraError(
            "video files need PyAV (`av`), which is not installed or cannot be loaded here: pip install av"
        ) from error
    return av


def decoder_version() -> str:
    """Versions of everything that decides pixels: of PyAV and of the FFmpeg libraries inside. Part of keys."""
    av = load_av()
    libraries = [f"{name} {'.'.join(map(str, number))}" for name, number in sorted(av.library_versions.items())]
    return " ".join([f"av {av.__version__}", *(line for line in libraries if line.split()[0] in _DECIDES)])


_DECIDES = ("libavcodec", "libavfilter", "libavformat", "libavutil", "libswscale")
