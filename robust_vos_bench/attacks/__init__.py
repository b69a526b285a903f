"""Adversarial attacks on the frames of videos: audited splits on the uint8 lattice, with the doubts about each number."""
