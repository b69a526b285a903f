"""The leaderboards of the repository: every result reads back whole, and every file is made again byte by byte."""

from __future__ import annotations

import gzip
import hashlib
import shutil
from pathlib import Path

import msgspec
import pytest

from robust_vos_bench.analysis.result import checksum, read_result, write_result
from robust_vos_bench.api.share import leaderboard
from robust_vos_bench.errors import DataError

BOARDS = Path(__file__).resolve().parents[2] / "leaderboards"
RESULTS = sorted(BOARDS.glob("results/*/*.json.gz"))
OLD = Path(__file__).with_name("result-schema-1.json.gz")
"""`static` on demo under `common`, as the first versions packed it: one environment for the whole run."""


def test_every_page_is_made_again_byte_by_byte(tmp_path: Path) -> None:
    made = shutil.copytree(BOARDS, tmp_path / "boards", ignore=shutil.ignore_patterns("*.csv", "*.json", "*.html"))
    for path in made.glob("*.md"):  # what stands between the markers has to be made anew
        before, _, rest = path.read_text().partition("<!-- rvos-bench:start -->\n")
        path.write_text(f"{before}<!-- rvos-bench:start -->\n{rest[rest.index('<!-- rvos-bench:end -->') :]}")
    pages = leaderboard(output=made)
    files = sorted(p.name for p in BOARDS.iterdir() if p.suffix in (".md", ".csv", ".json"))
    assert len(files) == 3 * len(pages) + 1 and len(pages) >= 5
    assert [name for name in files if (made / name).read_bytes() != (BOARDS / name).read_bytes()] == []


def test_every_result_reads_back_with_its_checksum_and_its_bytes() -> None:
    assert len(RESULTS) >= 50
    for path in (*RESULTS, OLD):
        data = gzip.decompress(path.read_bytes())
        result = read_result(path)
        assert result.checksum == checksum(result.manifest, result.records, result.objects, result.attacks), path
        assert result.checksum == msgspec.json.decode(data)["checksum"], path
        assert msgspec.json.encode(result) == data, path


def test_keys_of_other_versions_are_tolerated_and_edits_are_not(tmp_path: Path) -> None:
    content = msgspec.json.decode(gzip.decompress(OLD.read_bytes()))
    content["manifest"]["dataset"]["licence"] = "unknown to this version"
    content["manifest"]["conditions"][1]["gain"] = 2
    del content["manifest"]["environment"]["cpus"]
    said = [content["manifest"], content["records"], content["facts"]]
    content["checksum"] = hashlib.sha256(msgspec.json.encode(said, order="sorted")).hexdigest()
    path = tmp_path / "other.json.gz"
    path.write_bytes(gzip.compress(msgspec.json.encode(content)))
    result = read_result(path)
    assert result.records == read_result(OLD).records and result.manifest.invocations[0].environment.cpus is None
    write_result(path, result)
    assert read_result(path) == result
    content["manifest"]["dataset"]["licence"] = "edited"
    path.write_bytes(gzip.compress(msgspec.json.encode(content)))
    with pytest.raises(DataError, match="checksum"):
        read_result(path)
