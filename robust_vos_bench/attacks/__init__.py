"""Adversarial attacks on the frames of videos: audited splits on the uint8 lattice, and doubts about each number."""
