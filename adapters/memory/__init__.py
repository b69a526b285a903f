"""What the space-time memory networks share: trunks, blocks, memory banks, the loop over a video. Not a model."""
