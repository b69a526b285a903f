"""Cards of the STM line, importable without torch. What most systems share stands once, in `_entry`."""

from __future__ import annotations

from dataclasses import replace

from robust_vos_bench.fetch import DriveFile, DriveFolder, HubFile, Link, Url, release
from robust_vos_bench.models.card import ModelCard, ModelEntry, Weights

_SHARED = ModelCard(
    "",
    license="MIT (code)",
    trained_on=("static-images", "bl30k", "youtubevos2019-train", "davis2017-train"),
    late_objects="native",
    max_objects=254,
    differentiable=True,
    input_policy="short side to 480, bicubic without antialias; zeros to multiples of 16; probabilities bilinear",
    autocast="optional",
)
"""The facts that most cards of the line have in common."""

_NO_LICENSE = "none given by the authors: all rights reserved (this implementation shares no code with theirs)"
_STM = "https://github.com/seoungwugoh/STM"
_STCN = "https://github.com/hkchengrex/STCN"
_MIVOS = "https://github.com/hkchengrex/Mask-Propagation"
_RDE = "https://github.com/Limingxing00/RDE-VOS-CVPR2022"
_RDE_FOLDER = f"the Google Drive folder linked in the README of {_RDE}"
_GSFM = "https://github.com/workforai/GSFM"
_QDMN = "https://github.com/workforai/QDMN"
_XMEM = "https://github.com/hkchengrex/XMem"
_XMEM_RELEASE = f"the release v1.0 of {_XMEM}"
_HMMN = "https://github.com/Hongje/HMMN"
_SWEM = "https://github.com/lmm077/SWEM"
_AFB_URR = "https://github.com/xmlyqing00/AFB-URR"
_GRAPHMEM = "https://github.com/carrierlxk/GraphMemVOS"
_TBD = "https://github.com/suhwan-cho/TBD"


def _rde(file: str) -> tuple[Link, ...]:
    return (DriveFolder("1i6GtLPUNZe0h72IfhU2s_WHA7ZuVoudG", file),)


def _xmem(file: str, about: str = "") -> Weights:
    links = (release("hkchengrex/XMem", "v1.0", file), DriveFolder("1QYsog7zNzcxGXTGBzEhMUg8QVJwZB6D1", file))
    return Weights(file, _XMEM_RELEASE + about, links=links)


def _afb_urr(file: str, data: str, pattern: str) -> Weights:
    where = f"huggingface.co/xmlyqing00/AFB-URR, which the README of {_AFB_URR} links: the checkpoint for {data}"
    links = (HubFile("xmlyqing00/AFB-URR", pattern),)
    return Weights(file, f"{where} (its name there is not known here)", links=links, non_commercial=True)


def _entry(card: ModelCard, adapter: str, *aliases: str) -> ModelEntry:
    """The entry of the class `adapter` in the module named like the model."""
    return ModelEntry(card, f"robust_vos_bench.adapters.memory.{card.name}:{adapter}", aliases=aliases)


