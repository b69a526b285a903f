"""Training of the lite reference models; not part of the installed package (see docs/reference-weights.md)."""
