"""Names the packages: `adapters/` and `corruptions/` stand at the top but install inside the import package."""

from setuptools import find_packages, setup

engine = find_packages(include=["robust_vos_bench", "robust_vos_bench.*"])
mapped = [
    f"robust_vos_bench.{name}"
    for top in ("adapters", "corruptions")
    for name in [top, *(f"{top}.{sub}" for sub in find_packages(top))]
]
setup(packages=engine + mapped)
