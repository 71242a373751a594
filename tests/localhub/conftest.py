"""Two people, a bot and one model on the embedded Hub, and the official client for each."""

from collections.abc import Callable

import pytest
from huggingface_hub import CommitInfo, CommitOperationAdd, HfApi

from hubbot.localhub.server import LocalHub

CARD = b"---\nlicense: mit\n---\n\n# A model\n\nWords.\n"


@pytest.fixture
def world(hub: LocalHub) -> LocalHub:
    """A Hub with the users ``me`` and ``bot`` (a second token only reads) and ``me/m``."""
    hub.add_user("me", "hf_me")
    hub.add_user("bot", "hf_bot")
    hub.add_user("bot", "hf_bot_read", role="read")
    hub.add_model("me/m", {"README.md": CARD, "config.json": b'{"model_type": "bert"}'})
    return hub


@pytest.fixture
def owner(world: LocalHub) -> HfApi:
    return HfApi(token="hf_me")


@pytest.fixture
def stranger(world: LocalHub) -> HfApi:
    return HfApi(token="hf_bot")


@pytest.fixture
def reader(world: LocalHub) -> HfApi:
    return HfApi(token="hf_bot_read")


@pytest.fixture
def nobody(world: LocalHub) -> HfApi:
    return HfApi(token=False)


@pytest.fixture
def propose(stranger: HfApi) -> Callable[..., CommitInfo]:
    """Open a pull request for the card of ``me/m`` as the stranger."""

    def run(card: bytes, *, title: str = "Edit card", parent: str | None = None) -> CommitInfo:
        return stranger.create_commit(
            "me/m",
            [CommitOperationAdd("README.md", card)],
            commit_message=title,
            commit_description="Because.",
            create_pr=True,
            parent_commit=parent,
        )

    return run
