"""Where data sets come from: archives with a link that needs no form, and what to do where there is none.

The links are copied from the authors' own pages and from the tools that use them; the ids of Google Drive are those in
hkchengrex/XMem (scripts/download_datasets.py), henghuiding/MOSE-api and LingyiHongfd/LVOS (README).
"""

from __future__ import annotations

from dataclasses import dataclass

from robust_vos_bench.fetch import DriveFile, DriveFolder, HubFile, Link, Remote, Url

_DAVIS_2017 = "https://data.vision.ee.ethz.ch/csergi/share/davis/"


@dataclass(frozen=True)
class Extra:
    """A small file that belongs beside what an archive holds."""

    remote: Remote
    file: str
    """Where it goes, under the folder of the archive."""


@dataclass(frozen=True)
class Archive:
    """One archive that can be fetched without a form."""

    remote: Remote
    """The official address first, then mirrors."""
    file: str
    """Its name while it lies under the data root."""
    folder: str
    """Where it is unpacked, under the data root."""
    licence: str = ""
    """What the authors allow, in a few words; "" where their page has to be read."""
    page: str = ""
    """The page of the data set."""
    split: str = ""
    """What is verified after unpacking: "davis2017:trainval"."""
    extras: tuple[Extra, ...] = ()

    @property
    def terms(self) -> str:
        """One clause for people."""
        return f"licence {self.licence}" if self.licence else f"terms: {self.page}"


_DAVIS = "https://davischallenge.org"
_NON_COMMERCIAL = "non-commercial research only"
_YOUTUBE_LICENCE = f"annotations CC BY 4.0, {_NON_COMMERCIAL}"
_MOSE_LICENCE = f"CC BY-NC-SA 4.0, {_NON_COMMERCIAL}"
_LVOS_LICENCE = f"annotations CC BY 4.0, {_NON_COMMERCIAL}"


def _davis(part: str, size: str, *mirrors: Link) -> Archive:
    file = f"DAVIS-2017-{part}-{size}.zip"
    folder = "DAVIS-2017" if part == "trainval" else f"DAVIS-2017-{part}"
    size_name = "" if size == "480p" else f"@{size}"
    links = (Url(_DAVIS_2017 + file), *mirrors)
    return Archive(Remote(links), file, folder, page=_DAVIS, split=f"davis2017:{part}{size_name}")


def _youtube(year: str, split: str, mirror: str) -> Archive:
    return Archive(
        Remote((DriveFile(mirror),)),
        f"YouTubeVOS{year}-{split}.zip",
        f"YouTubeVOS{year}/{split}",
        _YOUTUBE_LICENCE,
        "https://youtube-vos.org/dataset/vos/",
        f"youtubevos{year}:{split}",
    )


def _mose(family: str, split: str, folder_id: str, *mirrors: Link, sha256: str = "") -> Archive:
    name, hub = ("MOSE", "FudanCVL/MOSE") if family == "mose" else ("MOSEv2", "FudanCVL/MOSEv2")
    links: tuple[Link, ...] = (
        HubFile(hub, f"*{split}*.tar.gz", kind="dataset"),
        DriveFolder(folder_id, f"{split}.tar.gz"),
    )
    return Archive(
        Remote((*links, *mirrors), sha256=sha256),
        f"{name}-{split}.tar.gz",
        f"{name}/{split}",
        _MOSE_LICENCE,
        "https://mose.video",
        f"{family}:{split}",
    )


def _lvos(family: str, split: str, archive: str, metas: str) -> Archive:
    folder = "LVOS" if family == "lvos" else "LVOSv2"
    # The README calls the file val_meta.json, the authors' evaluation reads valid_meta.json.
    names = [f"{word}_meta.json" for word in (("valid", "val") if split == "valid" else (split,))]
    meta = Extra(Remote(tuple(DriveFolder(metas, name) for name in names)), f"{split}_meta.json")
    return Archive(
        Remote((DriveFile(archive),)),
        f"{folder}-{split}.zip",
        f"{folder}/{split}",
        _LVOS_LICENCE,
        "https://lingyihongfd.github.io/lvos.github.io/",
        f"{family}:{split}",
        (meta,),
    )


