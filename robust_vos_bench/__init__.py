"""rvos-bench: how much does a video object segmentation model lose when the video is bad?

    import robust_vos_bench as rvos

    run = rvos.run(model="aot", corruption="blur")     # corrupt, segment, score; resumes
    run.table()                                        # pandas
    rvos.corrupt("fog", severity=3, output="foggy")    # corrupted copies of a data set
    rvos.score("masks/", dataset="davis2017:val", data_root="DAVIS")

The public names, listed in `__init__.pyi`, load on first use, so that importing this package takes milliseconds.
"""

import lazy_loader

from robust_vos_bench.version import __version__ as __version__

__getattr__, __dir__, _names = lazy_loader.attach_stub(__name__, __file__)
__all__ = ["__version__", *_names]
