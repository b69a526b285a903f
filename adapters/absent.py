"""Published systems of which nothing that runs exists here: they are found by their names, and explained."""

from robust_vos_bench.models.card import AbsentSystem

ABSENT = [
    AbsentSystem(
        "batman",
        title="BATMAN, ECCV 2022",
        paper="Yu, Yuan, Mittal, Fuxin, Chen: BATMAN: Bilateral Attention Transformer in Motion-Appearance Neighboring "
        "Space for Video Object Segmentation, ECCV 2022, arXiv:2208.01159",
        why="no code was published",
        exists="the paper alone; no repository, no weights and no masks of its authors were found",
        scores="J&F on DAVIS 2016 val 92.5, DAVIS 2017 val 86.2, test-dev 82.2; YouTube-VOS val overall 85.3 (2018), "
        "85.0 (2019) (abstract, through a search)",
    ),
    AbsentSystem(
        "dmn-aoa",
        title="DMN-AOA, ICCV 2021",
        paper="Liang, Shen, Huang, Hua: Video Object Segmentation with Dynamic Memory Networks and Adaptive Object "
        "Alignment, ICCV 2021",
        why="no code was published",
        exists="the repository https://github.com/liang4sx/DMN-AOA, which holds a README that announces code; "
        "no weights",
        aliases=("dmn_aoa",),
    ),
    AbsentSystem(
        "sstvos",
        title="SSTVOS, CVPR 2021",
        paper="Duke, Ahmed, Wolf, Aarabi, Taylor: SSTVOS: Sparse Spatiotemporal Transformers for Video Object "
        "Segmentation, CVPR 2021, arXiv:2101.08833",
        why="no model was published",
        exists="the repository https://github.com/dukebw/SSTVOS, which holds one attention operator for CUDA, its test "
        "and default settings; no network, no weights",
        scores="J&F on DAVIS 2017 val 78.4 without YouTube-VOS in training; YouTube-VOS 2019 val overall 81.8 (Papers "
        "with Code)",
    ),
    AbsentSystem(
        "xmem++",
        title="XMem++, ICCV 2023",
        paper="Bekuzarov, Bermudez, Lee, Li: XMem++: Production-level Video Segmentation From Few Annotated Frames, "
        "ICCV 2023, arXiv:2307.15958",
        why="it is made for several given frames of an object, and here each object is given once",
        exists="code under GPL-3.0, https://github.com/max810/XMem2, which runs whole videos from a folder with the "
        "weights of XMem, and sees all given frames before it starts",
        instead="xmem, which has the same network and weights; with one given frame its memory differs from that of "
        "XMem++ in details that were not compared",
        aliases=("xmempp",),
    ),
]
