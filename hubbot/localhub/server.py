"""A small Hugging Face Hub on loopback, for the demo and the tests.

    with LocalHub(port=0, folder=None) as hub:         # port 0: a free one; folder None: temporary
        hub.add_user("me", "hf_me")                    # role="read" for a read-only token;
        hub.add_user("bot", "hf_bot")                  # same name, other token: one account
        hub.add_org("team", ["me"])
        hub.add_model("me/m", {"README.md": b"# hi", "model.safetensors": Path(...)})
        hub.add_dataset("me/d", {"train.parquet": Path(...)})   # private=, gated=, disabled=,
        hub.rename("me/m", "me/m2")             # discussions_disabled=, created=, likes=...

        with hub.bulk():                         # thousands: what is inside is written once
            ...
        hub.add_listed([{"id": "you/x", "config": {"model_type": "bert"}}, ...])   # no files:
        hub.change_listed("you/x", deleted=True)       # 100,000 models for lists and model_info

        hub.url                                  # HF_ENDPOINT, set before importing the client
        hub.commit("me/m2", {"README.md": b"# new", "old.txt": None}, "me")   # None deletes
        hub.read_file("me/m2", "README.md", "refs/pr/1")
        hub.files("me/m2")                             # paths on main
        hub.pull_requests("me/m2")                     # frozen: num title status author description
        hub.close_pull_request("me/m2", 1, "me")       #   diff conflicts head commits comments
        hub.merge_pull_request("me/m2", 1, "me")
        hub.reopen_pull_request("me/m2", 1, "me")
        hub.comment("me/m2", 1, "me", "no, thank you")
        hub.delete_branch("me/m2", "draft")
        hub.delete_repository("me/m2")

        hub.log                                        # tuple of RequestRecord, oldest first
        [r for r in hub.log if r.is_write]             # commits, comments, uploads..., also refused
        hub.faults.fail("POST", "/commit/", 503, when="after")   # effect done, answer lost
        hub.faults.limit_rate("POST", "/commit/", reset_s=1)     # 429; no argument: no headers
        hub.faults.drop("POST", "/commit/", when="before")       # connection cut
        hub.faults.stale("POST", "/commit/")                     # 412
        hub.faults.slow("GET", "/resolve/", 3.0)
        hub.faults.truncate("GET", "/resolve/.*safetensors", 1000)
        hub.faults.html("GET", "/api/models[?]")       # 200 and a page for people; also empty()
        hub.faults.pending()                           # rules not used up yet
        hub.listing_oddities.repeat(2, count=3)        # page 2 of a list begins with 3 of page 1
        hub.listing_oddities.empty(2)                  # an empty page that links to the right one
        hub.listing_oddities.html(3)
        hub.listing_oddities.insert(1, {"modelId": "no id"}, {"id": 7, "tags": None})
        hub.listing_oddities.follow_changes = True     # models modified while paging may be missed
        hub.rate_limits = RateLimits(api=10)           # real counting, RateLimit headers
        hub.save_to(Path(...)); hub.restore_from(Path(...))      # with the same commit hashes
        hub.reset()                                    # nothing left

        hub.github.add_repository("me/scores", {...})  # a GitHub beside it: github_contents

Fault paths are regular expressions searched in the decoded path with its query, such as
``/api/models/me/m/commit/main?create_pr=1`` (so write the question mark as ``[?]``); every rule
takes ``times=`` (None: for ever) and ``skip=``; ``drop("*", "", times=None, skip=5)`` is a server
that goes away after five requests.

Two things to know. The client's cache in HF_HOME is shared by all tests of a run and files are
found there by content: a test that counts downloads passes ``cache_dir=tmp_path`` or distinct
contents. And the client keeps connections open: after a dropped one it simply opens another.

In a terminal: ``python -m hubbot.localhub --folder DIR --port N``; what lies in DIR afterwards is
described in :mod:`hubbot.localhub.storage`.
"""

import asyncio
import shutil
import socket
import tempfile
import threading
from pathlib import Path
from types import TracebackType
from typing import Self, cast

import uvicorn
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from hubbot.localhub.actions import HubActions
from hubbot.localhub.app import find_caller, make_app
from hubbot.localhub.blobs import BlobStore
from hubbot.localhub.faults import Faults
from hubbot.localhub.gatekeeper import TRANSPORT, Gatekeeper
from hubbot.localhub.github_app import find_account, github_routes
from hubbot.localhub.github_contents import Github
from hubbot.localhub.limits import Counter, RateLimits
from hubbot.localhub.listed import ListedModels
from hubbot.localhub.requestlog import RequestLog, RequestRecord
from hubbot.localhub.state import HubState
from hubbot.localhub.storage import Storage

