"""`python -m robust_vos_bench.cli`."""

from robust_vos_bench.cli import main

main()
