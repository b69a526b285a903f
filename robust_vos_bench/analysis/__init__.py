"""Numbers from records: score matrices, robustness measures, intervals, ranks and comparisons."""
