"""Helpers that tests of several folders may import, as `helpers.…` (`pythonpath` in pyproject.toml)."""
