"""Scores filed on GitHub: one pull request of ours at a time, opened or brought up to date.

One commit a run, always on a branch of our own and always forward: nothing is force-pushed. Where
the base changed the same score files meanwhile, the commit on our branch is a merge whose second
parent is the base: of those files it holds ours where we still want another text, else the base's.
"""

from collections.abc import Collection, Mapping, Sequence

from hubbot.hub.client import PATIENT, Backoff
from hubbot.hub.github_access import GithubAccess, check_access
from hubbot.hub.github_client import connect
from hubbot.hub.github_declined import Declined
from hubbot.hub.github_files import blob_name, checked_path
from hubbot.hub.github_following import follow_pulls, number_of
from hubbot.hub.github_look import BRANCH, Look
from hubbot.hub.github_publishing import PublishedScores, Publishing, ScoresAction, Wanted
from hubbot.hub.github_words import Description, ProposedScores, ScoreFile, Wording
from hubbot.settings import GithubSettings

__all__ = [
    "Description",
    "GithubAccess",
    "ProposedScores",
    "PublishedScores",
    "ScoreFile",
    "ScoresAction",
    "Wording",
    "check_access",
    "follow_pulls",
    "number_of",
    "publish_scores",
]


def publish_scores(
    files: Mapping[str, str],
    *,
    settings: GithubSettings,
    wording: Wording,
    branch: str,
    closed: Collection[int] = (),
    labels: Sequence[str] | None = None,
    is_sending: bool = True,
    backoff: Backoff = PATIENT,
) -> PublishedScores:
    """Propose score files to the repository of the settings.

    Our open pull request is found again by its branch and author and gets a further commit; only
    where there is none, one is opened. A write is never repeated before looking whether it
    happened. What somebody closed without merging is not proposed again as it was. Title and
    description are written where there is a new commit, labels where it is opened; what the
    maintainers write there stays.

    Args:
        files: Texts by path inside ``settings.folder``; nothing else is ever written. All of
            them: of one that equals the base nothing is left on our branch.
        settings: Section ``github``.
        wording: Makes title and description from what the pull request changes.
        branch: Branch for a new pull request, beginning with ``hubbot/scores-``.
        closed: Numbers of pull requests that an earlier run saw closed without merging.
        labels: Labels, made where the repository has none of the name; None takes those of the
            settings. A repository that refuses them is only warned about.
        is_sending: Without, nothing is written, and the answer is what would be done.
        backoff: How often and how patiently to try.

    Raises:
        ValueError: If a path leads out of the folder, or the branch has another name.
        SettingsError: If repository, token or App are not rightly set.
        RemoteError: If GitHub refuses, or cannot be brought to take it.
    """
    texts = {f"{settings.folder}/{checked_path(path)}": text for path, text in files.items()}
    wanted = Wanted(
        texts=texts,
        names={path: blob_name(text) for path, text in texts.items()},
        wording=wording,
        branch=_checked_branch(branch),
        labels=tuple(settings.labels if labels is None else labels),
        is_sending=is_sending,
    )
    if not files:
        return PublishedScores(action="unchanged", reason="there are no scores to file")
    where = connect(settings, backoff=backoff)
    look = Look(where=where, base=settings.base, folder=settings.folder)
    return Publishing(wanted, look, Declined(look, closed)).run()


def _checked_branch(branch: str) -> str:
    if not branch.startswith(BRANCH) or branch == BRANCH:
        raise ValueError(f"expected a branch that begins with {BRANCH}, found {branch!r}")
    return branch
