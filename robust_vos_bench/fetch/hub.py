"""Files of the Hugging Face Hub: huggingface_hub finds the file and its digest, our own download brings the bytes.

The library's download starts from the beginning after a break; ours goes on. Its settings are honoured: `HF_ENDPOINT`
for a mirror, `HF_TOKEN` or the token of `hf auth login` for repositories that ask for it.
"""

from __future__ import annotations

import re
from fnmatch import fnmatch
from pathlib import Path
from urllib.parse import urlsplit

from robust_vos_bench.fetch.http import receive as receive_http
from robust_vos_bench.fetch.links import HubFile, Tell
from robust_vos_bench.fetch.problems import ChangedError, FetchError
from robust_vos_bench.system.hashes import file_sha256

_SHA256 = re.compile(r"[0-9a-f]{64}")


def receive(link: HubFile, part: Path, tell: Tell, timeout: float = 30.0) -> None:
    """Bring a file of the Hub to `part` and compare it with the digest that the Hub has of it (files of any size that
    matters have one). Raises FetchError with the address and what happened."""
    from huggingface_hub import get_hf_file_metadata, get_token, hf_hub_url

    name = find(link) if "*" in link.file else link.file
    url = hf_hub_url(link.repository, name, repo_type=link.kind, revision=link.revision)
    try:
        facts = get_hf_file_metadata(url, timeout=timeout)
    except Exception as error:  # of the library, or of the one below it, which differs from version to version
        raise FetchError(f"{link.address}: {_explained(error)}") from error
    token = get_token() if urlsplit(facts.location).netloc == urlsplit(url).netloc else None
    receive_http(facts.location, part, tell, timeout, {"Authorization": f"Bearer {token}"} if token else None)
    if facts.etag and _SHA256.fullmatch(facts.etag) and (found := file_sha256(part)) != facts.etag:
        raise ChangedError(
            f"{link.address}: what arrived has sha256 {found}, the Hub says {facts.etag}: damaged on the way"
        )


def find(link: HubFile) -> str:
    """The one file of the repository that fits the pattern. Raises FetchError, with what is there, otherwise."""
    from huggingface_hub import HfApi

    try:
        files = HfApi().list_repo_files(link.repository, repo_type=link.kind, revision=link.revision)
    except Exception as error:  # as above
        raise FetchError(f"{link.address}: {_explained(error)}") from error
    fitting = [file for file in files if fnmatch(file, link.file)]
    if len(fitting) != 1:
        there = ", ".join(sorted(files)[:20]) or "nothing"
        raise FetchError(f"{link.address}: {len(fitting)} files fit {link.file!r}, one is needed; there is {there}")
    return fitting[0]


def _explained(error: Exception) -> str:
    from huggingface_hub import errors

    if isinstance(error, errors.GatedRepoError):
        return (
            "its authors want you to accept their terms first: open the address, accept, then `hf auth login` (or set "
            "HF_TOKEN) and run the same command again"
        )
    if isinstance(error, errors.RepositoryNotFoundError):
        return "no such repository on the Hub, or a private one (`hf auth login` gives access to yours)"
    if isinstance(error, errors.EntryNotFoundError):
        return "the repository has no such file"
    if isinstance(error, errors.OfflineModeIsEnabled):
        return "HF_HUB_OFFLINE forbids the network; unset it to fetch the file"
    first = (str(error) or type(error).__name__).strip().splitlines()[0]
    return f"the Hub cannot be asked ({first})"
