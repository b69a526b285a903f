"""The authors' code of one family a module, to be timed beside ours: drivers of `benchmarks/models.py`."""
