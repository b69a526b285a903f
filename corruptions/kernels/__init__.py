"""Numerical parts of the corruptions; modules here import heavy libraries and load on first use."""
