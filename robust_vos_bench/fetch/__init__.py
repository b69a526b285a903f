"""Files from the internet: named by links, resumed where they broke off, whole and checked or not there at all.

    from robust_vos_bench.fetch import Remote, Url, DriveFile, fetch

    remote = Remote((Url("https://example.org/a.zip"), DriveFile("1AbC...")), md5="...")
    got = fetch(remote, path, root, tell=bar.reached, say=print, check=is_whole_zip)

Links are tried in order. Only a file that passed every check gets its name `path`; its sha256 goes into
`root/downloads.json` and every later download of the link has to equal it. Libraries (gdown, huggingface_hub) are
imported when a link needs them.
"""

from robust_vos_bench.fetch.get import Fetched, fetch, fetched_before, verify_file
from robust_vos_bench.fetch.links import DriveFile, DriveFolder, HubFile, Link, Remote, Url, release
from robust_vos_bench.fetch.offline import OfflineError, is_offline, offline
from robust_vos_bench.fetch.problems import ChangedError, FetchError, UnusableError

__all__ = [
    "ChangedError",
    "DriveFile",
    "DriveFolder",
    "FetchError",
    "Fetched",
    "HubFile",
    "Link",
    "OfflineError",
    "Remote",
    "UnusableError",
    "Url",
    "fetch",
    "fetched_before",
    "is_offline",
    "offline",
    "release",
    "verify_file",
]
