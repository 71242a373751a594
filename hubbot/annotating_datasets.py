"""The way of a sensitivity note to its data set's card: look, decide, propose, publish."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from hubbot.annotating import links_of, publish_change, refuse, writing_account
from hubbot.errors import CardError, RemoteError
from hubbot.measurement import hub_api
from hubbot.schema import (
    DatasetAnnotation,
    Proposal,
    Published,
    RemoteDataset,
    SensitivityNote,
)
from hubbot.settings import Settings, load_settings

if TYPE_CHECKING:
    from hubbot.hub.accounts import Account

_NO_WORDS = (
    "its card has no words of its own, and a card that holds nothing but hubbot's section is not "
    "proposed; write a sentence about the data set into README.md first"
)
_LEAVES_ALONE = {"gated", "disabled"}


def publish_dataset_note(
    note: SensitivityNote,
    *,
    settings: Settings | None = None,
    send: bool = False,
    confirm: Callable[[str], bool] = refuse,
) -> DatasetAnnotation:
    """Propose a note to its data set's card by pull request, or show what that would be.

    Args:
        note: What was measured.
        settings: Read from flags, environment and file where None.
        send: Whether to write to the Hub; without it nothing is written there.
        confirm: Asked once, with a sentence, before writing to somebody else's repository.

    Returns:
        What was or would be done, with the diff of the card.

    Raises:
        HubbotError: The kind says what happened; nothing half-done is left on the Hub.
    """
    from hubbot.publishing.card import is_opted_out
    from hubbot.publishing.dataset_card import check_note, fuller_note, read_notes
    from hubbot.publishing.diff import diff

    check_note(note)
    settings = settings or load_settings()
    remote, card, reason = look_at_dataset(note.dataset, settings)
    if remote is None or reason is not None:
        return _left_alone(note.dataset if remote is None else remote.dataset, reason or "")
    account = writing_account(settings, remote, is_sending=send, confirm=confirm)
    note = _renamed(note, remote.dataset)
    stays: SensitivityNote | None = None
    """The note on the card last looked at, main branch's or pull request's, that keeps ours off."""

    def propose(text: bytes, parent: str) -> Proposal:
        nonlocal stays
        stays = fuller_note(read_notes(text), note)
        return propose_dataset_notes([note], text, parent, settings)

    def carry_over(proposal: Proposal, ours: bytes) -> Proposal:
        notes = [*read_notes(ours), note]
        return propose_dataset_notes(notes, proposal.old, proposal.parent, settings)

    published = publish_change(
        propose(card, remote.revision),
        rebuild=lambda text, parent: None if is_opted_out(text) else propose(text, parent),
        account=account,
        is_sending=send,
        settings=settings,
        carry_over=carry_over,
    )
    change = published.change
    if published.action == "unchanged" and stays is not None:
        reason = (
            f"the result of all rows ({stays.protocol}, {stays.date}) stays: one of part of them "
            f"or of other passes ({note.protocol}) does not replace it"
        )
        return replace(_left_alone(remote.dataset, reason), url=published.url)
    return DatasetAnnotation(
        dataset=remote.dataset,
        action=published.action,
        reason=published.reason,
        url=published.url,
        diff="" if change is None else diff(change.old, change.new),
    )


def check_dataset_card(
    dataset: str,
    *,
    settings: Settings,
    send: bool = False,
    confirm: Callable[[str], bool] = refuse,
) -> DatasetAnnotation | None:
    """Find out before hours of fine-tuning whether a note could be brought to a card.

    Args:
        dataset: Hub id.
        settings: Tokens, opt-out list, and who runs the bot.
        send: Whether it is to be sent.
        confirm: Asked once, with a sentence, before writing to somebody else's repository.

    Returns:
        The outcome for a repository that is left alone; None where nothing speaks against a note.

    Raises:
        HubbotError: If a note could not be sent: no token, one that only reads, nobody agreed.
    """
    remote, card, reason = look_at_dataset(dataset, settings)
    if remote is None or reason is not None:
        return _left_alone(dataset if remote is None else remote.dataset, reason or "")
    account = writing_account(settings, remote, is_sending=send, confirm=confirm)
    found = _look_for_refusal(remote, card, account, settings)
    if found.action != "skipped":
        return None
    return replace(_left_alone(remote.dataset, found.reason), url=found.url)


def _look_for_refusal(
    remote: RemoteDataset, card: bytes, account: "Account", settings: Settings
) -> Published:
    """Return what would become of any change: a pull request of ours may have been refused."""
    from hubbot.publishing.card import is_opted_out
    from hubbot.publishing.dataset_card import TITLE

    def change(text: bytes, parent: str) -> Proposal:
        return Proposal(
            model=remote.dataset,
            parent=parent,
            old=text,
            new=text + b"\n",
            title=TITLE,
            body="",
            repo_type="dataset",
        )

    return publish_change(
        change(card, remote.revision),
        rebuild=lambda text, parent: None if is_opted_out(text) else change(text, parent),
        account=account,
        is_sending=False,
        settings=settings,
    )


def look_at_dataset(
    dataset: str, settings: Settings
) -> tuple[RemoteDataset | None, bytes, str | None]:
    """Return a data set's repository, its card on the main branch, and why to leave it alone.

    Args:
        dataset: Hub id.
        settings: Token and opt-out list.

    Returns:
        The repository is None where the Hub does not even describe it to us.

    Raises:
        SettingsError: If ``dataset`` is no Hub id.
        RemoteError: If the Hub does not have it or cannot be asked.
        CardError: If the card cannot be read.
    """
    from hubbot.hub.cards import read_card
    from hubbot.hub.datasets import resolve_dataset_repository
    from hubbot.hub.manners import reason_to_leave_alone
    from hubbot.publishing.card import is_opted_out
    from hubbot.publishing.dataset_card import has_own_words

    api = hub_api(settings)
    try:
        remote = resolve_dataset_repository(dataset, api=api)
    except RemoteError as error:
        if error.kind in _LEAVES_ALONE:
            return None, b"", str(error)
        raise
    reason = reason_to_leave_alone(remote, opt_out=settings.bot.opt_out)
    if reason is not None:
        return remote, b"", reason
    card = read_card(remote.dataset, remote.revision, api=api, repo_type="dataset") or b""
    reason = reason_to_leave_alone(remote, card_says_no=is_opted_out(card))
    if reason is None and not has_own_words(card):
        reason = _NO_WORDS
    return remote, card, reason


def propose_dataset_notes(
    notes: Sequence[SensitivityNote], card: bytes, parent: str, settings: Settings
) -> Proposal:
    """Return the change to a data set's card; none where the card says the same already.

    Args:
        notes: What was measured on one data set; at least one.
        card: README.md at ``parent``.
        parent: Commit hash.
        settings: Links printed on the card.

    Raises:
        CardError: If the card has no words of its own, or cannot be edited without touching the
            rest.
    """
    from hubbot.publishing.dataset_card import (
        TITLE,
        annotate_dataset,
        dataset_pull_request_body,
        has_own_words,
    )

    dataset = notes[-1].dataset
    if not has_own_words(card):
        raise CardError(f"data set {dataset} at {parent[:10]}: {_NO_WORDS}")
    links = links_of(settings)
    new = annotate_dataset(card, notes, links=links)
    return Proposal(
        model=dataset,
        parent=parent,
        old=card,
        new=new,
        title=TITLE,
        body=dataset_pull_request_body(new, links=links),
        repo_type="dataset",
    )


def read_dataset_notes(
    dataset: str, settings: Settings | None = None
) -> tuple[str, list[SensitivityNote]]:
    """Return a data set's present id and the notes that its card holds.

    Args:
        dataset: Hub id.
        settings: Token; read from environment and file where None.

    Raises:
        CardError: If the card cannot be read, or its section is not as hubbot writes it.
        RemoteError: If the Hub does not hand it out.
    """
    from hubbot.hub.cards import read_card
    from hubbot.hub.datasets import resolve_dataset_repository
    from hubbot.publishing.dataset_card import read_notes

    api = hub_api(settings or load_settings())
    remote = resolve_dataset_repository(dataset, api=api)
    card = read_card(remote.dataset, remote.revision, api=api, repo_type="dataset") or b""
    return remote.dataset, read_notes(card)


def _renamed(note: SensitivityNote, dataset: str) -> SensitivityNote:
    """Return the note under the data set's present id, which may also be its target's name."""
    target = dataset if note.target == note.dataset else note.target
    return replace(note, dataset=dataset, target=target)


def _left_alone(dataset: str, reason: str) -> DatasetAnnotation:
    return DatasetAnnotation(dataset=dataset, action="skipped", reason=reason, url=None, diff="")
