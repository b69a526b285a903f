"""The work of one process: clips made once, models run on them, masks scored."""
