"""Reading masks: every kind of PNG as Pillow reads it, and damage as an error that names the file."""

from __future__ import annotations

import io
import struct
import zlib
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from helpers.scoring.clips import make_truth, write_palette
from robust_vos_bench.errors import DataError
from robust_vos_bench.scoring import PackedTruth
from robust_vos_bench.scoring.backends import CompiledCounter, Counter, make_counter
from robust_vos_bench.scoring.geometry import Geometry
from robust_vos_bench.scoring.png import read_index

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def paeth(left: int, up: int, corner: int) -> int:
    p = left + up - corner
    distances = [abs(p - left), abs(p - up), abs(p - corner)]
    return (left, up, corner)[distances.index(min(distances))]


def filtered(mask: np.ndarray, methods: list[int]) -> bytes:
    """Rows of an 8-bit image under the given row filters, pixel by pixel from the definition."""
    out = bytearray()
    for y, method in enumerate(methods):
        out.append(method)
        for x in range(mask.shape[1]):
            left = int(mask[y, x - 1]) if x else 0
            up = int(mask[y - 1, x]) if y else 0
            corner = int(mask[y - 1, x - 1]) if x and y else 0
            guess = (0, left, up, (left + up) // 2, paeth(left, up, corner))[method]
            out.append((int(mask[y, x]) - guess) & 255)
    return bytes(out)


def make_png(
    mask: np.ndarray,
    methods: list[int],
    *,
    palette: bool = True,
    level: int = 6,
    strategy: int = zlib.Z_DEFAULT_STRATEGY,
    wbits: int = 15,
    pieces: int = 1,
    extra: bytes = b"",
) -> bytes:
    deflate = zlib.compressobj(level, zlib.DEFLATED, wbits, 9, strategy)
    stream = deflate.compress(filtered(mask, methods)) + deflate.flush()
    cuts = np.linspace(0, len(stream), pieces + 1).astype(int)
    head = struct.pack(">IIBBBBB", mask.shape[1], mask.shape[0], 8, 3 if palette else 0, 0, 0, 0)
    parts = [chunk(b"IHDR", head), extra]
    if palette:
        parts.append(chunk(b"PLTE", bytes(range(256)) * 3))
    parts += [chunk(b"IDAT", stream[a:b]) for a, b in pairwise(cuts)]
    return b"".join([SIGNATURE, *parts, chunk(b"IEND", b"")])


def labels(rng: np.random.Generator, size: tuple[int, int], kind: str) -> np.ndarray:
    if kind == "noise":
        return rng.integers(0, 256, size).astype(np.uint8)
    mask = np.zeros(size, np.uint8)
    for _ in range(int(rng.integers(0, 6))):
        y, x = rng.integers(size[0]), rng.integers(size[1])
        mask[y : y + rng.integers(1, 30), x : x + rng.integers(1, 60)] = rng.integers(0, 256)
    if kind == "ramp":
        mask += np.arange(size[1], dtype=np.uint8)[None]
    return mask


def planes(counter: Counter, path: Path, table: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, int]:
    """What a counter makes of a file: the planes, dense, and the stray label."""
    stray = counter.load_file(path, table)
    assert isinstance(counter, CompiledCounter)
    bits = np.unpackbits(counter._planes.view(np.uint8), axis=-1, bitorder="little")[..., : size[1]]
    return bits.astype(bool), stray


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    st.tuples(st.integers(1, 40), st.integers(1, 200)),
    st.sampled_from(["noise", "boxes", "ramp"]),
    st.sampled_from(["random", "none", "sub", "up", "average", "paeth"]),
    st.booleans(),
    st.sampled_from([0, 1, 6, 9]),
    st.sampled_from([zlib.Z_DEFAULT_STRATEGY, zlib.Z_HUFFMAN_ONLY, zlib.Z_RLE, zlib.Z_FIXED]),
    st.sampled_from([9, 15]),
    st.integers(1, 4),
    st.integers(0, 2**32 - 1),
)
def test_plain_pngs_are_read_as_pillow_reads_them(
    tmp_path_factory: pytest.TempPathFactory,
    size: tuple[int, int],
    kind: str,
    method: str,
    palette: bool,
    level: int,
    strategy: int,
    wbits: int,
    pieces: int,
    seed: int,
) -> None:
    rng = np.random.default_rng(seed)
    mask = labels(rng, size, kind)
    fixed = {"none": 0, "sub": 1, "up": 2, "average": 3, "paeth": 4}
    methods = rng.integers(0, 5, size[0]).tolist() if method == "random" else [fixed[method]] * size[0]
    data = make_png(
        mask, methods, palette=palette, level=level, strategy=strategy, wbits=wbits, pieces=pieces,
        extra=chunk(b"tEXt", b"a\0b"),
    )  # fmt: skip
    assert np.array_equal(np.array(Image.open(io.BytesIO(data))), mask)
    path = tmp_path_factory.getbasetemp() / "mask.png"
    path.write_bytes(data)
    assert np.array_equal(read_index(path, size), mask)
    counter = CompiledCounter(Geometry(*size), 2)
    table = np.zeros(256, np.uint8)
    table[rng.integers(1, 256, 20)] = 1
    table[[7, 9]] = 2
    strays = rng.integers(1, 256, 2)
    table[strays] = 255
    found, stray = planes(counter, path, table, size)
    assert np.array_equal(found[0], table[mask] == 1)
    assert np.array_equal(found[1], table[mask] == 2)
    assert stray == max([int(i) for i in strays if (mask == i).any()], default=0)
    # The compiled reader itself took it, unless it is noise with more runs than it keeps.
    data8 = np.zeros(len(data) + 32, np.uint8)
    data8[: len(data)] = np.frombuffer(data, np.uint8)
    status = counter._kernels.read_png(
        data8, len(data), size[1], counter._runs, counter._rows, table, counter._planes, counter._boxes
    )
    assert status == stray


