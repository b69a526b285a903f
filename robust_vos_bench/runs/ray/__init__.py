"""Runs on a Ray cluster: node checks, lanes on nodes, and data sent to nodes that lack it."""
