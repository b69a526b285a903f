"""`python -m robust_vos_bench`."""

from robust_vos_bench.cli import main

if __name__ == "__main__":
    main()