MODELS = [
    _entry(
        replace(
            _SHARED,
            name="stm",
            title="STM",
            paper="Oh, Lee, Xu, Kim: Video Object Segmentation using Space-Time Memory Networks, ICCV 2019, "
            "arXiv:1904.00607",
            license="CC BY-NC-SA 4.0 (authors' code and weights: non-commercial)",
            url=_STM,
            weights=(
                Weights(
                    "STM_weights.pth",
                    f"the Dropbox link in the README of {_STM}; non-commercial use",
                    links=(Url("https://www.dropbox.com/s/mtfxdr93xc3q55i/STM_weights.pth?dl=1"),),
                    non_commercial=True,
                ),
            ),
            trained_on=("static-images", "youtubevos2018-train", "davis2017-train"),
            late_objects="grouped",
            input_policy="short side to 480, bicubic without antialias (the official code knows DAVIS 480p only and "
            "resizes nothing); zeros to multiples of 16; probabilities bilinear",
            notes="remembers every fifth frame and the one before, reads all of the memory; the official code holds at "
            "most 10 objects and none that comes late: both limits are lifted here",
        ),
        "STMAdapter",
    ),
    _entry(
        replace(
            _SHARED,
            name="mivos",
            title="MiVOS (Mask-Propagation)",
            paper="Cheng, Tai, Tang: Modular Interactive Video Object Segmentation, CVPR 2021, arXiv:2103.07941",
            url=_MIVOS,
            weights=(
                Weights(
                    "propagation_model.pth",
                    f"the Google Drive or OneDrive link (s012) in the README of {_MIVOS}",
                    links=(DriveFile("19dfbVDndFkboGLHESi8DGtuxF1B21Nm8"),),
                ),
                Weights(
                    "propagation_model_s02.pth",
                    f"the link s02 (trained without BL30K) in the README of {_MIVOS}, which does not name the file",
                    links=(DriveFile("12jw9b30o-mh23bXzsL0vp24UVhFko_Py"),),
                ),
            ),
            notes="remembers every fifth frame and the one before, top 50 (YouTube-VOS was published with top_k=20); "
            "without the optional kernelised memory",
        ),
        "MiVOSAdapter",
    ),
    _entry(
        replace(
            _SHARED,
            name="stcn",
            title="STCN",
            paper="Cheng, Tai, Tang: Rethinking Space-Time Networks with Improved Memory Coverage for Efficient Video "
            "Object Segmentation, NeurIPS 2021, arXiv:2106.05210",
            url=_STCN,
            weights=(
                Weights(
                    "stcn.pth",
                    f"the Google Drive link (s012) in the README of {_STCN}",
                    links=(DriveFile("1mRrE0uCI2ktdWlUgapJI_KmgeIiF2eOm"),),
                ),
                Weights(
                    "stcn_s03.pth",
                    f"the link s03 (trained without BL30K) in the README of {_STCN}, which does not name the file",
                    links=(DriveFile("1JllXPJZola0G-g1aUQfXe9nLMBioj-aH"),),
                ),
            ),
            notes="remembers every fifth frame after the last remembered one, top 20; the last frame is not "
            "remembered; the memory grows with the video unless max_memory_frames bounds it; DAVIS 2017 test-dev was "
            "published with mem_every=3",
        ),
        "STCNAdapter",
    ),
    _entry(
        replace(
            _SHARED,
            name="rde",
            title="RDE",
            paper="Li, Hu, Xiong, Zhang, Pan, Liu: Recurrent Dynamic Embedding for Video Object Segmentation, "
            "CVPR 2022, arXiv:2205.03761",
            url=_RDE,
            weights=(
                Weights("model_s012_final.pth", f"{_RDE_FOLDER} (DAVIS)", links=_rde("model_s012_final.pth")),
                Weights(
                    "model_s012_final_yv.pth", f"{_RDE_FOLDER} (YouTube-VOS)", links=_rde("model_s012_final_yv.pth")
                ),
            ),
            notes="memory of constant size, updated every third frame, top 40; YouTube-VOS was published with "
            "mem_every=4, top_k=20 and weights of its own",
        ),
        "RDEAdapter",
    ),
    _entry(
        replace(
            _SHARED,
            name="gsfm",
            title="GSFM",
            paper="Liu, Yu, Wang, Zhao, Wang, Tang, Yang: Global Spectral Filter Memory Network for Video Object "
            "Segmentation, ECCV 2022, arXiv:2210.05567",
            license=_NO_LICENSE,
            url=_GSFM,
            weights=(
                Weights(
                    "GSFM.pth",
                    f"never published: not linked in the README of {_GSFM}; train it there, or ask the authors",
                    published=False,
                ),
            ),
            input_policy="short side to 480, bicubic without antialias; zeros to multiples of 16, over which the FFT "
            "runs too; probabilities bilinear",
            notes="remembers every third frame, top 50",
        ),
        "GSFMAdapter",
    ),
    _entry(
        replace(
            _SHARED,
            name="qdmn",
            title="QDMN",
            paper="Liu, Yu, Yin, Zhao, Zhao, Xia, Yang: Learning Quality-aware Dynamic Memory for Video Object "
            "Segmentation, ECCV 2022, arXiv:2207.07922",
            license=_NO_LICENSE,
            url=_QDMN,
            weights=(
                Weights(
                    "QDMN.pth",
                    f"the Google Drive link in the README of {_QDMN}",
                    links=(DriveFile("1fdiGFGol1ecVowPe6gfRHsRs9zCThFXB"),),
                ),
            ),
            late_objects="grouped",
            notes="remembers the frame before, and every fifth one or later whose masks score well, top 50; the rules "
            "of the official DAVIS loop for all data sets (its YouTube-VOS loop has other thresholds)",
        ),
        "QDMNAdapter",
    ),
    _entry(
        replace(
            _SHARED,
            name="xmem",
            title="XMem",
            paper="Cheng, Schwing: XMem: Long-Term Video Object Segmentation with an Atkinson-Shiffrin Memory Model, "
            "ECCV 2022, arXiv:2207.07115",
            url=_XMEM,
            weights=(
                _xmem("XMem.pth"),
                _xmem("XMem-s012.pth", " (trained on BL30K too)"),
                _xmem("XMem-s2.pth", " (trained on DAVIS and YouTube-VOS only)"),
                _xmem("XMem-no-sensory.pth"),
            ),
            trained_on=("static-images", "youtubevos2019-train", "davis2017-train"),
            input_policy="short side to 480, bilinear without antialias; zeros to multiples of 16; "
            "probabilities bilinear",
            notes="remembers every fifth frame, top 30; the working memory is consolidated into a bounded long-term "
            "memory, a group of objects at a time (the official code shares keys between groups, which goes wrong "
            "after the first consolidation); without autocast, which the official evaluation turns on",
        ),
        "XMemAdapter",
    ),
    _entry(
        replace(
            _SHARED,
            name="hmmn",
            title="HMMN",
            paper="Seong, Oh, Lee, Lee, Lee, Kim: Hierarchical Memory Matching Network for Video Object Segmentation, "
            "ICCV 2021, arXiv:2109.11404",
            license="CC BY-NC-SA 4.0 (authors' code and weights: non-commercial)",
            url=_HMMN,
            weights=(
                Weights(
                    "HMMN_weights.pth",
                    f"the Google Drive link in the README of {_HMMN}; non-commercial use",
                    links=(DriveFile("16vOMm7hIdmC6yL4FlBO4p_miTeUoskt7"),),
                    non_commercial=True,
                ),
            ),
            trained_on=("static-images", "youtubevos2018-train", "davis2017-train"),
            late_objects="grouped",
            input_policy="short side to 480, bicubic without antialias (the official code knows DAVIS 480p only and "
            "resizes nothing); zeros to multiples of 16; probabilities bilinear",
            notes="remembers every fifth frame and the one before at stride 16, the first and the one before at stride "
            "8 and 4; the coarse memory grows with the video unless max_memory_frames bounds it; the code behind the "
            "YouTube-VOS scores was not published",
        ),
        "HMMNAdapter",
    ),
    _entry(
        replace(
            _SHARED,
            name="swem",
            differentiable=False,
            title="SWEM",
            paper="Lin, Yang, Li, Wang, Yuan, Jiang, Liu: SWEM: Towards Real-Time Video Object Segmentation with "
            "Sequential Weighted Expectation-Maximization, CVPR 2022, arXiv:2208.10128",
            license="academic use only, by the README of the authors' code; no licence file",
            url=_SWEM,
            weights=(
                Weights(
                    "SWEM.pth",
                    f"never published: the training code of {_SWEM} writes a file of this name",
                    published=False,
                ),
            ),
            trained_on=("static-images", "youtubevos2019-train", "davis2017-train"),
            input_policy="480 x 864 whatever the frames are, bicubic without antialias; protocol=youtube-vos: "
            "short side to 480, smaller frames as they are, sides to the nearest multiple of 16; logits bilinear to "
            "the frames",
            notes="remembers every frame but the last in 128 bases per object and side, which n_bases sets: memory of "
            "constant size; the first bases are drawn from seed, video and object (the official code draws them from a "
            "global state, so that its results depend on the order of the videos)",
        ),
        "SWEMAdapter",
    ),
    _entry(
        replace(
            _SHARED,
            name="afb_urr",
            differentiable=False,
            title="AFB-URR",
            paper="Liang, Li, Jafari, Chen: Video Object Segmentation with Adaptive Feature Bank and Uncertain-Region "
            "Refinement, NeurIPS 2020, arXiv:2010.07958",
            license="academic use only, by the README of the authors' code; no licence file",
            url=_AFB_URR,
            weights=(
                _afb_urr("AFB-URR_DAVIS17.pth", "DAVIS 2017", "*[Dd][Aa][Vv][Ii][Ss]*"),
                _afb_urr("AFB-URR_YouTubeVOS18.pth", "YouTube-VOS 2018", "*[Yy][Oo][Uu][Tt][Uu][Bb][Ee]*"),
            ),
            trained_on=("static-images", "youtubevos2018-train", "davis2017-train"),
            input_policy="native; frames of 495 lines or more to 495 lines, bicubic with antialias (the authors' rule "
            "for YouTube-VOS; their loop for DAVIS resizes nothing and knows 480p only); zeros to multiples of 16; "
            "scores nearest",
            notes="remembers every frame but the last in banks of features, of the background too, which hold 300,000 "
            "vectors together (budget); ids that appear later are known from the start, and all banks begin again "
            "where an object appears, as in the official loop; YouTube-VOS was published with protocol=youtube-vos "
            "and weights of its own",
        ),
        "AFBURRAdapter",
        "afb-urr",
    ),
    _entry(
        replace(
            _SHARED,
            name="graphmem",
            title="GraphMemVOS",
            paper="Lu, Wang, Danelljan, Zhou, Shen, Van Gool: Video Object Segmentation with Episodic Graph Memory "
            "Networks, ECCV 2020, arXiv:2007.07020",
            license=_NO_LICENSE,
            url=_GRAPHMEM,
            weights=(
                Weights(
                    "main_runfile_graph_memory.pth.tar",
                    f"the Google Drive link in the README of {_GRAPHMEM}",
                    links=(DriveFile("1HO6wlhAYSuBDx4Cnb8efQyLs357ycDz2"),),
                ),
            ),
            trained_on=("static-images", "youtubevos2018-train", "davis2017-train"),
            late_objects="grouped",
            input_policy="height to 480, bilinear with aligned corners; zeros to multiples of 16; probabilities "
            "bilinear",
            notes="reads the first frame, the one before and four spread over the past, each encoded once; holds those "
            "frames that will be looked at again, about three in ten of the video, unless max_memory_frames bounds "
            "them; the published scores were made with flip=true; its messages between memory frames never reach the "
            "output and are left out; published for DAVIS alone",
        ),
        "GraphMemAdapter",
        "graphmemvos",
    ),
    _entry(
        replace(
            _SHARED,
            name="tbd",
            differentiable=False,
            title="TBD",
            paper="Cho, Lee, Lee, Park, Jang, Kim, Lee: Tackling Background Distraction in Video Object Segmentation, "
            "ECCV 2022, arXiv:2207.06953",
            license="MIT (code); the README allows code and models for non-commercial research only",
            url=_TBD,
            weights=(
                Weights(
                    "TBD_davis.pth",
                    f"the Google Drive link (davis) in the README of {_TBD}",
                    links=(DriveFile("1bL5sew3b76XhXe7vlC57gYZSPjkbmaPb"),),
                    non_commercial=True,
                ),
                Weights(
                    "TBD_ytvos.pth",
                    f"the Google Drive link (ytvos) in the README of {_TBD}",
                    links=(DriveFile("1mDHAj5Utih9aNmmexsXzoUGZQzzeb-Tf"),),
                    non_commercial=True,
                ),
            ),
            trained_on=("coco", "davis2017-train"),
            input_policy="short side to 480, bicubic without antialias, unless a given object would have fewer than "
            "1000 pixels; reflected to multiples of 16; probabilities bilinear (ours: the official code does not "
            "enlarge)",
            autocast="off",
            notes="no memory of frames: templates of constant size; matching grows with the square of the resolution",
        ),
        "TBDAdapter",
    ),
]
