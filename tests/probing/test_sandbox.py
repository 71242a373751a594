"""What a child can and cannot do, seen from inside it."""

import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil
import pytest

from hubbot.errors import ProbeError
from hubbot.probing import sandbox
from hubbot.probing.job import ChildLimits

ON_LINUX = sys.platform == "linux"
PRELUDE = """
import json, os
def say(**message):
    os.write(int(os.environ["HUBBOT_CHANNEL"]), json.dumps(message).encode() + b"\\n")
def attempt(call):
    try:
        return repr(call())
    except OSError as error:
        return type(error).__name__
"""


def inside(
    code: str, *, limits: ChildLimits | None = None, expect: int = 0
) -> list[Mapping[str, Any]]:
    """Run code in a child and return what it said."""
    heard: list[Mapping[str, Any]] = []
    ended = sandbox.run_child(
        ["-c", PRELUDE + textwrap.dedent(code)],
        limits=limits or ChildLimits(timeout_s=60),
        on_message=heard.append,
    )
    assert ended.code == expect, ended.stderr
    return heard


@pytest.fixture
def listener() -> Any:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server


def test_the_environment_holds_no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "GITHUB_TOKEN", "HUBBOT_WRITE_TOKEN"):
        monkeypatch.setenv(name, "hf_secret")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    [said] = inside("say(environment=dict(os.environ))")
    environment = said["environment"]
    switches = {"HF_HUB_DISABLE_IMPLICIT_TOKEN", "TOKENIZERS_PARALLELISM"}
    assert {name for name in environment if "TOKEN" in name} <= switches
    assert "hf_secret" not in str(environment)
    assert environment["OMP_NUM_THREADS"] == "1"


