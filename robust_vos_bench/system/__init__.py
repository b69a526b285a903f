"""The machine underneath: files that are whole or absent, the cache folder, hashes, locks, cores and memory."""
