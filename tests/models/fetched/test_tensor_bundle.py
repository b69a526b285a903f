"""Checkpoints of TensorFlow are read without TensorFlow: one that it wrote, others written here, and damaged ones."""

from __future__ import annotations

import base64
import contextlib
import io
import struct
import tarfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from safetensors.numpy import load_file

from robust_vos_bench.api.convert import convert_weights
from robust_vos_bench.errors import WeightsError
from robust_vos_bench.models.checkpoint import read_state
from robust_vos_bench.models.tensor_bundle import MAGIC, read_bundle
from robust_vos_bench.models.tensor_bundle_bytes import crc32c, fields, masked_crc32c, varint

INDEX = base64.b85decode(
    "000IE0U81b0RRaXVJ~-OX=iA3a|i(v3=#qe0ullU0}=uV1SnuN+~4G@009kR2m%rSAYdp6HH-3BKmZ02V=ri7Y-R`(5(E+g2m>H!C<ZlB&)t^*1rcN~X"
    ">N1~2@(Vn0tf{lZYU@<wmD6Y00$CfFJ*0Tba@B?5(W|g5&{SVAeI3&*y@6!00t6fFJf<RYzPVx1QG%W0w9(FC;~NKu+D)13l3*&Z(?C=UvqS2a0m$!03e"
    "tFC<ryX*Pjsp0000100000Mp=MH000000RR910KoF0umAxAXaLIr000000RR910P#3?l+XbP-2o2(000000000000000000000000000000000000000009"
    "X5fizIbN+W"
)
DATA = base64.b85decode(
    "00000004kL0000$002Nh004kM005vs006*1007`X0000%000m{001CC001yS002Ni002-y003Y?003}7004kN004+V0059d005Xl005vt005{#006K-006"
    "i_00000000C)06qXd06qW!00000000310000000062000000009300000000C400000000312LJ#700000"
)
"""What `tf.compat.v1.train.Saver` of TensorFlow 2.21 wrote of the variables in `HELD`."""
HELD: dict[str, NDArray[np.generic]] = {
    "a/weights": np.arange(24, dtype=np.float32).reshape(2, 3, 4),
    "b": np.array(2.5),
    "c/half": np.full(3, 1.5, np.float16),
    "d/int": np.arange(5),
    "e/empty": np.zeros((0, 3), np.float32),
    "f/bool": np.array([True, False]),
    "global_step": np.array(7),
}


def checkpoint(folder: Path, index: bytes = INDEX, data: bytes = DATA, name: str = "model.ckpt-7") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.data-00000-of-00001").write_bytes(data)
    (folder / f"{name}.index").write_bytes(index)
    return folder / f"{name}.index"


