"""Layers that model families share: id maps, padding, soft aggregation, weights, random state."""
