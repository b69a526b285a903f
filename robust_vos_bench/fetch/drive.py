"""Files and folders of Google Drive, through gdown: it knows the confirmation page of large files."""

from __future__ import annotations

import contextlib
import logging
import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path

from robust_vos_bench.fetch.links import DriveFile, DriveFolder, Tell
from robust_vos_bench.fetch.problems import FetchError
from robust_vos_bench.system.atomic import make_folder, write_error

_RETRIES = 3
_TOTAL = "total"


class _AnotherFile(Exception):
    """The part that was kept is of a file of another size."""


def receive(link: DriveFile | DriveFolder, part: Path, tell: Tell, timeout: float = 60.0) -> None:
    """Bring a file of Drive to `part`; what arrived before a break is kept beside it, in the folder `<part>.drive`.

    Drive names no version of a file: a part is continued where the size of the whole is as before.
    Raises FetchError with the address and what happened.
    """
    file = link if isinstance(link, DriveFile) else find(link, timeout)
    place = part.with_name(f"{part.name}.drive")
    for last in (False, True):
        make_folder(place)
        try:
            _download(file, place, tell, timeout)
            (place / "file").replace(part)
        except _AnotherFile:
            if last:
                raise FetchError(f"{link.address}: its size changes from answer to answer") from None
            shutil.rmtree(place)
            continue
        except OSError as error:
            raise write_error(part, error) from error
        shutil.rmtree(place, ignore_errors=True)
        return


def forget(part: Path) -> None:
    """Delete what was kept of a download."""
    shutil.rmtree(part.with_name(f"{part.name}.drive"), ignore_errors=True)


def find(link: DriveFolder, timeout: float = 60.0) -> DriveFile:
    """The file of that name in a folder. Raises FetchError, with the names that are there, where there is none."""
    import gdown

    with _explained(link.address), _silent():
        listed = gdown.download_folder(
            id=link.id, output="files", quiet=True, use_cookies=False, skip_download=True, timeout=timeout
        )
    files = {Path(f.path).as_posix(): f.id for f in listed if not isinstance(f, str)}
    fitting = {i for path, i in files.items() if path == link.file or Path(path).name == link.file}
    if len(fitting) != 1:
        there = ", ".join(sorted(files)[:20]) or "nothing"
        how_many = "no file" if not fitting else "several files"
        raise FetchError(f"{link.address}: the folder has {how_many} of the name {link.file!r}; there is {there}")
    return DriveFile(fitting.pop())


def _download(file: DriveFile, place: Path, tell: Tell, timeout: float) -> None:
    import gdown

    noted = place / _TOTAL
    before = int(noted.read_text()) if noted.is_file() else 0

    def reached(done: int, total: int | None) -> None:
        nonlocal before
        if total and before and total != before:
            raise _AnotherFile
        if total and not before:
            before = total
            noted.write_text(str(total))
        tell(done, total or 0)

    with _explained(file.address), _silent():
        gdown.download(
            id=file.id,
            output=str(place / "file"),
            quiet=True,
            use_cookies=False,
            resume=True,
            progress=reached,
            timeout=timeout,
            retries=_RETRIES,
        )


@contextlib.contextmanager
def _explained(address: str) -> Iterator[None]:
    """gdown's errors, and those of the library below it, as ours."""
    import requests
    from gdown.exceptions import DownloadError, FileURLRetrievalError

    try:
        yield
    except FileURLRetrievalError as error:
        said = _said(error)
        raise FetchError(
            f"{address}: Google Drive does not hand out the file now ({said}). Often too many people fetched it "
            "today: try again tomorrow, or open the address in a browser that is signed in to Google"
        ) from error
    except requests.exceptions.ConnectionError as error:
        reason = getattr(error.args[0] if error.args else error, "reason", None) or error
        raise FetchError(f"{address}: the download broke off ({_said(reason).rpartition(': ')[2]})") from error
    except (DownloadError, requests.exceptions.RequestException) as error:
        raise FetchError(f"{address}: the download broke off ({_said(error)})") from error


def _said(error: object) -> str:
    """What Drive's page or the library says, without the library's own advice."""
    text = " ".join(str(error).split())
    text = text.removeprefix("Failed to retrieve file url: ").partition(" You may still be able to access")[0]
    return text.partition(" Check FAQ in ")[0].partition(" The received bytes are kept in")[0].strip() or "no reason"


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """The library's warnings say what our messages say."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.getLogger("urllib3").setLevel(logging.ERROR)
        yield
