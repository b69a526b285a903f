"""What leaves this machine: packs, leaderboards and reports without its paths, its host and its people.

A run directory keeps everything, so that errors can be looked into and commands repeated. What is made for others has
DIR in place of a folder, FILE in place of a file, HOST and USER in place of names, in every text of it.
"""

from __future__ import annotations

import ast
import getpass
import hashlib
import os
import platform
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, TypeVar, cast

import msgspec
from msgspec import UNSET

from robust_vos_bench.analysis.attacked import SplitRecord
from robust_vos_bench.analysis.result import Result, checksum
from robust_vos_bench.datasets.clips.facts import VIDEO_SUFFIXES
from robust_vos_bench.models.checkpoint import RANDOM
from robust_vos_bench.origin import is_file_spec
from robust_vos_bench.runs.invocation import InvocationRecord
from robust_vos_bench.runs.records import Manifest, ModelRecord, UnitRecord

T = TypeVar("T")
DIR, FILE, HOST, USER, ADDRESS = "DIR", "FILE", "HOST", "USER", "ADDRESS"
_FOLDER_FLAGS = frozenset({"--data-root", "--output", "-o", "--config", "--scratch"})
_SPEC_FLAGS = frozenset({"--model", "-m", "--dataset", "-d", "--corruption", "-c", "--preset", "-p"})
_REST = r"(?:[/\\][^\s'\"<>|,;:)\]}]*)?"
"""What may follow a folder in a path."""
_PATH = re.compile(
    r"(?<![\w.:/\\~])(?:~[\w.-]*|\.{1,2})?[/\\](?![\s/\\])[^\s'\"<>|,;:)\]}]*[^\s'\"<>|,;:)\]}.]"
    r"|(?<![\w.:/\\])[A-Za-z]:[/\\][^\s'\"<>|,;)\]}]+"
    r"|(?<![\w.:/\\])\\\\[^\s'\"<>|,;)\]}]+"
)
"""Absolute paths, and relative ones that say so: `/a/b`, `~/a`, `../a`, `C:\\a`, `\\\\server\\a`."""
_COMMON = frozenset(
    {"root", "user", "admin", "administrator", "ubuntu", "runner", "localhost", "localhost.localdomain"}
)
"""Names of people and machines that say nothing of either."""


