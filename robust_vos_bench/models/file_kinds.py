"""What a file is that should hold weights: told from its bytes, without running anything from it."""

from __future__ import annotations

import io
import pickle
import re
import shlex
import struct
import zipfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from robust_vos_bench.errors import WeightsError

HEAD = 4096
"""Bytes from the start of a file that say what it is."""
_HTML = re.compile(rb"<\s*(!doctype\s+html|html|head|body|\?xml|script|title)\b", re.IGNORECASE)
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|[\x00-\x08\x0b-\x1f\x7f]")
_PACKED = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ\0": "xz",
    b"7z\xbc\xaf\x27\x1c": "7-Zip",
    b"Rar!": "RAR",
    b"\x28\xb5\x2f\xfd": "Zstandard",
}
_OTHERS = {
    b"\x89HDF\r\n\x1a\n": "an HDF5 file (Keras)",
    b"\x93NUMPY": "an array of NumPy (.npy)",
    b"\x89PNG": "a PNG picture",
    b"\xff\xd8\xff": "a JPEG picture",
    b"%PDF": "a PDF document",
    b"GGUF": "a GGUF file of a language model",
    b"\x7fELF": "a program",
    b"MZ\x90": "a program",
    b"SQLite format 3": "an SQLite database",
}
_TF = "; one with a checkpoint of TensorFlow is converted as it is: rvos-bench weights convert FILE"
_AGAIN = "Download it again, and compare its size with what the page of the download says."
_SAVE_TENSORS = (
    "In the program that made the file, save the tensors alone, torch.save(model.state_dict(), 'weights.pth'), "
    "or ask its author for such a file."
)


def _take_out(path: Path) -> str:
    given = shlex.quote(str(path))
    return (
        f"Take the tensors alone out, once: rvos-bench weights convert {given}; then give {given}.safetensors. "
        f"Or: {_SAVE_TENSORS[0].lower()}{_SAVE_TENSORS[1:]}"
    )


def plain(text: object, limit: int = 200) -> str:
    """Text of another library on one line, without control characters and escape codes, cut to `limit`."""
    line = " ".join(_ESCAPES.sub(" ", str(text)).split())
    return line if len(line) <= limit else line[: limit - 3] + "..."


def kind_of(path: Path) -> str:
    """ "safetensors", "zip" (torch's format) or "pickle" (torch's older one), by content and never by suffix.

    Raises WeightsError that says what any other file is and what to do.
    """
    if path.is_dir():
        raise WeightsError(f"{path}: a folder, not a weights file. Give the file in it{_files_in(path)}")
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(HEAD)
    except FileNotFoundError as error:
        raise WeightsError(f"{path}: no such file") from error
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read ({plain(error.strerror or error)})") from error
    if size == 0:
        raise WeightsError(f"{path}: an empty file (0 bytes): the download did not start or was cut off. {_AGAIN}")
    if head.startswith(b"version https://git-lfs"):
        raise WeightsError(
            f"{path}: a pointer of Git LFS ({size} bytes), not the weights themselves. "
            "Run `git lfs pull` in that repository, or download the file from its page"
        )
    if len(head) > 8 and head[8:9] == b"{" and struct.unpack("<Q", head[:8])[0] < 1 << 32:
        return "safetensors"
    if head.startswith(b"PK\x03\x04"):
        _check_zip(path, size)
        return "zip"
    refuse_known(path, head, size)
    if _of_tensorflow(path):
        raise WeightsError(
            f"{path}: a file of a TensorFlow checkpoint, which is converted once: rvos-bench weights convert {path}"
        )
    if head[:1] == b"\x80" and len(head) > 1 and head[1] <= 5:
        return "pickle"
    raise WeightsError(
        f"{path}: not a file of weights ({size} bytes that begin with {head[:8].hex(' ')}). "
        f"Read are torch checkpoints and safetensors. {_AGAIN}"
    )


def _of_tensorflow(path: Path) -> bool:
    """Whether a file is part of a checkpoint of TensorFlow, by its name and what lies beside it."""
    stem, _, end = path.name.rpartition(".")
    return (end in ("index", "meta") or end.startswith("data-")) and (path.with_name(f"{stem}.index")).is_file()


