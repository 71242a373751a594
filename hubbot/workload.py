"""How much of a run's fine-tuning is done, so that the time left can be told."""

from collections.abc import Hashable

from hubbot.measurement import Report
from hubbot.schema import GainProtocol, Target

TASK = "all fine-tunings (rows)"
"""Name of the task that is reported."""

_FORWARD_SHARE = 1 / 3
"""Cost of a row that is only answered, beside one that is trained on: backward takes twice as long
as forward."""


def rows_of(target: Target, protocol: GainProtocol) -> int:
    """Return what one fine-tuning costs: rows trained on, in all epochs, and those answered.

    Args:
        target: Its sizes count.
        protocol: Epochs and training rows; early stopping may come before.
    """
    train, validation, test = (
        target.splits[role].n_rows for role in ("train", "validation", "test")
    )
    epochs = protocol.epochs or protocol.recipe.max_epochs
    used = min(protocol.max_train or train, train)
    return round(epochs * (used + _FORWARD_SHARE * validation) + _FORWARD_SHARE * test)


class Workload:
    """Counts the fine-tunings of one run by their rows, those of the ledger left out."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._pending: dict[Hashable, int] = {}
        self._total = 0

    def expect(self, key: Hashable, rows: int) -> None:
        """Add a fine-tuning that will be trained.

        Args:
            key: Of the cell; one that is expected already is not counted twice.
            rows: From ``rows_of``.
        """
        if key not in self._pending:
            self._pending[key] = rows
            self._total += rows

    def move(self, key: Hashable, share: float) -> None:
        """Tell that a fine-tuning has got on.

        Args:
            key: Of the cell; one that was not expected is passed over.
            share: Of its work, 0 to 1.
        """
        if key in self._pending:
            self._tell(round(share * self._pending[key]))

    def finish(self, key: Hashable) -> None:
        """Tell that a fine-tuning is there, trained here or by another process."""
        if self._pending.pop(key, None) is not None:
            self._tell(0)

    def _tell(self, beyond: int) -> None:
        done = self._total - sum(self._pending.values()) + beyond
        self._report(TASK, done, self._total)
