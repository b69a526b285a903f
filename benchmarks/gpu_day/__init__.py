"""Everything that only a GPU can tell, in one command: `python benchmarks/gpu_day` (see `day.py`)."""
