"""Which files take part in a file that is given by its path, and what is loaded after an edit."""

from __future__ import annotations

from pathlib import Path

import pytest

from robust_vos_bench.errors import UsageError
from robust_vos_bench.origin import file_origin, load_module, provided
from robust_vos_bench.system.imports import files_beside


def written(folder: Path, **texts: str) -> Path:
    for name, text in texts.items():
        place = folder.joinpath(*name.split("__")).with_suffix(".py")
        place.parent.mkdir(exist_ok=True, parents=True)
        place.write_text(text)
    return folder / "mine.py"


def test_every_file_beside_that_is_imported_is_found(tmp_path: Path) -> None:
    mine = written(
        tmp_path,
        mine="import os, numpy, one.two\nfrom three import x\nimport mine\ndef f():\n    import late.deep as d\n",
        one__init="",
        one__two="from . import four\nfrom .five import y\nfrom .. import above\nfrom ..three import z\n",
        one__four="import nothing_here\n",
        one__five="from one import four\nimport robust_vos_bench.errors\nimport mine\n",
        three="this is no Python\n",
        late__deep="",
        robust_vos_bench__errors="",
        numpy_like="",
    )
    (tmp_path / "one" / "init.py").rename(tmp_path / "one" / "__init__.py")
    found = [str(file.relative_to(tmp_path)) for file in files_beside(mine, mine.read_bytes())]
    assert found == ["late/deep.py", "one/__init__.py", "one/five.py", "one/four.py", "one/two.py", "three.py"]
    assert files_beside(mine, b"\0") == {} == files_beside(tmp_path / "gone" / "mine.py", b"import one")


def test_an_edited_module_is_loaded_anew_and_has_another_digest(tmp_path: Path) -> None:
    mine = written(tmp_path, mine="from edited_beside import VALUE\n", edited_beside="VALUE = 1\n")
    first = file_origin(mine, "model", "form")
    assert load_module(first).VALUE == 1
    written(tmp_path, edited_beside="VALUE = 23\n")
    second = file_origin(mine, "model", "form")
    assert second.digest != first.digest and second.content == first.content
    assert load_module(second).VALUE == 23 and load_module(first).VALUE == 1


def test_a_process_refuses_other_modules_than_the_plan_was_made_with(tmp_path: Path) -> None:
    mine = written(tmp_path, mine="from changed_beside import VALUE\n", changed_beside="VALUE = 1\n")
    planned = file_origin(mine, "model", "form")
    written(tmp_path, changed_beside="VALUE = 23\n")
    with provided(planned), pytest.raises(UsageError, match=r"edited since the run was begun \(changed_beside\.py\)"):
        load_module(file_origin(mine, "model", "form"))


def test_a_file_alone_is_known_by_its_own_digest(tmp_path: Path) -> None:
    """As before: results of such files are still found."""
    import hashlib

    mine = written(tmp_path, mine="import numpy\nVALUE = 1\n")
    assert file_origin(mine, "model", "form").digest == hashlib.sha256(mine.read_bytes()).hexdigest()
