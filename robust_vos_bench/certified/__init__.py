"""What a change of the frames can do at most: certificates by randomised smoothing (docs/certified.md)."""
