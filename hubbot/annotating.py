"""The steps of ``annotate`` that look at the Hub and decide, one small function each.

Those that are the same for a data set's card are used by ``annotating_datasets.py`` as well.
"""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from hubbot.catalog.architectures import find_architecture, load_architectures
from hubbot.catalog.config_file import read_config
from hubbot.catalog.recognition import recognise
from hubbot.errors import CardError, CheckpointError, IntegrityError, SettingsError
from hubbot.measurement import hub_api, is_folder, is_path
from hubbot.schema import Annotation, Proposal, Published, RemoteCheckpoint, RemoteRepository
from hubbot.settings import Settings

if TYPE_CHECKING:
    from hubbot.hub.accounts import Account
    from hubbot.hub.plan import CarryOver, Rebuild
    from hubbot.publishing.links import Links
    from hubbot.records.record import Record

logger = logging.getLogger(__name__)


def refuse(question: str) -> bool:
    """Answer no: nobody is there to ask."""
    return False


def look_at(model: str, settings: Settings) -> tuple[RemoteCheckpoint, str, bytes, str | None]:
    """Return a checkpoint, the head of its main branch, its card there, and why to leave it alone.

    Args:
        model: Hub id, or ``id@revision``.
        settings: Token and opt-out list.

    Raises:
        SettingsError: If ``model`` is a folder.
        RemoteError: If the Hub does not have it or cannot be asked.
    """
    from hubbot.hub.cards import head_of, read_card
    from hubbot.hub.checkpoints import resolve_checkpoint
    from hubbot.hub.manners import reason_to_leave_alone
    from hubbot.publishing.card import is_opted_out

    if is_path(model):
        raise SettingsError(f"{model} is a folder; annotate takes a Hub id (probe takes folders)")
    api = hub_api(settings)
    known = [entry.hub_id for entry in load_architectures()]
    remote = resolve_checkpoint(model, api=api, known=known)
    reason = reason_to_leave_alone(remote, opt_out=settings.bot.opt_out)
    if find_architecture(remote.model) is not None:
        reason = "it is the base model itself, which gains are taken against"
    if reason is not None:
        return remote, remote.revision, b"", reason
    head = head_of(remote.model, api=api) if "@" in model else remote.revision
    card = read_card(remote.model, head, api=api) or b""
    reason = reason_to_leave_alone(remote, card_says_no=is_opted_out(card))
    return remote, head, card, reason


def card_of(model: str, settings: Settings) -> tuple[str, bytes]:
    """Return the name and the card of a model on the Hub or in a folder.

    Args:
        model: Hub id, ``id@revision``, or a folder with README.md.
        settings: Token.

    Raises:
        CardError: If a folder has no README.md.
        RemoteError: If the Hub does not hand it out.
    """
    from hubbot.hub.cards import read_card
    from hubbot.hub.checkpoints import resolve_checkpoint

    if is_folder(model):
        return model, _read_card_file(Path(model).expanduser() / "README.md")
    api = hub_api(settings)
    known = [entry.hub_id for entry in load_architectures()]
    remote = resolve_checkpoint(model, api=api, known=known)
    return remote.model, read_card(remote.model, remote.revision, api=api) or b""


