"""Runs on a Ray cluster: node checks, tasks, and data sent to nodes that lack it."""
