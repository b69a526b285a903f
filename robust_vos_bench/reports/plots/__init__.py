"""Figures for papers and notebooks, drawn by matplotlib (extra `report`). Every function returns matplotlib axes.

One style for all: 8 point type, colours for any colour vision, widths of one or two columns of a paper. Neither pyplot
nor any global state is touched.
"""

from robust_vos_bench.reports.plots.canvas import WIDTHS, style
from robust_vos_bench.reports.plots.drops import drop_map
from robust_vos_bench.reports.plots.pairs import clean_against_corrupted, paired_differences
from robust_vos_bench.reports.plots.severity import severity_curves
from robust_vos_bench.reports.plots.time import over_time

__all__ = [
    "WIDTHS",
    "clean_against_corrupted",
    "drop_map",
    "over_time",
    "paired_differences",
    "severity_curves",
    "style",
]
