"""Corrupted copies of data sets on disk, and pictures of corruptions: what `rvos-bench corrupt` writes."""
