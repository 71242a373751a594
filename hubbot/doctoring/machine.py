"""This machine: Python, packages, device, sandbox, disk."""

import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

import hubbot
from hubbot.doctoring.finding import Finding, fine, problem, warning
from hubbot.extras import EXTRAS, install_command, missing_modules
from hubbot.settings import Settings

_DISTRIBUTIONS = {"sklearn": "scikit-learn", "github": "PyGithub"}
"""Names under which modules are installed, where they differ."""

_COMPARED = ("torch", "transformers", "huggingface-hub")
"""Packages whose version moves a score, or what is sent to the Hub."""

_PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;]+)", re.MULTILINE)

_DRIVER_TIMEOUT_S = 20.0


def python() -> Finding:
    """Tell which Python, system and hubbot run."""
    system = f"{platform.system()} {platform.machine()}"
    found = f"{platform.python_version()} on {system}, hubbot {hubbot.__version__}"
    return fine("python", found)


def extra(name: str) -> Finding:
    """Look for the modules of an extra; nothing is imported.

    Args:
        name: A key of ``EXTRAS``.
    """
    missing = missing_modules(name)
    if missing:
        return warning(f"extra {name}", f"missing: {', '.join(missing)}", install_command(name))
    shown = ", ".join(f"{module} {_version(module) or '?'}" for module in EXTRAS[name][:4])
    return fine(f"extra {name}", shown)


def _version(module: str) -> str:
    """Return the installed version of a module's package; empty where it is not known."""
    try:
        return version(_DISTRIBUTIONS.get(module, module))
    except PackageNotFoundError:
        return ""


def lock_file() -> Path:
    """Return where the tested versions stand in a checkout; a wheel does not carry them."""
    return Path(hubbot.__file__).parent.parent / "requirements.lock"


def versions(lock: Path) -> Finding:
    """Compare the packages that scores depend on with the versions that hubbot is tested with.

    Args:
        lock: File of exact pins.
    """
    installed = {name: found for name in _COMPARED if (found := _version(name))}
    shown = ", ".join(f"{name} {found}" for name, found in installed.items())
    if not lock.is_file():
        return fine("versions", f"{shown}; no {lock.name} beside the package to compare with")
    tested = read_pins(lock.read_text(encoding="utf-8"))
    others = [
        f"{name} {found} (tested: {tested[name]})"
        for name, found in installed.items()
        # A build such as 2.13.0+cpu is the tested version.
        if name in tested and found.partition("+")[0] != tested[name]
    ]
    if not others:
        return fine("versions", f"{shown}: as tested")
    return warning(
        "versions",
        f"{', '.join(others)}; scores may differ in the last digits",
        f'{sys.executable} -m pip install -r "{lock}" installs the tested ones',
    )


def read_pins(text: str) -> Mapping[str, str]:
    r"""Return the version of each package that a lock file pins.

    >>> read_pins("# made by a tool\ntorch==2.13.0\n")
    {'torch': '2.13.0'}
    """
    return {match[1].lower().replace("_", "-"): match[2] for match in _PIN.finditer(text)}


def device(settings: Settings) -> Finding:
    """Look for what the probe encodes with.

    Args:
        settings: The device that is asked for.
    """
    if find_spec("torch") is None:
        return warning("device", "torch is missing", install_command("probe"))
    from hubbot.probing.devices import CudaDevice, cuda_of_torch, inspect_devices

    def describe(one: CudaDevice) -> str:
        precision = "bf16" if one.has_bf16 else "no bf16"
        memory = f"{one.free_gb:.0f} of {one.memory_gb:.0f} GiB free"
        return f"{one.name}, {memory}, capability {one.capability}, {precision}"

    cuda = cuda_of_torch()
    devices = inspect_devices()
    driver = nvidia_driver()
    named = ", ".join(part for part in (driver and f"driver {driver}", f"CUDA {cuda}") if part)
    wanted = settings.probe.device
    number = int(wanted.partition(":")[2] or 0)
    if wanted.startswith("cuda") and number >= len(devices):
        return problem(
            "device",
            f"probe.device is {wanted!r}, torch sees {len(devices)} CUDA devices"
            + (f" ({named})" if driver else ""),
            "set probe.device to auto, or " + _cuda_advice(cuda, driver),
        )
    if devices:
        listed = "; ".join(describe(one) for one in devices)
        return fine("device", f"{listed} ({named})")
    if driver:
        found = f"an NVIDIA driver ({driver}), but torch sees no device; probing runs on the CPU"
        return warning("device", found, _cuda_advice(cuda, driver))
    return warning(
        "device",
        "no CUDA device: probing runs on the CPU in float32",
        "fine for small models or --max-train; the full probe wants a GPU",
    )


def _cuda_advice(cuda: str, driver: str) -> str:
    if not driver:
        return "install the NVIDIA driver (nvidia-smi is not there)"
    if not cuda:
        return "this torch is a build without CUDA: install the one with it (see the README)"
    return f"update the driver: this torch is built for CUDA {cuda}"


def nvidia_driver() -> str:
    """Return the version of the NVIDIA driver as nvidia-smi tells it; empty without one."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return ""
    try:
        done = subprocess.run(  # noqa: S603 - the driver's own program, no input of anybody's
            [program, "--query-gpu=driver_version", "--format=csv,noheader"],
            capture_output=True,
            text=True,
            check=False,
            timeout=_DRIVER_TIMEOUT_S,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    lines = done.stdout.split()
    return lines[0] if done.returncode == 0 and lines else ""


def sandbox() -> Finding:
    """Tell what keeps the probing child off the network."""
    if sys.platform == "linux":
        found = "Linux: a kernel filter and a hook cut the probing child off the network"
        return fine("sandbox", found)
    return warning(
        "sandbox",
        f"{sys.platform}: the child's network is cut by a hook alone",
        "probe strangers' models on Linux, where the kernel cuts it too",
    )


def disk(settings: Settings) -> Finding:
    """Compare the free space with what one download may take.

    Args:
        settings: Folder and caps.
    """
    folder = settings.cache_dir.absolute()
    while not folder.exists():
        folder = folder.parent
    free_gb = shutil.disk_usage(folder).free / 2**30
    wanted = settings.download.min_free_gb + settings.download.max_gb
    found = f"{free_gb:.1f} GiB free for {settings.cache_dir}"
    if free_gb >= wanted:
        return fine("disk", found)
    return problem(
        "disk", found, f"free space, or lower download.max_gb: {wanted:.1f} GiB are asked for"
    )
