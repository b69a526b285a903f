"""Clips, edge cases and a slow reference for the tests of scoring."""