_MOSE_DRIVE, _MOSEV2_DRIVE = "1vChKHzbboP1k6wd6t95guxxURW3nIXBe", "1tb6duuZPrjfuHVvJLcWXItsqde3fup4n"
_LVOS_METAS, _LVOSV2_METAS = "1fOwGggoYNm_GkZIxs68ptHLk4JNF4Ebq", "1EtTW57QfSkUK3Jl1A_m9D120muA7NG4L"

ARCHIVES: dict[str, Archive] = {
    "davis2016": Archive(
        Remote(
            (
                Url("https://graphics.ethz.ch/Downloads/Data/Davis/DAVIS-data.zip"),
                DriveFile("198aRlh5CpAoFz0hfRgYbiNenn_K8DxWD"),
            )
        ),
        "DAVIS-data.zip",
        "DAVIS-2016",
        page=_DAVIS,
        split="davis2016:trainval",
    ),
    "davis2017": _davis("trainval", "480p", DriveFile("1kiaxrX_4GuW6NmiVuKGSGVoKGWjOdp6d")),
    "davis2017@Full-Resolution": _davis("trainval", "Full-Resolution"),
    "davis2017:test-dev": _davis("test-dev", "480p", DriveFile("1fmkxU2v9cQwyb62Tj1xFDdh2p4kDsUzD")),
    "davis2017:test-dev@Full-Resolution": _davis("test-dev", "Full-Resolution"),
    "davis2017:test-challenge": _davis("test-challenge", "480p"),
    "davis2017:test-challenge@Full-Resolution": _davis("test-challenge", "Full-Resolution"),
    "youtubevos2018:valid": _youtube("2018", "valid", "1-QrceIl5sUNTKz7Iq0UsWC6NLZq7girr"),
    "youtubevos2018:valid_all_frames": _youtube("2018", "valid_all_frames", "1yVoHM6zgdcL348cFpolFcEl4IC1gorbV"),
    "youtubevos2019:valid": _youtube("2019", "valid", "1o586Wjya-f2ohxYf9C1RlRH-gkrzGS8t"),
    "youtubevos2019:valid_all_frames": _youtube("2019", "valid_all_frames", "1rWQzZcMskgpEQOZdJPJ7eTmLCBEIIpEN"),
    "youtubevos2019:train": _youtube("2019", "train", "13Eqw0gVK-AO5B-cqvJ203mZ2vzWck9s4"),
    "mose:valid": _mose(
        "mose",
        "valid",
        _MOSE_DRIVE,
        DriveFile("1yFoacQ0i3J5q6LmnTVVNTTgGocuPB_hR"),
        sha256="884baecf7d7e85cd35486e45d6c474dc34352a227ac75c49f6d5e4afb61b331c",
    ),
    "mose:train": _mose(
        "mose", "train", _MOSE_DRIVE, sha256="3f805e66ecb576fdd37a1ab2b06b08a428edd71994920443f70d09537918270b"
    ),
    "mosev2:valid": _mose("mosev2", "valid", _MOSEV2_DRIVE),
    "mosev2:train": _mose("mosev2", "train", _MOSEV2_DRIVE),
    "lvos:valid": _lvos("lvos", "valid", "1msjV2AAKROc-UsXh8lUic2gQpsLKfjQ0", _LVOS_METAS),
    "lvos:test": _lvos("lvos", "test", "1zp8uqiby3o-2jSjZOqQx4ILh-LLqTz-0", _LVOS_METAS),
    "lvos:train": _lvos("lvos", "train", "1pdA1Y7-VE4coj6yacya-kolZs6hKuQpS", _LVOS_METAS),
    "lvosv2:valid": _lvos("lvosv2", "valid", "17Hwc__6i2rpF5e2s5OPqoywNxG5bzlcO", _LVOSV2_METAS),
    "lvosv2:test": _lvos("lvosv2", "test", "1Vp_y8dSUO4ktYmeBFkIQnmAxK6bl3Eyf", _LVOSV2_METAS),
    "lvosv2:train": _lvos("lvosv2", "train", "1-ehpl5s0Fd14WwtT-GmWtIWa_BxZl9D6", _LVOSV2_METAS),
    "vost": Archive(
        Remote((Url("https://tri-ml-public.s3.amazonaws.com/datasets/VOST.zip"),)),
        "VOST.zip",
        "VOST",
        "CC BY-NC-SA 4.0, non-commercial",
        "https://www.vostdataset.org/data.html",
        "vost:val",
    ),
}
"""What `rvos-bench data get` can fetch. Where the authors publish no sha256, it is recorded at the first download."""