class Private:
    """What is private about a run: known from its record and from the machine that shares it."""

    def __init__(self, manifests: Iterable[Manifest]) -> None:
        self._manifests = tuple(manifests)
        self._invocations = [i for m in self._manifests for i in m.invocations]

    @cached_property
    def options(self) -> frozenset[str]:
        """Options of its models whose values are paths."""
        every = (m for manifest in self._manifests for m in manifest.models)
        return frozenset(name for m in every if m.paths is not UNSET for name in m.paths)

    @cached_property
    def _roots(self) -> re.Pattern[str] | None:
        """Folders of data: what lies below them says nothing of where they are."""
        return _any_of((m.dataset.root for m in self._manifests if _deep(m.dataset.root)), "")

    @cached_property
    def _folders(self) -> re.Pattern[str] | None:
        known = {os.path.expanduser("~"), os.getcwd() if _has_folder() else ""}  # noqa: PTH109, PTH111
        for i in self._invocations:
            known |= {i.home, i.folder}
            for word in _paths_in(i):
                known |= {word, str(Path(word).parent)}
        return _any_of(filter(_deep, known), _REST)

    @cached_property
    def _names(self) -> list[tuple[re.Pattern[str], str]]:
        """Words that are replaced in free text: hosts, people, and files that somebody wrote or trained."""
        hosts, users, files = {platform.node()}, {_user()}, set()
        for i in self._invocations:
            hosts.add(i.host)
            users.add(i.user)
            files |= {Path(word).name for word in _paths_in(i) if Path(word).suffix}
        files |= {m.checkpoint for manifest in self._manifests for m in manifest.models if m.own_weights is True}
        hosts |= {host.partition(".")[0] for host in hosts}
        every = [m for manifest in self._manifests for m in manifest.models]
        values = {str(v) for m in every for k, v in m.options.items() if k in self.options and v is not None}
        found = []
        for words, instead in ((values, DIR), (files, FILE), (hosts, HOST), (users, USER)):
            chosen = (w for w in words if len(w) > 2 and w.lower() not in _COMMON)
            pattern = _any_of(chosen, "", r"(?<![\w.-])")
            if pattern is not None:
                found.append((pattern, instead))
        return found

    def text(self, text: str) -> str:
        """A name or sentence without paths."""
        if self._roots is not None:
            text = self._roots.sub(DIR, text)
        if self._folders is not None:
            text = self._folders.sub(DIR, text)
        return _PATH.sub(DIR, text)

    def free_text(self, text: str) -> str:
        """What other code has said, without paths, hosts, people and files of theirs."""
        text = self.text(text)
        for pattern, instead in self._names:
            text = pattern.sub(instead, text)
        return text

    def everywhere(self, content: T) -> T:
        """Any records, with no path in any of their texts: what no rule above has thought of."""
        if isinstance(content, tuple):
            return cast(T, tuple(map(self.everywhere, content)))
        written = msgspec.json.encode(content)
        if b"/" not in written and b"\\" not in written:  # most records: every path has one of them
            return content
        plain = msgspec.to_builtins(content)
        clean = self._walked(plain)
        return content if clean == plain else msgspec.convert(clean, type(content))

    def splits(self, found: tuple[SplitRecord, ...], before: str, name: str) -> tuple[SplitRecord, ...]:
        """Stored splits, with no path in any of their texts. before, name: of the model, which is their source too."""
        plain = msgspec.to_builtins(found)
        for split in plain:
            source = split["made"].get("source")
            if source and source.get("name") == before:
                source["name"] = name
        clean = self._walked(plain)
        return msgspec.convert(clean, tuple[SplitRecord, ...])

    def _walked(self, plain: Any) -> Any:
        if isinstance(plain, str):
            return self.text(plain)
        if isinstance(plain, dict):
            return {self._walked(key): self._walked(value) for key, value in plain.items()}
        return [self._walked(item) for item in plain] if isinstance(plain, (list, tuple)) else plain

    def command(self, words: Iterable[str], strict: bool = True) -> list[str]:
        """A command line. strict: also paths that look like plain words (`-o out`)."""
        found: list[str] = []
        flag = ""
        for word in words:
            name, equals, value = word.partition("=")
            if flag or not word.startswith("-"):
                found.append(self._word(flag, word, strict))
                flag = ""
            elif equals:
                found.append(f"{name}={self._word(name, value, strict)}")
            else:
                found.append(word)
                flag = word if word in _FOLDER_FLAGS | _SPEC_FLAGS | _VALUES else ""
        return found

    def _word(self, flag: str, word: str, strict: bool) -> str:
        private = strict or _looks_private(word)
        if flag in _FOLDER_FLAGS:
            return DIR if private else word
        if flag == "--ray-address":
            return word if word in ("auto", "local") else ADDRESS
        if flag == "--mask":
            frame, equals, _ = word.partition("=")
            return f"{frame}={FILE}" if equals and frame.isdecimal() else FILE
        if flag == "--checkpoint":
            return self._checkpoint(word, strict)
        if flag == "--option":
            return self._option(word)
        if flag in _SPEC_FLAGS:
            return ",".join(self._spec(part, strict) for part in word.split(","))
        return self.text(word)

    def _checkpoint(self, word: str, strict: bool) -> str:
        name, equals, file = word.partition("=")
        if word == RANDOM or file == RANDOM or not (strict or _looks_private(word)):
            return word
        return f"{name}={FILE}" if equals and not _looks_private(name) else FILE

    def _option(self, word: str) -> str:
        name, equals, value = word.partition("=")
        if equals and (name.rpartition(":")[2] in self.options or _looks_private(value)):
            return f"{name}={_stand_in(value)}"
        return self.text(word)

    def _spec(self, word: str, strict: bool) -> str:
        """`ours=path/to/file.py:Class` -> `ours=FILE.py:Class`."""
        label, equals, rest = word.partition("=")
        if not equals or _looks_private(label):
            label, equals, rest = "", "", word
        if is_file_spec(rest) and (strict or _looks_private(rest)):
            return f"{label}{equals}{FILE}.py:{rest.rpartition('.py:')[2]}"
        if rest.endswith(".toml") and (strict or _looks_private(rest)):
            return f"{label}{equals}{FILE}.toml"
        if _is_absolute(rest) or rest.startswith("~") or (strict and Path(rest).suffix.lower() in VIDEO_SUFFIXES):
            return f"{label}{equals}{FILE if Path(rest).suffix else DIR}"
        return self.text(word)

    def call(self, text: str) -> str:
        """A Python call: its strings as the words of a command."""
        notes = [line for line in text.splitlines() if line.startswith("#")]
        if not text:
            return ""
        try:
            tree = ast.parse(text)
        except SyntaxError:
            return self.free_text(text)
        for node in ast.walk(tree):
            if isinstance(node, ast.keyword):
                flag = _KEYWORDS.get(node.arg or "", "")
                for part in ast.walk(node.value):
                    if isinstance(part, ast.Constant) and isinstance(part.value, str):
                        part.value = self._word(flag, part.value, True)
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == _OPENER:
                for part in node.args[1:]:
                    if isinstance(part, ast.Constant):
                        part.value = DIR
        return "\n".join([*notes, ast.unparse(tree)])

    def invocation(self, found: InvocationRecord, strict: bool = True) -> InvocationRecord:
        """One invocation."""
        return msgspec.structs.replace(
            found,
            command=self.command(found.command, strict),
            call=self.call(found.call),
            host="",
            user="",
            home="",
            folder="",
        )

    def model(self, found: ModelRecord) -> ModelRecord:
        """One model: the values of options that are paths become DIR with a digest, which keeps two of them apart; the
        name of somebody's own weights becomes FILE, for their sha256 tells which they are."""
        private = {
            key: value
            for key, value in found.options.items()
            if key in self.options or (isinstance(value, str) and _looks_private(value))
        }
        name = found.name
        for key, value in private.items():
            name = name.replace(f"{key}={value}", f"{key}={_stand_in(str(value))}")
        options = {k: _stand_in(str(v)) if k in private and v is not None else v for k, v in found.options.items()}
        return msgspec.structs.replace(
            found,
            name=self.text(name),
            options=options,
            checkpoint=FILE if found.own_weights is True else found.checkpoint,
            title=self.text(found.title),
            paper=self.text(found.paper),
            license=self.text(found.license),
            input_policy=self.text(found.input_policy),
        )

    def manifest(self, found: Manifest, strict: bool = True) -> Manifest:
        """One manifest, which keeps its schema. strict: see `command`."""
        changes: dict[str, Any] = {}
        if found.invocations_2 is not UNSET:
            changes["invocations_2"] = [self.invocation(i) for i in found.invocations_2]
        if found.command_1 is not UNSET:
            changes["command_1"] = self.command(found.command_1, strict)
        if found.settings_1 is not UNSET:
            changes["settings_1"] = {}
        if found.left_out is not UNSET:
            changes["left_out"] = [self.free_text(text) for text in found.left_out]
        return msgspec.structs.replace(
            found,
            models=[self.model(model) for model in found.models],
            dataset=msgspec.structs.replace(
                found.dataset, name=self.text(found.dataset.name), root="", place=UNSET, masks=UNSET
            ),
            preset=msgspec.structs.replace(
                found.preset, name=self.text(found.preset.name), description=self.text(found.preset.description)
            ),
            **changes,
        )

    def record(self, found: UnitRecord, model: str) -> UnitRecord:
        """One record, under the name of the model that is shown."""
        if found.model == model and not found.error and not found.warnings:
            return found
        return msgspec.structs.replace(
            found,
            model=model,
            error=self.free_text(found.error),
            warnings=tuple(self.free_text(text) for text in found.warnings),
        )


