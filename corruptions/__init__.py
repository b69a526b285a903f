"""Corruptions: one file per family, presets as TOML."""