def refuse_known(path: Path, head: bytes, size: int) -> None:
    """Raise WeightsError for the kinds of files that people give instead of weights."""
    if _HTML.match(head.lstrip(b"\xef\xbb\xbf \t\r\n")) or _HTML.match(
        head.replace(b"\0", b"").lstrip(b"\xff\xfe \r\n")
    ):
        title = re.search(rb"<title[^>]*>(.*?)</title>", head, re.IGNORECASE | re.DOTALL)
        named = f" titled {plain(title[1].decode('utf-8', 'replace'), 80)!r}" if title else ""
        raise WeightsError(
            f"{path}: a web page{named}, not weights: the address answered with a page to log in, to confirm or to say "
            "no. Open the address in a browser, download the file there, and give that"
        )
    for magic, name in _PACKED.items():
        if head.startswith(magic):
            raise WeightsError(f"{path}: an archive packed with {name}. Unpack it and give the weights file in it{_TF}")
    if head[257:262] == b"ustar":
        raise WeightsError(f"{path}: a tar archive. Unpack it and give the weights file in it{_TF}")
    for magic, name in _OTHERS.items():
        if head.startswith(magic):
            raise WeightsError(f"{path}: {name}, not weights. Read are torch checkpoints and safetensors")
    if (text := _text(head)) is not None:
        what = "JSON text" if text.lstrip()[:1] in ("{", "[") else "a text file"
        index = " (an index of several files: join them into one first)" if '"weight_map"' in text else ""
        raise WeightsError(f"{path}: {what}, not weights{index}; it begins with {plain(text, 60)!r}. {_AGAIN}")


def _text(head: bytes) -> str | None:
    for encoding in ("utf-16", "utf-8-sig") if head[:2] in (b"\xff\xfe", b"\xfe\xff") else ("utf-8-sig",):
        for cut in range(4):  # a character may be cut at the end
            try:
                text = head[: len(head) - cut].decode(encoding)
            except UnicodeDecodeError:
                continue
            return text if text.strip() and not re.search(r"[\x00-\x08\x0e-\x1a\x1c-\x1f]", text) else None
    return None


def _files_in(folder: Path) -> str:
    try:
        names = sorted(p.name for p in folder.iterdir() if p.suffix in (".pth", ".pt", ".safetensors", ".ckpt", ".bin"))
    except OSError:
        names = []
    return f": {', '.join(names[:5])}" if names else ""