def _read_card_file(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CardError(
            f"{path}: cannot be read ({error.strerror or error}); expected a folder with a model "
            "card, or a Hub id (owner/name)"
        ) from error


def left_alone(model: str, reason: str) -> Annotation:
    """Return the outcome for a repository that is left alone."""
    return Annotation(model=model, action="skipped", reason=reason, url=None, diff="", record={})


def writing_account(
    settings: Settings,
    remote: RemoteRepository,
    *,
    is_sending: bool,
    confirm: Callable[[str], bool],
) -> "Account":
    """Return the account behind the token; asks before writing to a stranger's repository.

    Args:
        settings: Tokens, and who runs the bot.
        remote: The repository.
        is_sending: Whether anything will be written.
        confirm: Asked once, with a sentence.

    Raises:
        SettingsError: If the answer is no, or a stranger would not learn who writes.
        RemoteError: If there is no token to write with, it is wrong or may only read.
    """
    from hubbot.hub.accounts import check_may_write, is_stranger, who_am_i

    # A dry run asks with the writing token who we are, else it could not find an earlier pull
    # request of ours; everything else it reads with the other one.
    account = who_am_i(hub_api(settings, is_writing=True))
    if is_sending:
        # Now, not after hours of probing.
        check_may_write(account, remote.repo_id)
    if not is_sending or not is_stranger(account, remote.owner):
        return account
    bot = settings.bot
    if not (bot.operator and bot.contact):
        raise SettingsError(
            f"{remote.repo_id} is not {account.name}'s own: a pull request to a stranger says who "
            "runs the bot and where to complain; set operator and contact under [bot] in "
            "hubbot.toml"
        )
    question = f"{remote.repo_id} is not {account.name}'s own. Open a pull request there?"
    if not confirm(question):
        raise SettingsError(
            f"{remote.repo_id} is not {account.name}'s own and nobody agreed; add --yes to go on"
        )
    return account


def publish_change(
    change: Proposal,
    *,
    rebuild: "Rebuild",
    account: "Account",
    is_sending: bool,
    settings: Settings,
    carry_over: "CarryOver | None" = None,
) -> Published:
    """Bring a change to its repository, or say what that would do.

    Args:
        change: The card as proposed.
        rebuild: Makes it anew from another card.
        account: Ours.
        is_sending: Whether anything is written; without it the Hub is only read.
        settings: Tokens and opt-out list.
        carry_over: Keeps, where our pull request is made anew, what only its card says.

    Raises:
        RemoteError: If the token may not write, or the Hub refuses.
        CardError: If the card cannot be edited as it stands by now.
    """
    from hubbot.hub import dry_run, pull_request
    from hubbot.publishing.pull_request_text import MARKER

    publish = pull_request.publish if is_sending else dry_run.publish
    return publish(
        change,
        api=hub_api(settings, is_writing=is_sending),
        account=account,
        marker=MARKER,
        rebuild=rebuild,
        opt_out=settings.bot.opt_out,
        carry_over=carry_over,
    )


def fitting_record(path: Path, remote: RemoteCheckpoint, settings: Settings) -> "Record":
    """Read a record and make sure that it speaks of this checkpoint.

    Args:
        path: Record file.
        remote: The checkpoint on the Hub.
        settings: Token.

    Raises:
        CheckpointError: If the checkpoint is of no known architecture.
        SettingsError: If the file is no record, or one of another model.
        IntegrityError: If it was measured on other weights.
    """
    from hubbot.hub.download import announced_digest
    from hubbot.records.store import read_record

    record = read_record(path)
    _check_architecture(record, remote, settings)
    if record.model != remote.model:
        raise SettingsError(
            f"{path} is the record of {record.model}, not of {remote.model}; name the right file"
        )
    if record.weights_digest:
        now = announced_digest(remote, allow_bin=True)
        if now is not None and now != record.weights_digest:
            raise IntegrityError(
                f"other weights: {path} was measured on {record.weights_digest[:19]}..., "
                f"{remote.model} holds {now[:19]}... at {remote.revision[:10]}; probe it again",
                check="other-weights",
            )
    elif record.revision and record.revision != remote.revision:
        logger.warning(
            "%s was measured at %s; %s stands at %s now and the record holds no weights digest",
            path,
            record.revision[:10],
            remote.model,
            remote.revision[:10],
        )
    return record


def _check_architecture(record: "Record", remote: RemoteCheckpoint, settings: Settings) -> None:
    from hubbot.hub.cards import read_file

    api = hub_api(settings)
    content = read_file(remote.model, remote.revision, "config.json", api=api)
    if content is None:
        raise CheckpointError(f"{remote.model}: no config.json at {remote.revision[:10]}")
    config = read_config(content, model=remote.model)
    found = recognise(config, remote.base_models, model=remote.model)
    if found.name != record.architecture:
        raise IntegrityError(
            f"other architecture: the record of {record.model} says {record.architecture}, its "
            f"config.json on the Hub is that of {found.name}; probe it again",
            check="other-architecture",
        )


def propose(record: "Record", card: bytes, parent: str, settings: Settings) -> Proposal:
    """Return the change to a card; none where the card says the same already.

    Args:
        record: The scores.
        card: README.md at ``parent``; empty where there is none.
        parent: Commit hash.
        settings: Links printed on the card.

    Raises:
        CardError: If the card cannot be edited without touching the rest.
    """
    from hubbot.publishing.card import annotate
    from hubbot.publishing.pull_request_text import pull_request_body, pull_request_title
    from hubbot.publishing.steady import says_the_same

    links = links_of(settings)
    new = annotate(card, record, links=links)
    return Proposal(
        model=record.model,
        parent=parent,
        old=card,
        new=card if says_the_same(card, new) else new,
        title=pull_request_title(record),
        body=pull_request_body(record, links=links),
    )


def links_of(settings: Settings) -> "Links":
    """Return the addresses that cards and pull requests print.

    Args:
        settings: Who runs the bot.

    Raises:
        SettingsError: If one of them cannot stand in Markdown.
    """
    from hubbot.publishing.links import Links

    bot = settings.bot
    return Links(
        homepage=bot.homepage,
        ranking_url=bot.ranking_url,
        operator=bot.operator,
        contact=bot.contact,
    )
