"""What a run will cost: measured timings, a probe of this machine, and the arithmetic."""