def _check_zip(path: Path, size: int) -> None:
    """Raise WeightsError unless a zip file is whole and one that `torch.save` writes.

    torch itself does not compare checksums: damaged numbers would be loaded without a word.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            infos = archive.infolist()
            names = [info.filename for info in infos]
            if not any(name.endswith("/data.pkl") or name == "data.pkl" for name in names):
                raise WeightsError(f"{path}: {_other_zip(names)}")
            if any("/code/" in name or name.endswith("/constants.pkl") for name in names):
                raise WeightsError(
                    f"{path}: a TorchScript program, which would have to be run. Where it was made: {_SAVE_TENSORS}"
                )
            filled = [info for info in infos if info.file_size and not info.is_dir()]
            damaged = [info.filename for info in filled if not _sound(archive, info)]
    except WeightsError:
        raise
    except zipfile.BadZipFile as error:
        raise WeightsError(
            f"{path}: cut off or damaged: {size} bytes of a zip file without its end. {_AGAIN}"
        ) from error
    except Exception as error:  # zipfile raises several types of its own and of others for damage
        raise WeightsError(f"{path}: damaged ({plain(error)}). {_AGAIN}") from error
    # torch can be told to write no checksums; then none of them fits
    if damaged and len(damaged) < len(filled):
        raise WeightsError(f"{path}: damaged: the checksum of {plain(damaged[0], 60)!r} in it does not fit. {_AGAIN}")


def _sound(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bool:
    try:
        with archive.open(info) as record:
            while record.read(1 << 20):
                pass
    except (zipfile.BadZipFile, EOFError):
        return False
    return True


def _other_zip(names: list[str]) -> str:
    if names and all(name.endswith(".npy") for name in names):
        return "arrays of NumPy (.npz), not a torch checkpoint. Read are torch checkpoints and safetensors"
    shown = ", ".join(plain(name, 60) for name in names[:5]) + (", ..." if len(names) > 5 else "")
    what = f"a zip archive without a checkpoint of torch; it holds {shown or 'nothing'}"
    return f"{what}. Unpack it and give the weights file in it"


# -- pickles that cannot be read -------------------------------------------------------------------------------------


class _Inert(dict[Any, Any]):
    """Stands for any object of a pickle: takes what is put into it and does nothing."""

    origin = ""
    __hash__ = object.__hash__  # type: ignore[assignment]

    def __init__(self, *arguments: Any, **options: Any) -> None:
        if self.origin == "collections.OrderedDict" and arguments:
            super().__init__(arguments[0])
        else:
            super().__init__()

    def __call__(self, *arguments: Any, **options: Any) -> _Inert:
        return _Inert()

    def __setstate__(self, state: object) -> None: ...

    def append(self, item: object) -> None: ...

    def extend(self, items: Iterable[object]) -> None: ...

    def add(self, item: object) -> None: ...


def inert_class(module: str, name: str) -> type:
    """The class that stands for one that a pickle names."""
    return type("Inert", (_Inert,), {"origin": f"{module}.{name}".replace("__builtin__.", "builtins.")})


class _Reader(pickle.Unpickler):
    """Unpickles with inert objects in the place of every class and function: nothing of the file is run."""

    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file, encoding="latin1")
        self.names: dict[str, None] = {}

    def find_class(self, module: str, name: str) -> Any:
        found: Any = inert_class(module, name)
        self.names[found.origin] = None
        return found

    def persistent_load(self, pid: Any) -> Any:
        if isinstance(pid, tuple) and len(pid) > 1 and pid[0] in ("module", b"module"):
            return pid[1]  # the older format writes a module's class with its source
        return _Inert()


_ALLOWED = re.compile(
    r"torch\._utils\._rebuild\w*|torch\._tensor\._rebuild\w*|torch\.(\w*Storage|Size|device|Tensor|Generator)"
    r"|torch\.(b?float\w*|double|half|u?int\w*|long|short|bool|complex\w*|quint\w*|qint\w*|serialization\._get_layout)"
    r"|torch\.storage\.\w+|torch\.nn\.parameter\.(Parameter|Buffer)|torch\.(per_\w+|strided)"
    r"|collections\.(OrderedDict|Counter)|builtins\.(set|bytearray|list|dict|tuple|int|float|bool|str|complex)"
    r"|_codecs\.encode"
)
"""Names that torch reads with `weights_only=True`."""


@dataclass
class Contents:
    """What a pickle holds, as far as it can be told without running it."""

    classes: list[str] = field(default_factory=list)
    """Classes and functions that are no part of tensors, in their order in the file."""
    whole: str = ""
    """The class of the outermost object, where that is no mapping."""
    keys: str = ""
    """The outermost keys, in words."""
    protocol: int = 2
    """Of the pickle; torch reads 2 without running code, and writes it unless it is told otherwise."""


def contents_of(path: Path) -> Contents:
    """Look into the pickle of a torch checkpoint. Never raises for what the file holds."""
    found = Contents()
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                name = next(n for n in archive.namelist() if n.endswith("data.pkl"))
                stream = io.BytesIO(archive.read(name))
        else:
            stream = io.BytesIO(path.read_bytes())
    except Exception:  # a damaged file of any kind
        return found
    start = stream.getvalue()[:2]
    found.protocol = start[1] if start[:1] == b"\x80" and len(start) > 1 else 0
    names: dict[str, None] = {}
    top: object = None
    try:
        for _ in range(4):  # the older format has a magic number, a version and facts of the system before it
            reader = _Reader(stream)
            try:
                top = reader.load()
            finally:
                names.update(reader.names)
            if not isinstance(top, int) and not (isinstance(top, dict) and "little_endian" in top):
                break
    except Exception:  # what was seen until the damage is told
        top = None
    found.classes = [name for name in names if not _ALLOWED.fullmatch(name)]
    if isinstance(top, _Inert) and top.origin != "collections.OrderedDict":
        found.whole = top.origin
    elif isinstance(top, Mapping):
        found.keys = keys_in_words(top, lambda value: value.origin if isinstance(value, _Inert) else "")
    return found


def keys_in_words(mapping: Mapping[Any, Any], class_of: Callable[[Any], str] = lambda value: "", most: int = 12) -> str:
    """ "epoch (int), state_dict (314 entries), args (argparse.Namespace)"."""
    words = []
    for key, value in list(mapping.items())[:most]:
        origin = class_of(value)
        if origin.startswith(("torch._utils._rebuild", "torch._tensor._rebuild")):
            kind = "tensor"
        elif isinstance(value, Mapping) and origin in ("", "collections.OrderedDict"):
            kind = f"{len(value)} entries"
        else:
            kind = origin or type(value).__name__
        words.append(f"{plain(key, 60)} ({plain(kind, 60)})")
    return ", ".join(words) + (f" and {len(mapping) - most} more" if len(mapping) > most else "")


def why_unreadable(path: Path) -> str:
    """What is wrong with a checkpoint that torch does not read as tensors alone, and what to do."""
    found = contents_of(path)
    keys = f" Keys found: {found.keys}." if found.keys else ""
    if found.whole:
        return (
            f"{path}: a whole pickled object of the class {plain(found.whole, 100)}, not a state_dict. "
            f"Reading it would run code from the file, which is never done. {_SAVE_TENSORS}"
        )
    if found.classes:
        shown = ", ".join(plain(name, 100) for name in found.classes[:5]) + (", ..." if len(found.classes) > 5 else "")
        many = len(found.classes) > 1
        return (
            f"{path}: a torch checkpoint that holds, beside tensors, {'objects' if many else 'an object'} of {shown}. "
            f"Reading {'them' if many else 'it'} would run code from the file, which is never done.{keys} "
            f"{_take_out(path)}"
        )
    if found.keys and found.protocol != 2:
        return (
            f"{path}: written with pickle protocol {found.protocol}; torch reads protocol 2, its own, without running "
            f"code.{keys} {_SAVE_TENSORS}"
        )
    if found.keys:
        return f"{path}: a pickle that torch did not write, or a damaged checkpoint.{keys} {_SAVE_TENSORS}"
    return f"{path}: a damaged torch checkpoint: it cannot be read to its end. {_AGAIN}"
