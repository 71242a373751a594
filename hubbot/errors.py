"""Everything hubbot raises on purpose.

HubbotError
├── SettingsError      wrong usage, broken hubbot.toml, missing extra          exit code 2
│   └── StorageError   a disk is full, or refuses to be written                exit code 1
├── RemoteError        the Hub or GitHub refused, or could not be reached      exit code 4
├── CheckpointError    a checkpoint that cannot or must not be loaded          exit code 1
├── DatasetError       a data set that cannot be read as the catalog says      exit code 1
├── ProbeError         the probe could not be finished (child killed, no loss) exit code 1
├── IntegrityError     a score that does not add up and is not recorded        exit code 3
└── CardError          a card that cannot be edited without touching the rest  exit code 1

A message names the item, what was expected, what was found and the next step.
"""

from typing import ClassVar, Literal

RemoteKind = Literal[
    "not_found",
    "revision_not_found",
    "gated",
    "disabled",
    "unauthorised",
    "forbidden",
    "rate_limited",
    "conflict",
    "invalid",
    "server",
    "unreachable",
]


class HubbotError(Exception):
    """Base of every error raised on purpose; ``str(error)`` is fit to show to a user."""

    exit_code: ClassVar[int] = 1
    """What the command line returns when this error ends a command."""


class SettingsError(HubbotError):
    """Wrong arguments, a broken settings file, or an extra that is not installed."""

    exit_code = 2


class StorageError(SettingsError):
    """A disk of this machine is full or cannot be written: no fault of what was measured."""

    exit_code = 1


class RemoteError(HubbotError):
    """The Hub (or GitHub) refused, or could not be reached."""

    exit_code = 4

    def __init__(
        self, message: str, *, kind: RemoteKind = "server", retry_after_s: float | None = None
    ) -> None:
        """Keep what a caller may want to act upon.

        Args:
            message: Text for the user.
            kind: What happened, in one word.
            retry_after_s: Seconds after which the same call may succeed, where the Hub said so.
        """
        super().__init__(message)
        self.kind: RemoteKind = kind
        self.retry_after_s = retry_after_s


class CheckpointError(HubbotError):
    """A checkpoint that cannot, or must not, be loaded."""


class DatasetError(HubbotError):
    """A data set that cannot be read as its catalog entry says."""


class ProbeError(HubbotError):
    """A probe that did not come to an end."""


class IntegrityError(HubbotError):
    """A score that does not add up; nothing is recorded or published."""

    exit_code = 3

    def __init__(self, message: str, *, check: str) -> None:
        """Keep the name of the check beside the text.

        Args:
            message: Text for the user: the check, the value and what to do.
            check: Name of the check, as in ``gains/integrity.py``.
        """
        super().__init__(message)
        self.check = check


class CardError(HubbotError):
    """A card that hubbot cannot edit without touching what is not its own."""
