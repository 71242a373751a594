"""What every test shares: no connection leaves the machine, no user's folders are touched."""

import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest

if TYPE_CHECKING:
    from hubbot.localhub.server import LocalHub

# A busy machine is no fault of the code.
hypothesis.settings.register_profile(
    "patient",
    hypothesis.settings.default,
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("patient")

# Read once when huggingface_hub is imported, so set before anything imports it.
_HOME = Path(tempfile.mkdtemp(prefix="hubbot-tests-"))
os.environ.update(
    HF_HOME=str(_HOME / "hf"),
    HF_HUB_DISABLE_XET="1",
    HF_HUB_DISABLE_TELEMETRY="1",
    HF_HUB_DISABLE_PROGRESS_BARS="1",
    XDG_CACHE_HOME=str(_HOME / "cache"),
    XDG_DATA_HOME=str(_HOME / "data"),
    TOKENIZERS_PARALLELISM="false",
)
for _name in ("HF_TOKEN", "HUBBOT_CONFIG"):
    os.environ.pop(_name, None)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


HUB_PORT = _free_port()
os.environ["HF_ENDPOINT"] = f"http://127.0.0.1:{HUB_PORT}"


@pytest.fixture(autouse=True)
def _no_connection_leaves_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse connections to other machines with OSError, as a machine without network does."""
    connect, connect_ex, look_up = (
        socket.socket.connect,
        socket.socket.connect_ex,
        socket.getaddrinfo,
    )

    def refuse(address: object) -> None:
        host = address[0] if isinstance(address, tuple) else None
        if host is not None and not _is_loopback(str(host)):
            raise OSError(f"tests do not connect to {host!r}")

    def guarded_connect(self: socket.socket, address: Any) -> None:
        refuse(address)
        connect(self, address)

    def guarded_connect_ex(self: socket.socket, address: Any) -> int:
        refuse(address)
        return connect_ex(self, address)

    def guarded_look_up(host: Any, *args: Any, **kwargs: Any) -> Any:
        if host is not None:
            refuse((host.decode() if isinstance(host, bytes) else host,))
        return look_up(host, *args, **kwargs)

    monkeypatch.setattr(socket.socket, "connect", guarded_connect)
    monkeypatch.setattr(socket.socket, "connect_ex", guarded_connect_ex)
    monkeypatch.setattr(socket, "getaddrinfo", guarded_look_up)


def _is_loopback(host: str) -> bool:
    return host in {"localhost", "::1", ""} or host.startswith("127.")


@pytest.fixture(scope="session")
def _hub_server() -> Iterator["LocalHub"]:
    """Run one server for all tests: the client reads its address when it is imported."""
    from hubbot.localhub.server import LocalHub

    with LocalHub(port=HUB_PORT) as server:
        yield server


@pytest.fixture
def hub(_hub_server: "LocalHub") -> Iterator["LocalHub"]:
    """Give an empty embedded Hub at HF_ENDPOINT; see hubbot/localhub/server.py for its use."""
    _hub_server.reset()
    yield _hub_server
    _hub_server.reset()
