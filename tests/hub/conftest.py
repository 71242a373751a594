"""A server that gives whatever answer a test wants, for what no Hub would say on purpose."""

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from hubbot.hub.client import Backoff

QUICK = Backoff(attempts=4, first_s=0.01, most_s=0.05, longest_s=2.0)


@dataclass
class Answer:
    status: int = 200
    body: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=dict)
    delay_s: float = 0.0
    drop: bool = False


@dataclass
class OddServer:
    """Gives the queued answers in order, the last one for ever."""

    url: str = ""
    answers: list[Answer] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def say(
        self,
        status: int = 200,
        body: bytes = b"{}",
        *,
        delay_s: float = 0.0,
        drop: bool = False,
        **headers: str,
    ) -> "OddServer":
        """Queue an answer; header names are given with underscores."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.answers.append(Answer(status, body, named, delay_s, drop))
        return self

    def next_answer(self, request: str) -> Answer:
        self.requests.append(request)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def _handler(odd: OddServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            answer = odd.next_answer(f"{self.command} {self.path}")
            time.sleep(answer.delay_s)
            if answer.drop:
                self.close_connection = True
                return
            self.send_response(answer.status)
            for name, value in {"Content-Type": "application/json", **answer.headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(answer.body)

        do_GET = do_HEAD = do_POST = _answer  # noqa: N815

        def log_message(self, format: str, *args: object) -> None: ...

    return Handler


@pytest.fixture
def odd() -> Iterator[OddServer]:
    odd = OddServer()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(odd))
    odd.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield odd
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def quick() -> Backoff:
    return QUICK
