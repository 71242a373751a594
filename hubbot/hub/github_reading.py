"""Score files read from GitHub: what is filed, and what a pull request would change."""

from collections.abc import Mapping
from dataclasses import dataclass

from hubbot.hub.client import PATIENT, Backoff
from hubbot.hub.github_client import connect
from hubbot.hub.github_files import blob_name, checked_path, read_text
from hubbot.hub.github_look import Look
from hubbot.settings import GithubSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoresOnGithub:
    """Score files, filed and to be filed; paths are relative to the folder of the scores."""

    base: Mapping[str, str]
    """Texts as they are filed, of those files below that are there."""
    pending: Mapping[str, str]
    """Texts that differ from what is filed: of our open pull request, and of those given."""
    url: str | None
    """Address of our open pull request; None where none is open."""


def read_scores(
    files: Mapping[str, str], *, settings: GithubSettings, backoff: Backoff = PATIENT
) -> ScoresOnGithub:
    """Read what filing these scores would change, for the table of the pull request.

    Args:
        files: Texts by path inside ``settings.folder``, as for ``publish_scores``.
        settings: Section ``github``.
        backoff: How often and how patiently to ask.

    Raises:
        ValueError: If a path leads out of the folder.
        SettingsError: If repository, token or App are not rightly set.
        RemoteError: If GitHub cannot be asked.
    """
    prefix = f"{settings.folder}/"
    given = {prefix + checked_path(path): text for path, text in files.items()}
    where = connect(settings, backoff=backoff)
    look = Look(where=where, base=settings.base, folder=settings.folder)
    base, pull = look.base_snapshot(), look.our_pull()
    proposed = {} if pull is None else look.snapshot(pull.head.sha).files
    pending = {
        path: read_text(where, name)
        for path, name in proposed.items()
        if path not in given and base.files.get(path) != name
    }
    pending |= {
        path: text for path, text in given.items() if base.files.get(path) != blob_name(text)
    }
    filed = {path: read_text(where, base.files[path]) for path in pending if path in base.files}
    return ScoresOnGithub(
        base={path.removeprefix(prefix): text for path, text in sorted(filed.items())},
        pending={path.removeprefix(prefix): text for path, text in sorted(pending.items())},
        url=None if pull is None else pull.html_url,
    )
