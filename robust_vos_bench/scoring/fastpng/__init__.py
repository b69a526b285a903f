"""A PNG mask reader in compiled code that yields runs of one value instead of pixels; see README.md."""