def archive(path: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as packed:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            packed.addfile(info, io.BytesIO(content))
    return path


FILES = {
    "feelvos/checkpoint": b'model_checkpoint_path: "model.ckpt-7"',
    "feelvos/._model.ckpt-7.index": b"of a Mac",
    "feelvos/model.ckpt-7.data-00000-of-00001": DATA,
    "feelvos/model.ckpt-7.index": INDEX,
    "feelvos/model.ckpt-7.meta": b"the graph",
}


def assert_held(found: dict[str, NDArray[np.generic]]) -> None:
    assert list(found) == list(HELD)
    for name, wanted in HELD.items():
        assert found[name].dtype == wanted.dtype and found[name].shape == wanted.shape, name
        assert np.array_equal(found[name], wanted), name


def test_what_tensorflow_wrote_is_read(tmp_path: Path) -> None:
    found, left_out = read_bundle(checkpoint(tmp_path))
    assert_held(found)
    assert left_out == []


@pytest.mark.parametrize("end", [".index", ".data-00000-of-00001", "", ".meta", "tar.gz"])
def test_it_is_converted_by_any_of_its_names(tmp_path: Path, end: str) -> None:
    checkpoint(tmp_path / "ckpt")
    (tmp_path / "ckpt" / "model.ckpt-7.meta").write_bytes(b"\0graph")
    given_ = tmp_path / "ckpt" / f"model.ckpt-7{end}"
    if end == "tar.gz":
        given_ = archive(tmp_path / "a.tar.gz", FILES)
    made = convert_weights(given_, output=tmp_path / "out.safetensors")
    assert made.tensors == 7 and made.objects == () and "TensorFlow" in made.how
    assert_held({name: load_file(tmp_path / "out.safetensors")[name] for name in HELD})
    assert float(read_state(tmp_path / "out.safetensors")["b"]) == 2.5


def test_every_damaged_byte_is_found(tmp_path: Path) -> None:
    """Of the index, up to its footer's padding, and of the numbers: an error, or what was held."""
    for part in ("index", "data"):
        whole = INDEX if part == "index" else DATA
        refused = 0
        for at in range(len(whole)):
            damaged = bytes(whole[:at]) + bytes([whole[at] ^ 0x41]) + bytes(whole[at + 1 :])
            try:
                found, _ = read_bundle(checkpoint(tmp_path, **{part: damaged}))
            except WeightsError as error:
                assert str(tmp_path) in str(error)
                refused += 1
            else:
                assert_held(found)
        assert refused >= len(whole) - 80  # the metaindex block and padding are not read


@pytest.mark.parametrize("part", ["index", "data"])
def test_cut_off_files_are_refused(tmp_path: Path, part: str) -> None:
    whole = INDEX if part == "index" else DATA
    for length in (0, 1, 47, len(whole) // 2, len(whole) - 1):
        with pytest.raises(WeightsError):
            read_bundle(checkpoint(tmp_path, **{part: whole[:length]}))


def test_what_lacks_its_numbers_or_holds_several_is_refused(tmp_path: Path) -> None:
    index = checkpoint(tmp_path / "ckpt")
    index.with_name("model.ckpt-7.data-00000-of-00001").unlink()
    with pytest.raises(WeightsError, match=r"its numbers are in model\.ckpt-7\.data-00000-of-00001"):
        convert_weights(index, output=tmp_path / "out.safetensors")
    several = archive(tmp_path / "two.tar.gz", {**FILES, "feelvos/model.ckpt-9.index": INDEX})
    with pytest.raises(WeightsError, match=r"several checkpoints \(feelvos/model.ckpt-7.index, feelvos/model.ckpt-9"):
        convert_weights(several, output=tmp_path / "out.safetensors")
    cut = archive(tmp_path / "cut.tar.gz", FILES)
    cut.write_bytes(cut.read_bytes()[:-40])
    with pytest.raises(WeightsError):
        convert_weights(cut, output=tmp_path / "out.safetensors")
    assert not (tmp_path / "out.safetensors").exists()


def test_names_in_an_archive_lead_nowhere(tmp_path: Path) -> None:
    """Files are unpacked under names of ours, and links are passed over."""
    outside = {f"../../x{name.removeprefix('feelvos')}": content for name, content in FILES.items() if "._" not in name}
    made = convert_weights(archive(tmp_path / "out.tar.gz", outside), output=tmp_path / "o.safetensors")
    assert made.tensors == 7
    assert sorted(p.name for p in tmp_path.iterdir()) == ["o.safetensors", "out.tar.gz"]
    with tarfile.open(tmp_path / "link.tar.gz", "w:gz") as packed:
        info = tarfile.TarInfo("a.index")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
        packed.addfile(info)
    with pytest.raises(WeightsError, match="archive"):
        convert_weights(tmp_path / "link.tar.gz", output=tmp_path / "l.safetensors")


def test_given_as_a_checkpoint_it_says_to_convert(tmp_path: Path) -> None:
    index = checkpoint(tmp_path / "ckpt")
    for path in (index, index.with_name("model.ckpt-7.data-00000-of-00001")):
        with pytest.raises(WeightsError, match="rvos-bench weights convert"):
            read_state(path)
    with pytest.raises(WeightsError, match="rvos-bench weights convert"):
        read_state(archive(tmp_path / "a.tar.gz", FILES))


# -- bytes -----------------------------------------------------------------------------------------------------------


def slow_crc32c(data: bytes) -> int:
    """Bit by bit."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


@pytest.mark.parametrize("length", [0, 1, 9, 4095, 4096, 4097, 12345, 70001])
def test_the_checksum_is_its_definition(length: int) -> None:
    data = np.random.default_rng(length).integers(0, 256, length, np.uint8)
    assert crc32c(data) == slow_crc32c(data.tobytes())


def test_known_checksums() -> None:
    """Of RFC 3720, B.4, and of "123456789"."""
    assert crc32c(np.zeros(32, np.uint8)) == 0x8A9136AA
    assert crc32c(np.full(32, 255, np.uint8)) == 0x62A8AB43
    assert crc32c(np.arange(32, dtype=np.uint8)) == 0x46DD794E
    assert crc32c(np.frombuffer(b"123456789", np.uint8)) == 0xE3069283
    assert masked_crc32c(np.zeros(0, np.uint8)) == 0xA282EAD8


@given(st.integers(0, 2**63))
@settings(max_examples=50, deadline=None)
def test_numbers_of_seven_bits_a_byte(number: int) -> None:
    parts, rest = [], number
    while rest > 127:
        parts.append(rest & 127 | 128)
        rest >>= 7
    data = bytes([*parts, rest])
    assert varint(b"x" + data, 1) == (number, 1 + len(data))


@given(st.binary(max_size=60))
@settings(max_examples=200, deadline=None)
def test_no_message_and_no_index_ends_in_another_error(data: bytes) -> None:
    with contextlib.suppress(ValueError, IndexError, struct.error):  # what `read_index` turns into a WeightsError
        list(fields(data))


@given(st.binary(min_size=40, max_size=120))
@settings(max_examples=100, deadline=None)
def test_any_bytes_before_the_end_of_an_index_are_refused(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    path = tmp_path_factory.mktemp("any") / "x.index"
    path.write_bytes(data + MAGIC)
    with pytest.raises(WeightsError):
        read_bundle(path)
