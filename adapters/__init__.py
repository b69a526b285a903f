"""Model families: one folder (or file) each. A family lists its models in `MODELS`, without importing torch."""
