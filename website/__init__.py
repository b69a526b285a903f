"""The documentation site: pages of `docs/` and what is made from the code, built by `python -m website`."""