def test_noise_with_more_runs_than_kept_falls_to_the_slow_reader(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    mask = rng.integers(0, 2, (300, 400)).astype(np.uint8)
    (tmp_path / "a.png").write_bytes(make_png(mask, [0] * 300))
    counter = CompiledCounter(Geometry(300, 400), 1)
    table = np.zeros(256, np.uint8)
    table[1] = 1
    found, stray = planes(counter, tmp_path / "a.png", table, (300, 400))
    assert np.array_equal(found[0], mask == 1)
    assert stray == 0


@pytest.mark.parametrize("interlace", [False, True])
@pytest.mark.parametrize(
    ("mode", "bits"), [("1", 1), ("P", 1), ("P", 2), ("P", 4), ("L", 2), ("L", 4), ("L", 8), ("P", 8)]
)
def test_other_depths_and_interlacing_as_pillow(
    mode: str, bits: int, interlace: bool, tmp_path: Path, backend: str
) -> None:
    rng = np.random.default_rng(bits)
    size = (21, 37)
    mask = rng.integers(0, 1 << bits, size).astype(np.uint8)
    kind = 3 if mode == "P" else 0
    rows = b""
    for y0, dy, x0, dx in _passes(interlace):
        part = mask[y0::dy, x0::dx]
        if part.size:
            shifted = np.unpackbits(part[..., None], axis=-1)[..., 8 - bits :].reshape(len(part), -1)
            rows += b"".join(b"\0" + np.packbits(line).tobytes() for line in shifted)
    head = struct.pack(">IIBBBBB", size[1], size[0], bits, kind, 0, 0, int(interlace))
    palette = chunk(b"PLTE", bytes(range(3 << bits if bits < 8 else 256)) * (1 if bits < 8 else 3)) if kind else b""
    data = SIGNATURE + chunk(b"IHDR", head) + palette + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    expected = np.array(Image.open(io.BytesIO(data))).astype(np.uint8)
    path = tmp_path / "mask.png"
    path.write_bytes(data)
    assert np.array_equal(read_index(path), expected)
    counter = make_counter(backend, Geometry(*size), 1)
    top = int(expected.max())
    table = np.where(np.arange(256) == top, 1, 0).astype(np.uint8)
    counter.load_file(path, table)
    counts = np.zeros((1, 7), np.int64)
    counter.count(counter.crop(), counts)
    assert counts[0, 0] == (expected == top).sum()


def _passes(interlace: bool) -> list[tuple[int, int, int, int]]:
    if not interlace:
        return [(0, 1, 0, 1)]
    return [(0, 8, 0, 8), (0, 8, 4, 8), (4, 8, 0, 4), (0, 4, 2, 4), (2, 4, 0, 2), (0, 2, 1, 2), (1, 2, 0, 1)]


def load(path: Path, backend: str, size: tuple[int, int] = (30, 50)) -> int:
    packed = PackedTruth(make_truth([np.ones(size, np.uint8)] * 3))
    return make_counter(backend, Geometry(*size), 1).load_file(path, packed.prediction_table)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.integers(0, 10**6), st.integers(1, 255), st.sampled_from(["numpy", "numba"]))
