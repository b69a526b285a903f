"""`python benchmarks/gpu_day`."""

import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])  # benchmarks/, for this package and the scripts beside it

if __name__ == "__main__":
    from gpu_day.day import main

    sys.exit(main())
