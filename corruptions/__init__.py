"""Corruptions: one file a family, presets as TOML."""
