"""The loopback plays the internet: a proxy that answers for github.com, Google Drive and the Hub, with encryption.

Code under test runs unchanged, with its real addresses: `HTTPS_PROXY` and the usual variables for certificates lead it
here, so that gdown, huggingface_hub and our own download take the way that they take in production.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.server
import json
import os
import ssl
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

HERE = Path(__file__).parent
CERTIFICATES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
PROXIES = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy")
LIBRARIES = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_ENDPOINT", "HF_TOKEN", "RVOS_BENCH_OFFLINE")


@dataclass
class Request:
    """What was asked for."""

    method: str
    host: str
    path: str
    """Without the query."""
    query: dict[str, str]
    headers: dict[str, str]
    """Names in lower case."""


@dataclass
class Answer:
    """What a host answers."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    break_after: int | None = None
    """Close the connection after so many bytes of the body."""
    length: int | None = None
    """What Content-Length says, where that is a lie."""


Host = Callable[[Request], Answer]


class Internet:
    """Hosts by name; every request is kept in `requests`. An unknown host cannot be reached."""

    def __init__(self) -> None:
        self.hosts: dict[str, Host] = {}
        self.requests: list[Request] = []
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(HERE / "loopback.pem")
        internet = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            host = ""

            def do_CONNECT(self) -> None:
                self.host = self.path.partition(":")[0]
                if self.host not in internet.hosts:
                    self.send_error(502, f"no such host {self.host}")
                    return
                self.send_response(200)
                self.end_headers()
                plain = self.connection
                try:
                    self.connection = context.wrap_socket(plain, server_side=True)
                except (OSError, ssl.SSLError):
                    self.close_connection = True
                    return
                self.rfile = self.connection.makefile("rb")
                self.wfile = self.connection.makefile("wb", 0)  # type: ignore[assignment]
                self.close_connection = False

            def answer(self) -> None:
                parts = urlsplit(self.path)
                host = self.host or self.headers.get("Host", "").partition(":")[0]
                request = Request(
                    self.command,
                    host,
                    parts.path,
                    {name: values[0] for name, values in parse_qs(parts.query).items()},
                    {name.lower(): value for name, value in self.headers.items()},
                )
                internet.requests.append(request)
                self.close_connection = True
                with contextlib.suppress(OSError):
                    answer = internet.hosts[host](request)
                    body = b"" if self.command == "HEAD" else answer.body
                    self.send_response(answer.status)
                    for name, value in answer.headers.items():
                        self.send_header(name, value)
                    length = len(answer.body) if answer.length is None else answer.length
                    self.send_header("Content-Length", str(length))
                    self.send_header("Connection", "close")
                    self.end_headers()
                    self.wfile.write(body[: answer.break_after])

            do_GET = do_HEAD = answer

            def finish(self) -> None:
                with contextlib.suppress(OSError, ValueError):
                    super().finish()
                if isinstance(self.connection, ssl.SSLSocket):
                    self.rfile.close()
                    self.wfile.close()
                    with contextlib.suppress(OSError):
                        self.connection.unwrap()
                    self.connection.close()

            def log_message(self, *words: object) -> None:
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request: object, client_address: object) -> None:
                pass  # clients that go away in the middle are part of the tests

        self.server = Server(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self.thread.start()

    @property
    def environment(self) -> dict[str, str]:
        """Variables that lead a process here."""
        address = f"http://127.0.0.1:{self.server.server_address[1]}"
        authority = str(HERE / "authority.pem")
        return {
            **dict.fromkeys(PROXIES, address),
            **dict.fromkeys(CERTIFICATES, authority),
            "NO_PROXY": "",
            "no_proxy": "",
            "HF_HUB_DISABLE_TELEMETRY": "1",
        }

    def to(self, host: str) -> list[Request]:
        """The requests to one host."""
        return [request for request in self.requests if request.host == host]

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@contextlib.contextmanager
def internet() -> Iterator[Internet]:
    """The internet of a test, for this process and those that it starts."""
    made = Internet()
    names = {*made.environment, *LIBRARIES}
    before = {name: os.environ.get(name) for name in names}
    for name in names:
        os.environ.pop(name, None)
    os.environ.update(made.environment)
    _new_session()
    try:
        yield made
    finally:
        _new_session()
        made.stop()
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _new_session() -> None:
    """huggingface_hub keeps one connection, and with it the proxy of the first test."""
    if "huggingface_hub" in sys.modules:
        sys.modules["huggingface_hub"].close_session()


def file_answer(request: Request, body: bytes, headers: dict[str, str] | None = None, **more: Any) -> Answer:
    """A file as ordinary servers hand it out: ranges, and `If-Range` by the ETag among `headers`."""
    headers = {"Content-Type": "application/octet-stream", "Accept-Ranges": "bytes", **(headers or {})}
    wanted, condition = request.headers.get("range"), request.headers.get("if-range")
    if not wanted or (condition and condition not in headers.values()):
        return Answer(body, headers=headers, **more)
    start = int(wanted.removeprefix("bytes=").rstrip("-"))
    if start >= len(body):
        return Answer(b"", 416, {"Content-Range": f"bytes */{len(body)}"})
    headers["Content-Range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
    return Answer(body[start:], 206, headers, **more)


class Files:
    """A host with files by path; `broken` closes the connection after so many bytes of every answer."""

    def __init__(self, files: dict[str, bytes], broken: int | None = None) -> None:
        self.files, self.broken = files, broken

    def __call__(self, request: Request) -> Answer:
        body = self.files.get(request.path)
        if body is None:
            return Answer(b"not found", 404)
        etag = f'"{hashlib.md5(body).hexdigest()}"'
        return file_answer(request, body, {"ETag": etag}, break_after=self.broken)


PAGE = b"<!DOCTYPE html><html><head><title>%s</title></head><body>%s</body></html>"


class Drive:
    """Google Drive: files by id, behind the confirmation page of large files; folders list files by name.

    Answers for drive.google.com, docs.google.com and drive.usercontent.google.com, as Drive does in 2026.
    """

    def __init__(self, files: dict[str, tuple[str, bytes]], folders: dict[str, dict[str, str]] | None = None) -> None:
        self.files, self.folders = files, folders or {}
        """id -> (name, content); id -> {name: id}."""
        self.confirm = True
        self.quota = False
        self.broken: int | None = None

    def install(self, net: Internet) -> None:
        for host in ("drive.google.com", "docs.google.com", "drive.usercontent.google.com"):
            net.hosts[host] = self

    def __call__(self, request: Request) -> Answer:
        page = {"Content-Type": "text/html; charset=utf-8"}
        if request.path == "/embeddedfolderview":
            rows = "".join(
                f'<a href="https://drive.google.com/file/d/{i}/view">{name}</a>'
                for name, i in self.folders.get(request.query["id"], {}).items()
            )
            return Answer(PAGE % (b"weights", rows.encode()), headers=page)
        name, body = self.files.get(request.query.get("id", ""), ("", b""))
        if not name:
            return Answer(PAGE % (b"Error 404 (Not Found)", b"Sorry, the file does not exist."), 404, page)
        if self.quota:
            said = (
                b'<p class="uc-error-caption">Sorry, you can\'t view or download this file at this time.</p>'
                b'<p class="uc-error-subcaption">Too many users have viewed or downloaded this file recently.</p>'
            )
            return Answer(PAGE % (b"Google Drive - Quota exceeded", said), headers=page)
        if self.confirm and request.query.get("confirm") != "t":
            form = (
                '<form id="download-form" action="https://drive.usercontent.google.com/download" method="get">'
                f'<input type="hidden" name="id" value="{request.query["id"]}">'
                '<input type="hidden" name="export" value="download"><input type="hidden" name="confirm" value="t">'
                "</form>"
            )
            return Answer(PAGE % (b"Google Drive - Virus scan warning", form.encode()), headers=page)
        headers = {"Content-Disposition": f'attachment; filename="{name}"', "Last-Modified": _DATE}
        return file_answer(request, body, headers, break_after=self.broken)


_DATE = "Wed, 21 Oct 2025 07:28:00 GMT"


class Hub:
    """The Hugging Face Hub: repositories with files, whose bytes come from another host by redirect."""

    STORE = "cas-bridge.xethub.hf.co"

    def __init__(self, repositories: dict[str, dict[str, bytes]]) -> None:
        self.repositories = repositories
        self.gated = False
        self.broken: int | None = None
        self.sha256: dict[str, str] = {}
        """Digests that the Hub tells instead of the right ones."""

    def install(self, net: Internet) -> None:
        net.hosts["huggingface.co"] = self
        net.hosts[self.STORE] = self.store

    def __call__(self, request: Request) -> Answer:
        commit = "0123456789abcdef0123456789abcdef01234567"
        words = request.path.strip("/").split("/")
        if words[0] == "datasets":
            words = words[1:]
        if words[:2] in (["api", "models"], ["api", "datasets"]):
            return self._listed("/".join(words[2:4]), commit)
        repository, name = "/".join(words[:2]), "/".join(words[4:])
        if self.gated and request.headers.get("authorization") != "Bearer hf_good":
            return Answer(b"gated", 403, {"X-Error-Code": "GatedRepo"})
        body = self.repositories.get(repository, {}).get(name)
        if repository not in self.repositories:
            return Answer(b"", 404, {"X-Error-Code": "RepoNotFound"})
        if body is None:
            return Answer(b"", 404, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": commit})
        digest = self.sha256.get(name) or hashlib.sha256(body).hexdigest()
        return Answer(
            b"",
            302,
            {
                "Location": f"https://{self.STORE}/{repository}/{name}?signature=abc",
                "X-Repo-Commit": commit,
                "X-Linked-Etag": f'"{digest}"',
                "X-Linked-Size": str(len(body)),
            },
        )

    def _listed(self, repository: str, commit: str) -> Answer:
        if repository not in self.repositories:
            return Answer(b"{}", 404, {"X-Error-Code": "RepoNotFound", "Content-Type": "application/json"})
        files = [
            {"type": "file", "oid": "0" * 40, "size": len(body), "path": name}
            for name, body in self.repositories[repository].items()
        ]
        return Answer(json.dumps(files).encode(), headers={"Content-Type": "application/json"})

    def store(self, request: Request) -> Answer:
        owner, repository, name = request.path.strip("/").split("/", 2)
        body = self.repositories[f"{owner}/{repository}"][name]
        assert "authorization" not in request.headers, "a token must not go to another host"
        return file_answer(request, body, {"ETag": f'"{len(body)}"'}, break_after=self.broken)
