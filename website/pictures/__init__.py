"""The pictures of the pages, made by `python -m website.pictures` and kept in docs/pictures."""
