"""What happens in each demo clip: backgrounds, things, their paths, and who passes in front of whom."""

from __future__ import annotations

from dataclasses import dataclass

from robust_vos_bench.datasets.demo.render import Key


@dataclass(frozen=True)
class Thing:
    """One cut-out that moves through a scene."""

    cutout: str
    """A name in `outlines.OUTLINES`, or "horse:PHOTOGRAPH"."""
    object_id: int
    """Its label; 0 for something that only passes in front."""
    keys: tuple[Key, ...]
    bend: tuple[float, float, float] = (0.0, 1.0, 0.0)
    """Sideways bending: amplitude in heights, waves over the height, periods over the clip."""
    gain: tuple[int, int] = (256, 256)
    """Brightness at the first and last frame, 1/256."""
    enters: float = 0.0
    """Time from which it is there at all, 0..1."""
    tint: tuple[int, int, int] = (256, 256, 256)
    """Factor of R, G, B, 1/256."""


@dataclass(frozen=True)
class Scene:
    """One clip: painted back to front."""

    name: str
    photograph: str
    camera: tuple[Key, ...]
    things: tuple[Thing, ...]
    tint: tuple[int, int, int] = (256, 256, 256)
    light: tuple[int, ...] = (256,)
    """Brightness of everything at even times, 1/256, linear between."""
    grain: int = 8
    """Sensor grain, a quarter of its standard deviation's grey levels."""
    rows: int = 180
    """Height of the small version, pixels."""
    frames: int = 12
    """Length of the small version."""
    small: bool = True
    """Whether it is part of the default demo."""


GRASS = (200, 300, 130)
STONE = (290, 262, 230)

SCENES = (
    Scene(
        "cat",
        "motorcycle_left",
        (Key(0, 0.80, 0.52, 1.5), Key(1, 1.00, 0.48, 1.6, 3)),
        (
            Thing(
                "cat",
                1,
                (
                    Key(0, 0.38, 0.60, 0.46, -8),
                    Key(0.35, 0.70, 0.42, 0.52, 12),
                    Key(0.7, 1.10, 0.55, 0.60, -6, 0.85),
                    Key(1, 1.36, 0.50, 0.66, 14),
                ),
                bend=(0.03, 0.6, 1.2),
                gain=(262, 235),
            ),
            Thing("photographer", 0, (Key(0.1, 1.98, 0.80, 0.85), Key(1, 0.25, 0.78, 0.85))),
        ),
        light=(256, 245, 262),
    ),
    Scene(
        "coffee",
        "grass",
        (Key(0, 0.95, 0.50, 1.9, -4), Key(1, 0.80, 0.56, 1.75, 2)),
        (
            Thing(
                "helmet",
                2,
                (Key(0, 1.38, 0.66, 0.40, 6), Key(0.5, 1.00, 0.58, 0.44, -10), Key(1, 0.42, 0.66, 0.50, -26)),
                gain=(256, 276),
            ),
            Thing(
                "cup",
                1,
                (Key(0, 0.42, 0.36, 0.46, 0), Key(0.5, 0.84, 0.46, 0.42, 28, 0.9), Key(1, 1.36, 0.38, 0.40, 64)),
            ),
        ),
        tint=GRASS,
        light=(262, 250),
        rows=160,
        frames=14,
    ),
    Scene(
        "herd",
        "brick",
        (Key(0, 0.86, 0.5, 1.8, 4), Key(1, 1.02, 0.5, 1.8, -2)),
        (
            Thing(
                "horse:chelsea",
                1,
                (Key(0, 0.34, 0.36, 0.48, 0), Key(0.5, 0.80, 0.32, 0.46, -4), Key(1, 1.34, 0.38, 0.42, 3)),
                bend=(0.04, 0.7, 2.0),
            ),
            Thing(
                "horse:ihc",
                2,
                (Key(0, 1.45, 0.46, 0.56, 0, -1), Key(0.5, 1.02, 0.54, 0.52, 5, -1), Key(1, 0.52, 0.48, 0.56, 0, -1)),
                bend=(0.03, 0.8, 1.6),
            ),
            Thing(
                "horse:coffee",
                3,
                (Key(0, 0.78, 0.72, 0.44, 0), Key(0.5, 0.50, 0.70, 0.52, 3), Key(1, 0.98, 0.72, 0.56, -5)),
                bend=(0.04, 0.6, 1.8),
            ),
        ),
        tint=STONE,
        light=(250, 262, 245),
        rows=200,
        frames=12,
    ),
    Scene(
        "visitor",
        "coffee",
        (Key(0, 0.70, 0.42, 1.7, 10), Key(1, 1.00, 0.50, 1.6, 4)),
        (
            Thing(
                "astronaut",
                3,
                (Key(0, 0.48, 0.60, 0.72), Key(0.5, 0.66, 0.56, 0.68, 6), Key(1, 0.86, 0.60, 0.78, -4, 0.9)),
                bend=(0.015, 0.5, 1.3),
            ),
            Thing(
                "cat",
                5,
                (Key(0.3, 1.62, 0.42, 0.44, -6), Key(0.65, 1.20, 0.56, 0.48, 10), Key(1, 0.92, 0.44, 0.40, -14)),
                bend=(0.03, 0.6, 1.0),
                enters=0.3,
            ),
        ),
        light=(245, 262),
        rows=180,
        frames=14,
    ),
    Scene(
        "sprint",
        "gravel",
        (Key(0, 0.75, 0.5, 2.0, -6), Key(0.5, 1.05, 0.52, 1.9, 3), Key(1, 0.80, 0.48, 2.0, -2)),
        (
            Thing(
                "horse:astronaut",
                1,
                (
                    Key(0, 0.34, 0.42, 0.50, 8),
                    Key(0.3, 0.86, 0.58, 0.46, -10),
                    Key(0.6, 1.40, 0.44, 0.40, 12),
                    Key(1, 0.56, 0.56, 0.62, -14),
                ),
                bend=(0.06, 0.8, 2.6),
            ),
            Thing("brooch", 0, (Key(0.15, 0.90, -0.40, 0.55, 0), Key(0.75, 1.02, 1.40, 0.55, 90))),
        ),
        tint=STONE,
        light=(262, 240, 262),
        rows=160,
        frames=12,
    ),
    Scene(
        "twins",
        "motorcycle_left",
        (Key(0, 1.05, 0.46, 1.5, -3), Key(1, 0.82, 0.54, 1.7)),
        (
            Thing(
                "cup",
                1,
                (Key(0, 0.40, 0.40, 0.40, 0), Key(0.5, 0.86, 0.34, 0.40, 15), Key(1, 1.36, 0.44, 0.46, -10)),
            ),
            Thing(
                "cup",
                2,
                (Key(0, 1.36, 0.58, 0.46, 0), Key(0.5, 0.94, 0.64, 0.44, -15), Key(1, 0.44, 0.56, 0.40, 12)),
            ),
        ),
        light=(256, 240, 256),
        rows=240,
        frames=16,
        small=False,
    ),
    Scene(
        "vanish",
        "ihc",
        (Key(0, 0.85, 0.5, 2.0), Key(1, 1.00, 0.5, 1.8, 5)),
        (
            Thing(
                "helmet",
                7,
                (Key(0, 0.40, 0.44, 0.36, 0), Key(0.5, 0.88, 0.56, 0.36, 30), Key(1, 1.40, 0.44, 0.42, 60)),
            ),
            Thing("photographer", 0, (Key(0, 1.00, 0.70, 1.0), Key(1, 0.82, 0.70, 1.0))),
        ),
        light=(256, 250),
        rows=200,
        frames=16,
        small=False,
    ),
)