def test_one_changed_byte_is_never_mis_scored(
    tmp_path_factory: pytest.TempPathFactory, position: int, change: int, backend: str
) -> None:
    mask = np.zeros((30, 50), np.uint8)
    mask[5:20, 7:33] = 1
    data = bytearray(make_png(mask, [0, 2] * 15))
    data[position % len(data)] ^= change
    path = tmp_path_factory.getbasetemp() / "damaged.png"
    path.write_bytes(bytes(data))
    with pytest.raises(DataError, match=r"damaged\.png"):
        load(path, backend)


@pytest.mark.parametrize("keep", [0, 4, 8, 20, 33, 60, -1, -5, -12, -13, -16])
def test_truncated_files(keep: int, tmp_path: Path, backend: str) -> None:
    mask = np.zeros((30, 50), np.uint8)
    mask[5:20, 7:33] = 1
    path = tmp_path / "00003.png"
    path.write_bytes(make_png(mask, [4] * 30)[:keep])
    with pytest.raises(DataError, match=r"00003\.png"):
        load(path, backend)


def test_wrong_adler_short_and_long_streams(tmp_path: Path, backend: str) -> None:
    """Chunks whose own checksums fit around image data that do not."""
    raw = filtered(np.ones((30, 50), np.uint8), [0] * 30)
    good = zlib.compress(raw)
    streams = {
        "adler": good[:-1] + bytes([good[-1] ^ 1]),
        "short": zlib.compress(raw[:-7]),
        "long": zlib.compress(raw + b"\0" * 7),
        "cut": good[:-6],
        "junk": b"\x78\x9c" + b"\xff" * 40,
        "filter": zlib.compress(b"\x07" + raw[1:]),
    }
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 50, 30, 8, 3, 0, 0, 0)) + chunk(b"PLTE", bytes(768))
    for name, stream in streams.items():
        path = tmp_path / f"{name}.png"
        path.write_bytes(SIGNATURE + head + chunk(b"IDAT", stream) + chunk(b"IEND", b""))
        with pytest.raises(DataError, match=f"{name}.png: damaged PNG"):
            load(path, backend)


@pytest.mark.parametrize(
    ("mode", "words"),
    [("RGB", "an RGB image"), ("RGBA", "an RGBA image"), ("LA", "a grey with alpha image"), ("I;16", "a 16-bit image")],
)
def test_images_that_are_no_masks(mode: str, words: str, tmp_path: Path, backend: str) -> None:
    Image.new(mode, (50, 30)).save(tmp_path / "x.png")
    with pytest.raises(DataError, match=rf"x\.png: {words}"):
        load(tmp_path / "x.png", backend)


def test_files_that_are_no_pngs(tmp_path: Path, backend: str) -> None:
    Image.new("L", (50, 30)).save(tmp_path / "a.jpg")
    (tmp_path / "a.jpg").rename(tmp_path / "a.png")
    with pytest.raises(DataError, match=r"a\.png: not a PNG file"):
        load(tmp_path / "a.png", backend)
    with pytest.raises(DataError, match=r"b\.png: no such mask"):
        load(tmp_path / "b.png", backend)
    (tmp_path / "c.png").mkdir()
    with pytest.raises(DataError, match=r"c\.png: cannot be read"):
        load(tmp_path / "c.png", backend)


def test_a_large_file_is_read_whole(tmp_path: Path) -> None:
    """Larger than the work space at first: stored blocks."""
    mask = np.zeros((400, 500), np.uint8)
    mask[40:300, 30:400] = 1
    (tmp_path / "a.png").write_bytes(make_png(mask, [0] * 400, level=0))
    assert (tmp_path / "a.png").stat().st_size > 1 << 17
    counter = CompiledCounter(Geometry(400, 500), 1)
    table = np.full(256, 255, np.uint8)
    table[:2] = [0, 1]
    for _ in range(2):
        found, stray = planes(counter, tmp_path / "a.png", table, (400, 500))
        assert stray == 0
        assert np.array_equal(found[0], mask == 1)


def test_what_pillow_writes_is_read_by_the_compiled_reader(tmp_path: Path) -> None:
    mask = np.zeros((60, 90), np.uint8)
    mask[10:40, 20:70] = 3
    counter = CompiledCounter(Geometry(60, 90), 1)
    table = np.zeros(256, np.uint8)
    table[3] = 1
    write_palette(tmp_path / "p.png", mask)
    Image.fromarray(mask).save(tmp_path / "l.png")
    for name in ("p.png", "l.png"):
        size = counter._read(tmp_path / name)
        kernels, work = counter._kernels, (counter._runs, counter._rows)
        assert kernels.read_png(counter._data, size, 90, *work, table, counter._planes, counter._boxes) == 0
        assert counter._boxes[0].tolist() == [1500, 10, 40, 20, 70]