def shareable(result: Result) -> Result:
    """A result without paths, hosts and people; itself where there are none in it.

    The command of a result of an older version is as it was typed: there a plain word (`-o out`) stays.
    """
    private = Private([result.manifest])
    manifest = private.manifest(result.manifest, strict=result.manifest.command_1 is UNSET)
    name = manifest.models[0].name
    records = tuple(private.record(record, name) for record in result.records)
    content = private.everywhere((manifest, records, result.objects))
    attacks = (
        result.attacks
        if result.attacks is UNSET
        else private.splits(result.attacks, result.manifest.models[0].name, name)
    )
    if content == (result.manifest, result.records, result.objects) and attacks == result.attacks:
        return result
    manifest, records, objects = content
    sum_ = checksum(manifest, records, objects, attacks)
    return msgspec.structs.replace(
        result, manifest=manifest, records=records, objects=objects, attacks=attacks, checksum=sum_
    )


_VALUES = frozenset({"--checkpoint", "--mask", "--option", "--ray-address"})
_OPENER = "open_dataset"
_KEYWORDS: Mapping[str, str] = {
    "data_root": "--data-root",
    "output": "--output",
    "model": "--model",
    "dataset": "--dataset",
    "corruption": "--corruption",
    "preset": "--preset",
    "checkpoint": "--checkpoint",
    "mask": "--mask",
    "masks": "--mask",
    "option": "--option",
    "ray_address": "--ray-address",
}
"""Arguments of `run` that hold paths -> their flags."""