_YOUTUBE = """{spec} has no link here that needs no form: its authors give it out after a registration.

 1. Open https://youtube-vos.org/dataset/vos/ and follow the link of the {year} version (a CodaLab page whose
    "Participate" tab lists the files after you register).
 2. Download valid.zip (frames that are scored, first masks, meta.json); for the 30 fps protocol also
    valid_all_frames.zip; for truth that you can score yourself, train.zip.
 3. Unpack them so that this is there:

      {root}/YouTubeVOS{year}/valid/meta.json
      {root}/YouTubeVOS{year}/valid/JPEGImages/<video>/00000.jpg ...
      {root}/YouTubeVOS{year}/valid/Annotations/<video>/00000.png ...
      {root}/YouTubeVOS{year}/valid_all_frames/JPEGImages/<video>/00000.jpg ...   (optional)
      {root}/YouTubeVOS{year}/train/{{meta.json,JPEGImages,Annotations}}            (optional)

 4. Check it: rvos-bench data verify --dataset youtubevos{year}:valid --data-root {root}

The truth of valid is not public: `rvos-bench pack` makes the archive for the evaluation server."""

_SAV = """SA-V has no link that needs no form: its authors show the links after you accept the licence (CC BY 4.0).

 1. Open https://ai.meta.com/datasets/segment-anything-video-downloads/ and download sav_{split}.tar.
 2. Unpack it so that this is there:

      {root}/sav_{split}/sav_{split}.txt
      {root}/sav_{split}/JPEGImages_24fps/<film>/00000.jpg ...
      {root}/sav_{split}/Annotations_6fps/<film>/000/00000.png ...     (one folder per object)

 3. Check it: rvos-bench data verify --dataset sav:{split} --data-root {root}"""


_BURST = """The frames of BURST are TAO's, whose pages ask you to accept terms; its annotations (MIT) have a link.

 1. Download https://omnomnom.vision.rwth-aachen.de/data/BURST/annotations.zip
 2. Get TAO's frames of {split}: https://motchallenge.net/tao_download.php
 3. Unpack both so that this is there:

      {root}/BURST/annotations/{split}/all_classes.json
      {root}/BURST/frames/{split}/<dataset>/<sequence>/frame0001.jpg ...

 4. Check it: rvos-bench check burst:{split} --data-root {root}"""


def instructions(name: str, root: str) -> str | None:
    """What a person has to do to get a split that cannot be downloaded; None for an unknown one."""
    family, _, split = name.partition(":")
    if family in ("youtubevos2018", "youtubevos2019"):
        return _YOUTUBE.format(spec=name, year=family.removeprefix("youtubevos"), root=root)
    if family == "sav":
        return _SAV.format(split=split or "val", root=root)
    if family == "burst":
        return _BURST.format(split=split or "val", root=root)
    return None


def instructed_names() -> tuple[str, ...]:
    """Splits that come with instructions instead of a download."""
    return ("youtubevos2018:train", "sav:val", "sav:test", "burst:val", "burst:test")
