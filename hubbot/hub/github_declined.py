"""What was proposed on GitHub once and closed without merging: a no that stands. Writes nothing.

How many calls that takes is bounded: a page of closed pull requests tells of a hundred, at most
``_MOST_PAGES`` of them are asked for, and of those that are ours at most ``_LOOKED_INTO`` are
looked into, a few calls each, until every file is found. Closed pull requests that the caller
remembers are found even where others have opened thousands since.
"""

import itertools
from collections.abc import Collection, Iterator, Mapping

from github.PullRequest import PullRequest

from hubbot.errors import RemoteError
from hubbot.hub.github_look import Look

_PULLS = "pull requests: read"

_PER_PAGE = 100
"""What the client asks for."""

_MOST_PAGES = 30
"""Pages of closed pull requests, newest first, in one run."""

_LOOKED_INTO = 50
"""Pull requests of ours whose files are read, newest first, in one run."""


class Declined:
    """The files of our closed pull requests; each is asked for once, however often it is needed."""

    def __init__(self, look: Look, remembered: Collection[int]) -> None:
        """Ask nothing yet.

        Args:
            look: Repository, base and folder.
            remembered: Numbers of pull requests that were seen closed in an earlier run.
        """
        self._look = look
        self._remembered = sorted({*remembered}, reverse=True)
        self._closed: list[PullRequest] | None = None
        self._files: dict[int, Mapping[str, str]] = {}

    def among(self, names: Mapping[str, str], *, seen: Collection[int]) -> dict[str, str]:
        """Return which files were proposed as they are now and closed without merging.

        However it was closed: by the button, or by deleting the branch.

        Args:
            names: Names of the blobs that would be proposed, by path.
            seen: Pull requests that were open earlier in this run. What closed them happened
                while we were at work, such as a branch deleted under our hands.

        Returns:
            Address of the newest such pull request, by path.

        Raises:
            RemoteError: If GitHub cannot be asked.
        """
        found: dict[str, str] = {}
        if not names:
            return found
        if self._closed is None:
            self._closed = list(itertools.islice(self._refused(), _LOOKED_INTO))
        for pull in self._closed:
            if pull.number in seen:
                continue
            files = self._files_of(pull)
            for path, name in names.items():
                if files.get(path) == name:
                    found.setdefault(path, pull.html_url)
            if len(found) == len(names):
                break
        return found

    def _refused(self) -> Iterator[PullRequest]:
        """Yield ours that are closed and not merged, the newest first."""
        listed: set[int] = set()
        for page in self._pages():
            listed |= {pull.number for pull in page}
            yield from (pull for pull in page if self._is_refused(pull))
        for number in self._remembered:
            pull = None if number in listed else self._pull(number)
            if pull is not None:
                yield pull

    def _is_refused(self, pull: PullRequest) -> bool:
        return self._look.is_ours(pull) and pull.state == "closed" and pull.merged_at is None

    def _pages(self) -> Iterator[list[PullRequest]]:
        where = self._look.where
        pulls = where.repository.get_pulls(
            state="closed", base=self._look.base, sort="created", direction="desc"
        )
        for number in range(_MOST_PAGES):

            def read(number: int = number) -> list[PullRequest]:
                return pulls.get_page(number)

            page = where.ask("the closed pull requests", read, needs=_PULLS)
            yield page
            if len(page) < _PER_PAGE:
                return

    def _pull(self, number: int) -> PullRequest | None:
        """Return a pull request that we remember, if it is still a refused one of ours."""
        where = self._look.where

        def read() -> PullRequest | None:
            pull = where.repository.get_pull(number).complete()
            return pull if self._is_refused(pull) else None

        try:
            return where.ask(f"#{number}", read, needs=_PULLS)
        except RemoteError as error:
            if error.kind != "not_found":
                raise
            return None

    def _files_of(self, pull: PullRequest) -> Mapping[str, str]:
        """Return names of blobs by path, as they were proposed; empty where they are gone."""
        if pull.number not in self._files:
            try:
                self._files[pull.number] = self._look.snapshot(pull.head.sha).files
            except RemoteError as error:
                if error.kind != "not_found":
                    raise
                self._files[pull.number] = {}
        return self._files[pull.number]