def _paths_in(invocation: InvocationRecord) -> Iterator[str]:
    """Absolute paths among the words of a command or the strings of a call."""
    for word in invocation.command:
        for part in re.split(r"[,=]", word):
            path = part.rpartition(".py:")[0] + ".py" if is_file_spec(part) else part
            if _is_absolute(path):
                yield path
    for path in re.findall(r"'([^'\n]+)'", invocation.call):
        path = path.rpartition("=")[2]
        path = path.rpartition(".py:")[0] + ".py" if is_file_spec(path) else path
        if _is_absolute(path):
            yield path


def _is_absolute(path: str) -> bool:
    return PurePosixPath(path).is_absolute() or PureWindowsPath(path).is_absolute()


def _deep(path: str) -> bool:
    """Whether a folder is no root of a file system, which would be found in every path."""
    return _is_absolute(path) and len(PureWindowsPath(path).parts) > 1


def _any_of(words: Iterable[str], after: str, before: str = "") -> re.Pattern[str] | None:
    """One of these, the longest first, as whole words; None where there are none."""
    chosen = sorted({word for word in words if word}, key=len, reverse=True)
    if not chosen:
        return None
    return re.compile(f"{before}(?:{'|'.join(map(re.escape, chosen))})(?![\\w-]){after}")


def _looks_private(word: str) -> bool:
    return "/" in word or "\\" in word or word.startswith("~")


def _stand_in(value: str) -> str:
    """DIR for a value of an option, with four digits that keep two of them apart."""
    if value.startswith(f"{DIR}-") and len(value) == len(DIR) + 5:
        return value
    return f"{DIR}-{hashlib.sha256(value.encode('utf-8', 'surrogateescape')).hexdigest()[:4]}"


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return ""


def _has_folder() -> bool:
    try:
        os.getcwd()  # noqa: PTH109
    except OSError:
        return False
    return True
