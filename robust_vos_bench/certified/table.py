"""Certificates as a table for a terminal, and as data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from robust_vos_bench.certified.certificate import Certificate, Claims


def _percent(value: float | None) -> str:
    return "n/a" if value is None else f"{100.0 * value:.1f}"


def print_certificates(console: Console, rows: Sequence[Certificate], claims: Claims, dataset: str) -> None:
    """The table with what its numbers mean."""
    console.print(f"Certified lower bounds on {dataset} · in %, higher is better", markup=False, soft_wrap=True)
    console.print(
        f"N = {claims.draws} draws of a whole track · each number holds with probability {1 - claims.alpha:g}",
        markup=False,
        soft_wrap=True,
    )
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("model", no_wrap=True)
    table.add_column("noise", no_wrap=True)
    for name in ("P", "draw", *(f"R={ratio:g}σ" for ratio in claims.ratios)):
        table.add_column(name, justify="right", no_wrap=True)
    if claims.pixels:
        table.add_column("J pixel", justify="right", no_wrap=True)
        table.add_column("abstain", justify="right", no_wrap=True)
    for row in rows:
        cells = [row.model, str(row.noise), _percent(row.clean), _percent(row.one_draw)]
        cells += [_percent(bound.value) for bound in row.bounds] or ["n/a"] * len(claims.ratios)
        if claims.pixels:
            pixel = row.pixel
            cells += ["n/a", "n/a"] if pixel is None else [_percent(pixel.value), f"{100 * pixel.abstained:.1f}"]
        table.add_row(*cells)
    console.print(table)
    for line in notes(rows, claims):
        console.print(line, markup=False, soft_wrap=True)


def notes(rows: Sequence[Certificate], claims: Claims) -> list[str]:
    """What stands under every table."""
    lines = [
        "P: J&F without noise. draw: mean J&F with noise, one draw a track. R=: no change of the frames under noise, "
        "of L2 norm R or less (values 0..1, all of them together), takes the median J&F of the model with noise below."
    ]
    if claims.pixels:
        lines.append(
            f"J pixel: J of the pixels that keep their label within R = {_sigmas(claims.tau):.3f}σ; a pixel that "
            "abstains counts against it. There is no such bound for F."
        )
    radius = max((b.radius for row in rows for b in row.bounds), default=0.25)
    lines.append(
        f"R = {radius:g} is one grey level on at most R^2 255^2 = {radius**2 * 255**2:,.0f} values; a frame of "
        "854 x 480 has 1,229,760. What is certified is far smaller than what attacks change."
    )
    for row in rows:
        if row.missing:
            lines.append(
                f"{row.model}, {row.noise}: {row.missing} units failed or are not done; nothing is claimed. The same "
                "command tries them again."
            )
        for bound in row.bounds:
            if bound.value is None:
                lines.append(
                    f"{row.model}, {row.noise}: R = {bound.radius:g} needs at least {bound.least} draws for "
                    f"{row.objects} objects."
                )
        if row.pixel is not None and row.pixel.draws < row.pixel.least:
            lines.append(
                f"{row.model}, {row.noise}: every pixel abstains; a claim needs at least {row.pixel.least} draws, "
                f"{row.pixel.draws} are counted."
            )
    return list(dict.fromkeys(lines))


def _sigmas(tau: float) -> float:
    from robust_vos_bench.certified.pixels import radius

    return radius(1.0, tau)


def to_data(row: Certificate) -> dict[str, Any]:
    """One row as plain data; scores in 0..1."""
    pixel = row.pixel
    return {
        "model": row.model,
        "frames": row.noise.frames,
        "sigma": row.noise.sigma,
        "missing": row.missing,
        "objects": row.objects,
        "clean": row.clean,
        "one_draw": row.one_draw,
        "median": [
            {
                "radius": bound.radius,
                "order": bound.order,
                "draws_needed": bound.least,
                "value": bound.value,
                "objects": [
                    {"video": video, "object": number, "value": value}
                    for (video, number), value in bound.objects.items()
                ],
            }
            for bound in row.bounds
        ],
        "pixels": None
        if pixel is None
        else {
            "radius": pixel.radius,
            "draws": pixel.draws,
            "draws_needed": pixel.least,
            "value": pixel.value,
            "chosen_label": pixel.chosen,
            "abstained": pixel.abstained,
        },
    }
