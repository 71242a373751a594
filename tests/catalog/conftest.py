"""Configurations as published and as re-saved, read from files."""

import json
from pathlib import Path
from typing import Any

import pytest

CONFIGS = Path(__file__).parent / "configs"


class Configs:
    """Reads one configuration and changes keys of it."""

    def __call__(
        self, name: str, *, kind: str = "published", without: tuple[str, ...] = (), **changes: Any
    ) -> dict[str, Any]:
        path = CONFIGS / kind / f"{name.replace('/', '--')}.json"
        config: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return {key: value for key, value in (config | changes).items() if key not in without}


@pytest.fixture(scope="session")
def configs() -> Configs:
    return Configs()