_STATE = ("accounts.json", "listed.jsonl", "repos", "blobs")
"""What the state is kept in, below the folder."""


class LocalHub(HubActions):
    """The embedded Hub: a context manager, its seeding and its inspection."""

    def __init__(self, *, port: int = 0, folder: Path | None = None) -> None:
        """Prepare; nothing listens yet.

        Args:
            port: On 127.0.0.1; 0 takes a free one.
            folder: Where the state is kept and read back from; None takes a temporary one.
        """
        self._temporary = (
            tempfile.TemporaryDirectory(prefix="localhub-") if folder is None else None
        )
        self.folder = folder or Path(cast("tempfile.TemporaryDirectory[str]", self._temporary).name)
        self._port = port
        blobs, listed = BlobStore(self.folder / "blobs"), ListedModels(self.folder / "listed.jsonl")
        super().__init__(HubState(blobs, listed), Storage(self.folder))
        self._storage.load(self.state)
        self.faults = Faults()
        self._log = RequestLog(self.folder / "requests.jsonl")
        self._counter = Counter(lambda: self.state.clock())
        self.github = Github(
            self.folder / "github",
            lock=self.state.lock,
            clock=lambda: self.state.clock(),
            address=lambda: self.url,
        )
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        """Start listening."""
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop, and remove a temporary folder."""
        self.stop()

    @property
    def url(self) -> str:
        """Address, without a slash at the end; the port is known once started."""
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Listen, with the server in a thread of its own.

        Raises:
            OSError: If the port is taken.
        """
        # Named TCP, else asyncio leaves Nagle's algorithm on and every answer is 40 ms late.
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", self._port))
        except OSError:
            listener.close()
            raise
        listener.listen(128)
        self._port = int(listener.getsockname()[1])
        gatekeeper = Gatekeeper(
            make_app(
                self.state,
                lambda: self._storage.save(self.state),
                github_routes(self.github),
            ),
            log=self._log,
            faults=self.faults,
            counter=self._counter,
            find_caller=lambda authorization: (
                find_caller(self.state, authorization) or find_account(self.github, authorization)
            ),
        )
        config = uvicorn.Config(
            gatekeeper,
            http=_CuttableProtocol,
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="warning",
            access_log=False,
            timeout_graceful_shutdown=2,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run, args=([listener],), name="localhub", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Stop listening; the state stays readable unless the folder is a temporary one."""
        if self._server is not None and self._thread is not None:
            self._server.should_exit = True
            self._thread.join(timeout=10)
            self._server = self._thread = None
        if self._temporary is not None:
            self._temporary.cleanup()

    def wait(self) -> None:
        """Return when the server has stopped."""
        while self._thread is not None and self._thread.is_alive():
            self._thread.join(timeout=0.5)

    def reset(self) -> None:
        """Forget accounts, repositories, faults, limits and the log."""
        with self.state.lock:
            self.state.clear()
            self._storage.clear()
            self.github.reset()
            self._log.clear()
            self.faults.clear()
            self._counter.clear()

    def save_to(self, folder: Path) -> None:
        """Copy accounts, repositories and listed models to a folder that does not exist yet."""
        with self.state.lock:
            folder.mkdir(parents=True)
            for name in _STATE:
                source = self.folder / name
                if source.is_dir():
                    shutil.copytree(source, folder / name)
                elif source.exists():
                    shutil.copy2(source, folder / name)

    def restore_from(self, folder: Path) -> None:
        """Be again what ``save_to`` copied, commit hashes included; all else is forgotten."""
        with self.state.lock:
            self.reset()
            for name in _STATE:
                source = folder / name
                if source.is_dir():
                    shutil.copytree(source, self.folder / name, dirs_exist_ok=True)
                elif source.exists():
                    shutil.copy2(source, self.folder / name)
            self._storage.load(self.state)

    @property
    def log(self) -> tuple[RequestRecord, ...]:
        """All requests since the start or the last reset, oldest first."""
        return self._log.records()

    def clear_log(self) -> None:
        """Forget the requests so far."""
        self._log.clear()

    @property
    def rate_limits(self) -> RateLimits | None:
        """Limits in force; None (the beginning) for none."""
        return self._counter.limits

    @rate_limits.setter
    def rate_limits(self, limits: RateLimits | None) -> None:
        self._counter.clear()
        self._counter.limits = limits


class _CuttableProtocol(H11Protocol):
    """HTTP/1.1 that hands the connection to the application, so that a fault can cut it."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        app = self.app

        async def with_transport(scope: Scope, receive: Receive, send: Send) -> None:
            await app({**scope, TRANSPORT: transport}, receive, send)

        self.app = with_transport
