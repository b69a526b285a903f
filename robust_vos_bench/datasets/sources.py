"""Where data sets come from: archives with a public link, and what to do where there is none."""

from __future__ import annotations

from dataclasses import dataclass

from robust_vos_bench.fetch import Remote, Url

_DAVIS_2017 = "https://data.vision.ee.ethz.ch/csergi/share/davis/"


@dataclass(frozen=True)
class Archive:
    """One zip with a direct public link."""

    url: str
    folder: str
    """Where it is unpacked, under the data root."""

    @property
    def file(self) -> str:
        """Name of the zip."""
        return self.url.rsplit("/", 1)[-1]

    @property
    def remote(self) -> Remote:
        """Where it is fetched."""
        return Remote((Url(self.url),))


def _davis(part: str, size: str) -> Archive:
    folder = "DAVIS-2017" if part == "trainval" else f"DAVIS-2017-{part}"
    return Archive(f"{_DAVIS_2017}DAVIS-2017-{part}-{size}.zip", folder)


ARCHIVES: dict[str, Archive] = {
    "davis2016": Archive("https://graphics.ethz.ch/Downloads/Data/Davis/DAVIS-data.zip", "DAVIS-2016"),
    "davis2017": _davis("trainval", "480p"),
    "davis2017@Full-Resolution": _davis("trainval", "Full-Resolution"),
    "davis2017:test-dev": _davis("test-dev", "480p"),
    "davis2017:test-dev@Full-Resolution": _davis("test-dev", "Full-Resolution"),
    "davis2017:test-challenge": _davis("test-challenge", "480p"),
    "davis2017:test-challenge@Full-Resolution": _davis("test-challenge", "Full-Resolution"),
}
"""What `rvos-bench data get` can download. The authors publish no sha256: it is recorded at the first download."""

_YOUTUBE = """YouTube-VOS {year} has no direct link: its authors give it out after a registration.

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

_FOLDER = """{name} has no direct link that can be fetched without a browser; see {page}.
Unpack the split that has masks so that this is there:

      {root}/{folder}JPEGImages/<video>/00000.jpg ...
      {root}/{folder}Annotations/<video>/00000.png ...

Then use it as --dataset {spec} --data-root {root}
Check it: rvos-bench data verify --dataset {spec} --data-root {root}"""

_PLAIN = {
    "mose": ("MOSE", "https://henghuiding.com/MOSE/", "MOSE", "valid/", "folder:valid"),
    "lvos": ("LVOS", "https://lingyihongfd.github.io/lvos.github.io/", "LVOS", "valid/", "folder:valid"),
    "vost": ("VOST", "https://www.vostdataset.org/", "VOST", "", "folder:val"),
}


def instructions(name: str, root: str) -> str | None:
    """What a person has to do to get a data set that cannot be downloaded; None for an unknown one."""
    if name.startswith("youtubevos"):
        return _YOUTUBE.format(year=name.removeprefix("youtubevos")[:4], root=root)
    if name in _PLAIN:
        title, page, place, folder, spec = _PLAIN[name]
        return _FOLDER.format(name=title, page=page, root=f"{root}/{place}", folder=folder, spec=spec)
    return None


def instructed_names() -> tuple[str, ...]:
    """Data sets that come with instructions instead of a download."""
    return ("youtubevos2018", "youtubevos2019", *_PLAIN)
