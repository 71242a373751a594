"""First thing to run in the child: no network, bounded resources, no life without the parent.

Run as ``python -P -m hubbot.probing.lockdown LIMITS -m MODULE [ARG...]`` (or ``-c CODE``): the
limits are set, the network is cut, and only then the module is run, so that nothing of it, not
even its imports, runs outside. Only the standard library is imported here.
"""

import json
import os
import resource
import runpy
import signal
import sys

from hubbot.probing import seccomp

GUARD_VARIABLE = "HUBBOT_NETWORK_GUARD"
"""Where the child finds how its network was cut."""
CHANNEL_VARIABLE = "HUBBOT_CHANNEL"
"""Where the child finds the number of the file descriptor its messages go to."""

_MAX_OPEN_FILES = 1024
_REFUSED = frozenset(
    {
        "socket.bind",
        "socket.connect",
        "socket.getaddrinfo",
        "socket.gethostbyaddr",
        "socket.gethostbyname",
        "socket.getnameinfo",
        "socket.sendmsg",
        "socket.sendto",
    }
)
_PR_SET_PDEATHSIG = 1


def lock_down(*, file_bytes: int, parent: int) -> str:
    """Cut the network and bound the process; there is no way back.

    Args:
        file_bytes: Largest file that may be written.
        parent: Process id of the parent; when it dies, this process is killed (Linux).

    Returns:
        ``seccomp+hook`` where the kernel refuses connections, ``hook`` where only Python does.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _lower(resource.RLIMIT_FSIZE, file_bytes)
    _lower(resource.RLIMIT_NOFILE, _MAX_OPEN_FILES)
    _die_with(parent)
    _be_first_out_of_memory()
    in_kernel = seccomp.refuse_network()
    sys.addaudithook(_refuse_network)
    return "seccomp+hook" if in_kernel else "hook"


def _lower(kind: int, wanted: int) -> None:
    _, hard = resource.getrlimit(kind)
    value = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(kind, (value, value))


def _die_with(parent: int) -> None:
    if sys.platform == "linux":
        seccomp.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before the call above took effect
        os.kill(os.getpid(), signal.SIGKILL)


def _be_first_out_of_memory() -> None:
    """Let the kernel take this process, not the parent, when memory runs out."""
    if sys.platform == "linux":
        with open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:  # noqa: PTH123
            file.write("1000")


def _refuse_network(event: str, arguments: tuple[object, ...]) -> None:
    if event in _REFUSED:
        raise PermissionError(f"{event} is refused: the probing child has no network")


def _keep_stdout_for_messages() -> None:
    """Give messages a descriptor of their own, so that a library's print cannot break them."""
    os.environ[CHANNEL_VARIABLE] = str(os.dup(1))
    os.dup2(2, 1)


def main(arguments: list[str]) -> None:
    """Lock this process down, then run ``-m MODULE`` or ``-c CODE``."""
    limits, kind, target, *rest = arguments
    _keep_stdout_for_messages()
    os.environ[GUARD_VARIABLE] = lock_down(**json.loads(limits))
    sys.argv = [target, *rest]
    if kind == "-m":
        runpy.run_module(target, run_name="__main__", alter_sys=True)
    else:
        exec(compile(target, "<child>", "exec"), {"__name__": "__main__"})  # noqa: S102 - as python -c


if __name__ == "__main__":
    main(sys.argv[1:])