def test_a_token_file_in_the_user_s_folders_is_not_found(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for folder in (tmp_path / "hf", tmp_path / "home/.cache/huggingface"):
        folder.mkdir(parents=True)
        (folder / "token").write_text("hf_secret")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("HF_TOKEN_PATH", str(tmp_path / "hf/token"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    [said] = inside(
        """
        import huggingface_hub
        from huggingface_hub import constants
        token = huggingface_hub.get_token()
        say(token=token, path=constants.HF_TOKEN_PATH, home=os.path.expanduser("~"))
        """
    )
    assert said["token"] is None
    assert not said["path"].startswith(str(tmp_path))
    assert not Path(said["home"]).exists()


def test_the_child_s_home_is_empty_and_its_own() -> None:
    [said] = inside("say(home=os.environ['HOME'], here=os.getcwd(), files=os.listdir('.'))")
    assert said["home"] == said["here"] == os.path.realpath(said["home"])
    assert said["files"] == []
    assert not Path(said["home"]).exists()


def test_python_s_connections_are_refused(listener: Any) -> None:
    [said] = inside(
        f"""
        import socket
        say(results=[attempt(call) for call in (
            lambda: socket.create_connection(("127.0.0.1", {listener.getsockname()[1]})),
            lambda: socket.getaddrinfo("huggingface.co", 443),
            lambda: socket.gethostbyname("localhost"),
            lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(
                b"x", ("127.0.0.1", 9)),
        )])
        """
    )
    assert said["results"] == ["PermissionError"] * 4


@pytest.mark.skipif(not ON_LINUX, reason="the kernel's filter is Linux's")
def test_the_c_library_s_connections_are_refused_by_the_kernel(
    listener: Any, tmp_path: Path
) -> None:
    with socket.socket(socket.AF_UNIX) as local:
        local.bind(str(tmp_path / "socket"))
        local.listen()
        [said] = inside(
            f"""
            import ctypes, struct
            libc = ctypes.CDLL(None, use_errno=True)
            def call(function, *arguments):
                return function(*arguments), ctypes.get_errno()
            inet = struct.pack("=HH4s8x", 2, 0x{0:x}, bytes([127, 0, 0, 1]))
            unix = struct.pack("=H108s", 1, {str(tmp_path / "socket")!r}.encode())
            stream = libc.socket(1, 1, 0)
            datagram = libc.socket(1, 2, 0)
            say(
                guard=os.environ["HUBBOT_NETWORK_GUARD"],
                families=[call(libc.socket, family, 1, 0) for family in (2, 10, 16, 17)],
                connects=[
                    call(libc.connect, stream, inet, len(inet)),
                    call(libc.connect, stream, unix, len(unix)),
                ],
                sendto=call(libc.sendto, datagram, b"x", 1, 0, unix, len(unix)),
                io_uring=call(libc.syscall, 425, 1, None),
                memory=call(libc.syscall, 310 if os.uname().machine == "x86_64" else 270,
                            os.getppid(), None, 0, None, 0, 0),
                stream=stream,
            )
            """
        )
    assert said["guard"] == "seccomp+hook"
    refused = [-1, 1]  # EPERM
    assert said["families"] == [refused] * 4
    assert said["connects"] == [refused] * 2
    assert said["sendto"] == said["io_uring"] == said["memory"] == refused
    assert said["stream"] >= 0


def test_a_process_the_child_starts_has_no_network_either(listener: Any) -> None:
    code = f"import socket; socket.create_connection(('127.0.0.1', {listener.getsockname()[1]}))"
    [said] = inside(
        f"""
        import subprocess, sys
        done = subprocess.run([sys.executable, "-c", {code!r}], capture_output=True, text=True)
        say(code=done.returncode, stderr=done.stderr[-300:])
        """
    )
    if ON_LINUX:
        assert said["code"] == 1
        assert "PermissionError" in said["stderr"]


def test_sockets_within_the_child_still_work() -> None:
    [said] = inside(
        """
        import socket
        left, right = socket.socketpair()
        left.send(b"x")
        say(got=right.recv(1).decode())
        """
    )
    assert said == {"got": "x"}


def test_what_a_library_prints_does_not_reach_the_channel() -> None:
    assert inside("print('noise'); os.write(1, b'{}\\n'); say(a=1)") == [{"a": 1}]


def test_the_last_lines_of_standard_error_are_kept() -> None:
    ended = sandbox.run_child(
        ["-c", "import sys; [print(i, file=sys.stderr) for i in range(500)]; sys.exit(7)"],
        limits=ChildLimits(timeout_s=60),
        on_message=lambda message: None,
    )
    assert ended.code == 7
    assert ended.stderr.endswith("498\n499")
    assert len(ended.stderr) < 300


def test_a_large_file_is_refused(tmp_path: Path) -> None:
    [said] = inside(
        f"""
        def write():
            with open({str(tmp_path / "big")!r}, "wb") as file:
                file.write(b"x" * 5_000_000)
        say(result=attempt(write))
        """,
        limits=ChildLimits(timeout_s=60, file_gb=0.001),
    )
    assert said["result"] == "OSError"
    assert (tmp_path / "big").stat().st_size <= 0.001 * 1024**3


def test_a_child_that_hangs_is_stopped_and_the_setting_named() -> None:
    started = time.monotonic()
    with pytest.raises(ProbeError, match=r"within 1 s and was stopped.* probe\.timeout_s"):
        inside("import time; time.sleep(600)", limits=ChildLimits(timeout_s=1))
    assert time.monotonic() - started < 20


def test_a_child_that_ignores_signals_and_closes_its_pipes_is_stopped_too() -> None:
    with pytest.raises(ProbeError, match="was stopped"):
        inside(
            """
            import signal, time
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            os.close(int(os.environ["HUBBOT_CHANNEL"])); os.close(1); os.close(2)
            time.sleep(600)
            """,
            limits=ChildLimits(timeout_s=2),
        )


def test_a_child_that_takes_too_much_memory_is_stopped_and_the_setting_named() -> None:
    with pytest.raises(ProbeError, match=r"0\.1 GiB allowed.*probe\.memory_gb"):
        inside(
            "import time; hoard = b'x' * 400_000_000; time.sleep(600)",
            limits=ChildLimits(timeout_s=60, memory_gb=0.1),
        )


def test_memory_of_processes_the_child_starts_counts() -> None:
    with pytest.raises(ProbeError, match="GiB of memory"):
        inside(
            """
            import subprocess, sys
            hoard = "import time; hoard = b'x' * 400_000_000; time.sleep(600)"
            subprocess.run([sys.executable, "-c", hoard])
            """,
            limits=ChildLimits(timeout_s=60, memory_gb=0.1),
        )


def wait_until_gone(pid: int) -> bool:
    for _ in range(100):
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == "zombie":
            return True
        time.sleep(0.1)
    return False


def test_an_interrupt_in_the_parent_ends_the_child_and_its_children() -> None:
    pids: list[int] = []

    def interrupt(message: Mapping[str, Any]) -> None:
        pids.extend(message["pids"])
        raise KeyboardInterrupt

    code = """
    import subprocess, sys, time
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    say(pids=[os.getpid(), other.pid])
    time.sleep(600)
    """
    with pytest.raises(KeyboardInterrupt):
        sandbox.run_child(
            ["-c", PRELUDE + textwrap.dedent(code)],
            limits=ChildLimits(timeout_s=60),
            on_message=interrupt,
        )
    assert len(pids) == 2
    assert all(wait_until_gone(pid) for pid in pids)


@pytest.mark.skipif(not ON_LINUX, reason="PR_SET_PDEATHSIG is Linux's")
def test_the_child_dies_with_its_parent() -> None:
    child = PRELUDE + "say(pid=os.getpid())\nimport time; time.sleep(600)"
    parent = f"""
from hubbot.probing import sandbox
from hubbot.probing.job import ChildLimits
def tell(message):
    print(message["pid"], flush=True)
sandbox.run_child(["-c", {child!r}], limits=ChildLimits(timeout_s=60), on_message=tell)
"""
    with subprocess.Popen(
        [sys.executable, "-c", parent], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        pid = int(process.stdout.readline())
        process.send_signal(signal.SIGKILL)
    assert wait_until_gone(pid)
