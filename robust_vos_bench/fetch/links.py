"""Where a file lies: an address, a file or folder of Google Drive, or a repository of the Hugging Face Hub."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

Tell = Callable[[int, int], None]
"""Called with (bytes so far, bytes in all or 0)."""


@dataclass(frozen=True)
class Url:
    """A file behind a plain address; redirects are followed."""

    address: str

    @property
    def key(self) -> str:
        """Under which its hash is recorded."""
        return self.address


@dataclass(frozen=True)
class DriveFile:
    """A file of Google Drive: what stands after `/d/` or `id=` in its link."""

    id: str

    @property
    def address(self) -> str:
        """What a person opens."""
        return f"https://drive.google.com/file/d/{self.id}/view"

    @property
    def key(self) -> str:
        """Under which its hash is recorded."""
        return self.address


@dataclass(frozen=True)
class DriveFolder:
    """One file in a shared folder of Google Drive, by its name there (or `sub/name`)."""

    id: str
    file: str

    @property
    def address(self) -> str:
        """What a person opens."""
        return f"https://drive.google.com/drive/folders/{self.id}"

    @property
    def key(self) -> str:
        """Under which its hash is recorded."""
        return f"{self.address}#{self.file}"


@dataclass(frozen=True)
class HubFile:
    """A file in a repository of the Hugging Face Hub.

    file: its path there, or a pattern ("*.pth") that exactly one file of the repository must fit.
    """

    repository: str
    """"owner/name"."""
    file: str
    revision: str = "main"
    kind: str = "model"
    """Of the repository: "model" or "dataset"."""

    @property
    def address(self) -> str:
        """What a person opens."""
        base = f"https://huggingface.co/{'datasets/' if self.kind == 'dataset' else ''}{self.repository}"
        return f"{base}/tree/{self.revision}" if "*" in self.file else f"{base}/blob/{self.revision}/{self.file}"

    @property
    def key(self) -> str:
        """Under which its hash is recorded."""
        return f"{self.address}#{self.file}" if "*" in self.file else self.address


Link = Url | DriveFile | DriveFolder | HubFile


def release(repository: str, tag: str, file: str) -> Url:
    """A file of a GitHub release: ("owner/name", "v1.0", "model.pth")."""
    return Url(f"https://github.com/{repository}/releases/download/{tag}/{file}")


@dataclass(frozen=True)
class Remote:
    """A file that may be fetched: its links in the order in which they are tried, and what its authors say of it."""

    links: tuple[Link, ...]
    sha256: str = ""
    """Hex, where the authors give one; else "" and the first download decides."""
    md5: str = ""
    """The same, for authors who give that."""
