"""What a checkpoint is on the Hub now, its weights apart, and whether it is to be measured."""

from dataclasses import dataclass

from hubbot.bot.renaming import go_on_under
from hubbot.bot.workplace import Workplace
from hubbot.catalog.architectures import find_architecture, load_architectures
from hubbot.catalog.config_file import read_config
from hubbot.catalog.recognition import recognise
from hubbot.errors import CheckpointError
from hubbot.hub.manners import is_on_list, reason_to_leave_alone
from hubbot.measurement import hub_api, may_read_bin
from hubbot.records.checkpoint_rows import CheckpointRow
from hubbot.schema import Architecture, RemoteCheckpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """A checkpoint on the Hub now."""

    remote: RemoteCheckpoint
    architecture: Architecture
    digest: str | None


class Skipped(Exception):  # noqa: N818 - an outcome, not a failure
    """Ends the look at a checkpoint that is not what the list said."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code, self.reason = code, reason


def look(row: CheckpointRow, work: Workplace) -> Looked:
    """Ask the Hub what the checkpoint is now, weights apart.

    Raises:
        Skipped: If it is not to be measured after all.
        RemoteError: If the Hub cannot be asked, or does not have it.
    """
    from hubbot.hub.cards import read_card, read_file
    from hubbot.hub.checkpoints import resolve_checkpoint
    from hubbot.hub.download import announced_digest
    from hubbot.publishing.card import is_opted_out

    api = hub_api(work.settings)
    remote = resolve_checkpoint(row.model, api=api)
    if find_architecture(remote.model) is not None:
        raise Skipped("base-model", "it is the base model itself")
    if remote.model != row.model:
        go_on_under(work.ledger, row, model=remote.model, revision=remote.revision)
        raise Skipped("renamed", f"it is called {remote.model} now and goes on under that name")
    card = read_card(remote.model, remote.revision, api=api) or b""
    reason = reason_to_leave_alone(remote, opt_out=work.opt_out, card_says_no=is_opted_out(card))
    if reason is not None:
        is_asked = is_opted_out(card) or is_on_list(remote.model, work.opt_out)
        raise Skipped("opt-out" if is_asked else "left-alone", reason)
    content = read_file(remote.model, remote.revision, "config.json", api=api)
    if content is None:
        raise Skipped("no-config", "it has no config.json")
    try:
        config = read_config(content, model=remote.model)
        architecture = recognise(config, remote.base_models, model=remote.model)
        allow_bin = may_read_bin(architecture, remote.model, work.settings)
        digest = announced_digest(remote, allow_bin=allow_bin)
    except CheckpointError as error:
        raise Skipped("not-recognised", str(error)) from error
    if digest is not None and digest in _base_digests(work):
        raise Skipped("same-weights", "it holds the very weights of its base model")
    return Looked(remote=remote, architecture=architecture, digest=digest)


def _base_digests(work: Workplace) -> set[str]:
    """Return the weights' digests of the base models that were fetched before."""
    from hubbot.measurement import kept_base

    kept = (kept_base(entry, work.settings) for entry in load_architectures())
    return {local.weights_digest for local in kept if local is not None}
