"""The version of this package: one place, read by everything that records or shows it."""

__version__ = "0.1.0"
