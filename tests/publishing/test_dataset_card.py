"""Notes on data-set cards: put in, read back, brought up to date, and nothing else touched."""

import datetime
import re
from dataclasses import fields, replace
from itertools import takewhile
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from hubbot.errors import CardError, IntegrityError, SettingsError
from hubbot.publishing.dataset_card import (
    TITLE,
    annotate_dataset,
    check_note,
    dataset_pull_request_body,
    fuller_note,
    has_own_words,
    read_notes,
    remove_notes,
    says_the_same,
)
from hubbot.publishing.links import Links
from hubbot.publishing.pull_request_text import is_our_pull_request
from hubbot.schema import SensitivityNote

CARD = b"---\nlicense: mit # ours\nlanguage: no\n---\n\n# Some data\n\nSentences with labels.\n"

NOTE = SensitivityNote(
    dataset="ann/data",
    revision="0123456789abcdef0123456789abcdef01234567",
    target="ann/data",
    config=None,
    architecture="roberta-base",
    base_model="FacebookAI/roberta-base",
    intermediate_model="bob/roberta-base-mnli",
    intermediate_revision="fedcba9876543210fedcba9876543210fedcba98",
    gain=4.1049,
    interval=(2.895, 5.3151),
    level=0.95,
    se=0.612,
    seeds=5,
    n_test=277,
    protocol="gain-roberta@1+train1000",
    verdict="Intertraining helps by 4.1 ± 1.2 points.",
    date=datetime.date(2026, 1, 2),
    hubbot_version="0.4.0",
)
OTHER = replace(
    NOTE,
    architecture="bert-base-uncased",
    base_model="google-bert/bert-base-uncased",
    gain=-0.2,
    interval=(-1.1, 0.8),
    verdict="No difference larger than 1.1 points found with 5 seeds.",
)


def shown(note: SensitivityNote) -> SensitivityNote:
    """Return what a reader of the card can know of a note: two decimals, twelve digits."""
    low, high = note.interval
    return replace(
        note,
        revision=note.revision[:12],
        intermediate_revision=note.intermediate_revision[:12],
        gain=float(f"{note.gain:.2f}"),
        interval=(float(f"{low:.2f}"), float(f"{high:.2f}")),
        se=None if note.se is None else float(f"{note.se:.2f}"),
    )


def is_pure_insertion(old: bytes, new: bytes) -> bool:
    """Tell whether every byte of the old card is there, cut at one place at most."""
    head, tail = in_common(old, new), in_common(old[::-1], new[::-1])
    return len(new) > len(old) and head + tail >= len(old)


def in_common(one: bytes, other: bytes) -> int:
    """Return how many bytes both begin with."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


# Put in and read back


def test_a_note_goes_below_the_text_and_the_header_stays() -> None:
    card = annotate_dataset(CARD, [NOTE])
    assert card.startswith(CARD + b"\n<!-- hubbot:begin -->\n## Intertraining sensitivity\n")
    assert card.endswith(b"<!-- hubbot:end -->\n")


def test_a_note_is_read_back_as_it_was_printed() -> None:
    assert read_notes(annotate_dataset(CARD, [NOTE])) == [shown(NOTE)]


@pytest.mark.parametrize(
    "change",
    [
        {"config": "rte", "target": "rte"},
        {"config": "default", "target": "trec_fine"},
        {"target": "sst5"},
        {"se": None, "seeds": 1, "n_test": 1},
        {"revision": ""},
        {"metric": "spearman", "level": 0.9},
        {"level": 0.999},
        {"gain": -0.001, "interval": (-0.004, 0.004), "se": 0.0},
        {"gain": 100.0, "interval": (-100.0, 100.0)},
        {"dataset": "glue", "target": "glue"},
        {"label_column": "stars"},
        {"label_column": "how good?", "text_columns": "title,body | more"},
        {"text_columns": "body", "target": "sst5", "n_train": 1},
        {"n_train": 16_000},
    ],
)
def test_every_kind_of_note_is_read_back(change: dict[str, Any]) -> None:
    note = replace(NOTE, **change)
    assert read_notes(annotate_dataset(CARD, [note])) == [shown(note)]


def test_a_card_without_our_section_has_no_notes() -> None:
    assert read_notes(CARD) == []
    assert read_notes(b"") == []


def test_no_number_is_printed_as_minus_zero() -> None:
    card = annotate_dataset(CARD, [replace(NOTE, gain=-0.001, interval=(-0.002, 0.002))])
    assert b"-0.00" not in card
    assert b"| +0.00 | +0.00 to +0.00 (95 %) |" in card


# Two architectures, two targets


def test_two_architectures_share_one_sorted_section() -> None:
    card = annotate_dataset(annotate_dataset(CARD, [NOTE]), [OTHER])
    assert read_notes(card) == [shown(OTHER), shown(NOTE)]
    assert card.count(b"<!-- hubbot:begin -->") == 1
    assert card == annotate_dataset(annotate_dataset(CARD, [OTHER]), [NOTE])
    assert card == annotate_dataset(CARD, [NOTE, OTHER])
    assert is_pure_insertion(CARD, card)


def test_targets_of_one_data_set_stand_beside_each_other() -> None:
    """Two label columns of one configuration, and another configuration."""
    notes = [
        replace(NOTE, target="trec_coarse", config="default"),
        replace(NOTE, target="trec_fine", config="default"),
        replace(NOTE, target="other", config="other"),
    ]
    card = annotate_dataset(CARD, notes)
    assert sorted(one.target for one in read_notes(card)) == ["other", "trec_coarse", "trec_fine"]
    assert b"| Architecture | Target | Gain (points) |" in card


def test_another_column_is_another_target() -> None:
    notes = [
        NOTE,
        replace(NOTE, label_column="stars", gain=3.0),
        replace(NOTE, label_column="stars", text_columns="title", gain=4.0),
    ]
    card = annotate_dataset(annotate_dataset(CARD, notes[:1]), notes[1:])
    assert read_notes(card) == [shown(note) for note in notes]
    assert b"| Architecture | Target | Gain (points) |" in card
    assert b"| `roberta-base` | `stars` | +3.00 |" in card
    assert b", label column `stars`, text columns `title`: " in card


def test_the_only_target_needs_no_column() -> None:
    assert b"| Architecture | Gain (points) | Interval |" in annotate_dataset(CARD, [NOTE])


def test_a_renamed_data_set_keeps_one_note_an_architecture() -> None:
    card = annotate_dataset(CARD, [NOTE])
    moved = replace(NOTE, dataset="ann/new", target="ann/new", gain=3.0, interval=(1.0, 5.0))
    assert read_notes(annotate_dataset(card, [moved])) == [shown(moved)]


# Newer, older, the same


def test_a_newer_note_replaces_the_older_and_leaves_the_other() -> None:
    newer = replace(NOTE, gain=2.0, interval=(0.5, 3.5), date=datetime.date(2026, 3, 4))
    card = annotate_dataset(annotate_dataset(CARD, [NOTE, OTHER]), [newer])
    assert read_notes(card) == [shown(OTHER), shown(newer)]


def test_an_older_note_does_not_replace_a_newer_one() -> None:
    card = annotate_dataset(CARD, [NOTE])
    older = replace(NOTE, gain=2.0, interval=(0.5, 3.5), date=datetime.date(2025, 12, 31))
    assert annotate_dataset(card, [older]) == card


SHORT = [
    {"protocol": "gain-roberta@1+train50"},
    {"protocol": "gain-roberta@1+epochs1"},
    {"protocol": "gain-roberta@1", "n_train": 500},
]


@pytest.mark.parametrize("short", SHORT)
def test_a_note_of_part_of_the_rows_never_replaces_a_full_one(short: dict[str, Any]) -> None:
    full = replace(NOTE, protocol="gain-roberta@1")
    trial = replace(NOTE, gain=3.5, date=datetime.date(2026, 3, 4), **short)
    card = annotate_dataset(CARD, [full])
    assert annotate_dataset(card, [trial]) == card
    assert fuller_note([full], trial) == full
    assert read_notes(annotate_dataset(CARD, [trial, full])) == [shown(full)]
    assert fuller_note([trial], full) is None


@pytest.mark.parametrize("short", SHORT)
def test_a_newer_small_trial_replaces_an_older_one(short: dict[str, Any]) -> None:
    trial = replace(NOTE, gain=3.5, **short)
    card = annotate_dataset(CARD, [replace(NOTE, protocol="gain-roberta@1+train10")])
    assert read_notes(annotate_dataset(card, [trial])) == [shown(trial)]
    assert fuller_note(read_notes(card), trial) is None


def test_a_small_trial_on_another_column_stands_beside_the_full_result() -> None:
    full = replace(NOTE, protocol="gain-roberta@1")
    trial = replace(NOTE, label_column="stars")
    assert fuller_note([full], trial) is None
    assert len(read_notes(annotate_dataset(CARD, [full, trial]))) == 2


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"date": datetime.date(2026, 2, 3), "hubbot_version": "0.5.0"},
        {"revision": "9" * 40, "intermediate_revision": "8" * 40},
        {"gain": 4.2, "interval": (2.8, 5.4), "se": 0.7},
        {"verdict": "The same in other words."},
    ],
)
def test_a_note_that_says_the_same_changes_no_byte(change: dict[str, Any]) -> None:
    card = annotate_dataset(CARD, [NOTE, OTHER])
    assert says_the_same(NOTE, replace(NOTE, **change))
    assert annotate_dataset(card, [replace(NOTE, **change)]) == card


@pytest.mark.parametrize(
    "change",
    [
        {"gain": 4.3},
        {"interval": (2.7, 5.3151)},
        {"interval": (2.895, 5.6)},
        {"se": 0.9},
        {"se": None},
        {"seeds": 10},
        {"n_test": 250},
        {"level": 0.9},
        {"protocol": "gain-roberta@2"},
        {"intermediate_model": "bob/another"},
        {"base_model": "roberta-base"},
        {"n_train": 500},
        {"metric": "spearman"},
    ],
)
def test_a_note_that_says_something_else_is_written(change: dict[str, Any]) -> None:
    card = annotate_dataset(CARD, [NOTE, OTHER])
    new = replace(NOTE, **change)
    assert not says_the_same(NOTE, new)
    assert read_notes(annotate_dataset(card, [new])) == [shown(OTHER), shown(new)]


def test_an_answer_that_turns_is_written_however_little_it_moved() -> None:
    no = replace(NOTE, gain=1.0, interval=(-0.03, 2.03), verdict="No difference found.")
    yes = replace(NOTE, gain=1.05, interval=(0.02, 2.08), verdict="Intertraining helps.")
    card = annotate_dataset(annotate_dataset(CARD, [no]), [yes])
    assert read_notes(card) == [shown(yes)]


def test_what_the_owner_wrote_into_our_section_stays_while_nothing_changes() -> None:
    card = annotate_dataset(CARD, [NOTE]).replace(b"Measured by", b"Thanks! Measured by")
    assert annotate_dataset(card, [NOTE]) == card


def test_a_table_that_an_editor_aligned_is_read() -> None:
    card = annotate_dataset(CARD, [NOTE]).replace(b"| +4.10 |", b"|         +4.10|")
    card = card.replace(b"| --- | --- |", b"|:---|---:|")
    assert read_notes(card) == [shown(NOTE)]


# Opted out, broken, removed


@pytest.mark.parametrize("value", ["false", "'no'", "OFF"])
def test_a_card_that_says_no_is_not_touched(value: str) -> None:
    card = f"---\nhubbot: {value}\n---\n# Data\n".encode()
    with pytest.raises(CardError, match="asks to be left alone"):
        annotate_dataset(card, [NOTE])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"| +4.10 |", b"| four |"),
        (b"; 5 seeds,", b"; some seeds,"),
        (b"; 2026-01-02,", b"; 2026-13-45,"),
        (b"\n- `roberta", b"\n* `roberta"),
        (b"| `roberta-base` | +", b"| `another` | +"),
    ],
)
def test_a_section_that_cannot_be_read_is_not_overwritten(old: bytes, new: bytes) -> None:
    card = annotate_dataset(CARD, [NOTE])
    assert card.count(old) == 1
    with pytest.raises(CardError, match=r"cannot be read back: .* delete all between"):
        annotate_dataset(card.replace(old, new), [OTHER])


def test_an_emptied_section_is_filled_again() -> None:
    card = CARD + b"\n<!-- hubbot:begin -->\n<!-- hubbot:end -->\n"
    assert read_notes(annotate_dataset(card, [NOTE])) == [shown(NOTE)]


@pytest.mark.parametrize(
    ("card", "message"),
    [
        (b"# D\n\n<!-- hubbot:begin -->\n", "expected one"),
        (b"caf\xe9\n", "expected UTF-8"),
        (b"---\nlicense: mit\n# D\n", "opens a header"),
    ],
)
def test_a_broken_card_is_refused(card: bytes, message: str) -> None:
    with pytest.raises(CardError, match=message):
        annotate_dataset(card, [NOTE])


def test_removing_gives_the_card_of_before() -> None:
    card = annotate_dataset(annotate_dataset(CARD, [NOTE]), [OTHER])
    assert remove_notes(card) == CARD
    assert remove_notes(CARD) == CARD


@pytest.mark.parametrize(
    ("card", "has_words"),
    [
        (b"", False),
        (b"\n\n", False),
        (b"---\nlicense: mit\ndataset_info:\n  features: []\n---\n", False),
        (b"---\nlicense: mit\n---\n\n<!-- Provide a summary. -->\n\n---\n***\n", False),
        (b"<!-- never closed # Data\n", False),
        (b"---\nlicense: mit\n---\n# D\n", True),
        ("<!-- a -->数据<!-- b -->".encode(), True),
        (b"\n<!-- hubbot:begin -->\n<!-- hubbot:end -->\n", True),
    ],
)
def test_own_words_are_letters_outside_of_header_and_comments(card: bytes, has_words: bool) -> None:
    assert has_own_words(card) is has_words


# Refused notes


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"gain": float("nan")}, "expected a gain"),
        ({"gain": 101.0, "interval": (0.0, 200.0)}, "expected a gain"),
        ({"interval": (5.0, 3.0)}, "expected an interval around"),
        ({"interval": (4.2, 5.0)}, "expected an interval around"),
        ({"interval": (float("-inf"), 5.0)}, "expected an interval around"),
        ({"level": 95.0}, "expected a level"),
        ({"se": -0.1}, "expected a standard error"),
        ({"se": float("nan")}, "expected a standard error"),
        ({"seeds": 0}, "expected seeds"),
        ({"n_test": 0}, "expected seeds"),
        ({"verdict": " \u200b"}, "expected names and a verdict"),
        ({"target": ""}, "expected names and a verdict"),
    ],
)
def test_numbers_that_do_not_add_up_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(IntegrityError, match=message) as caught:
        check_note(replace(NOTE, **change))
    assert caught.value.check == "sensitivity-note"
    assert "ann/data, roberta-base: " in str(caught.value)


def test_a_model_from_a_folder_does_not_go_on_a_card() -> None:
    with pytest.raises(SettingsError, match=r"was read from a folder; .* --with OWNER/NAME"):
        check_note(replace(NOTE, intermediate_model="my-model", intermediate_revision=""))


def test_a_sound_note_passes() -> None:
    check_note(NOTE)
    check_note(OTHER)


# Untrusted text

NAMED = (
    *("target", "config", "architecture", "intermediate_model", "base_model", "protocol"),
    *("label_column", "text_columns"),
)


def called(text: str) -> SensitivityNote:
    """Return a note whose every text is this one."""
    changes: dict[str, Any] = dict.fromkeys((*NAMED, "verdict"), text)
    return replace(NOTE, **changes)


MARKS = {"link_open", "image", "em_open", "strong_open", "s_open"}
BOLD = ["strong_open"] * 3

HOSTILE = [
    "x <!-- hubbot:end --> y",
    "a | b | c",
    "`code` ``more``",
    "<script>alert(1)</script>",
    "[click](https://evil.example) www.evil.example",
    "@everyone #1 $x$ ~~gone~~ **bold** _it_",
    "a\n\n# Heading\n- item\n| cell |",
    "trailing \\",
    "&#60;b&#62; &lt;i&gt;",
    "; protocol `p`; data set `d`; 2020-01-01, hubbot `1`.",
    "\u202egnitset\u202c \x1b[31m",
    "数据 é",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_strangers_text_is_shown_and_makes_nothing(text: str) -> None:
    card = annotate_dataset(CARD, [called(text), OTHER])
    assert is_pure_insertion(CARD, card)
    assert remove_notes(card) == CARD
    section = card.decode().removeprefix(CARD.decode())
    for markdown, ours in ((section, ["em_open"]), (dataset_pull_request_body(card), BOLD)):
        tokens = MarkdownIt("gfm-like", {"linkify": False}).parse(markdown)
        inside = [child for token in tokens for child in token.children or ()]
        html = [one.content.strip() for one in (*tokens, *inside) if one.type.startswith("html")]
        assert all(re.fullmatch(r"<!-- hubbot:[a-z-]+ -->", one.partition("\n")[0]) for one in html)
        assert [one.type for one in inside if one.type in MARKS] == ours
        assert [t.type for t in tokens].count("tr_open") == 3
        assert [t.type for t in tokens].count("list_item_open") == 2
        assert [t.type for t in tokens].count("heading_open") <= 1


@pytest.mark.parametrize("text", HOSTILE)
def test_strangers_text_is_read_back(text: str) -> None:
    """Blanks and what cannot be seen become one blank; nothing else is lost."""
    note = called(text)
    (read,) = read_notes(annotate_dataset(CARD, [note]))
    seen = " ".join(re.sub("[\n\x1b\u202e\u202c]", " ", text).split())
    assert [getattr(read, name) for name in (*NAMED, "verdict")] == [seen] * 9
    assert annotate_dataset(annotate_dataset(CARD, [note]), [note]) == annotate_dataset(
        CARD, [note]
    )


# The pull request


def test_the_description_has_marker_numbers_and_the_way_out() -> None:
    card = annotate_dataset(CARD, [NOTE, OTHER])
    links = Links(operator="Example Lab", contact="bot@hubbot.example")
    body = dataset_pull_request_body(card, links=links)
    assert is_our_pull_request(body)
    assert "| `roberta-base` | +4.10 | +2.90 to +5.32 (95 %) |" in body
    assert "| `bert-base-uncased` | -0.20 |" in body
    for words in ("a bot", "hubbot: false", "hubbot stop", "run by Example Lab", "complaints:"):
        assert words in body
    assert body.endswith("\n")


def test_the_title_fits_the_hub() -> None:
    assert 3 <= len(TITLE) <= 200


def test_configured_addresses_are_linked_and_others_left_out() -> None:
    links = Links(homepage="https://hubbot.example/about", ranking_url="https://h.example/r")
    card = annotate_dataset(CARD, [NOTE], links=links)
    assert b"[hubbot](https://hubbot.example/about)" in card
    assert b"[live ranking](https://h.example/r)" in card
    assert b"](" not in annotate_dataset(CARD, [NOTE])


# What holds for every card

HEADERS = st.sampled_from(
    [
        "",
        "---\n---\n",
        "---\nlicense: cc-by-4.0\n---\n",
        "---\n# made by hand\nlanguage: no # not false\ntags: ['a', \"b\"]\n---  \n",
        "---\ndataset_info:\n  features:\n  - name: text\n    dtype: string\nconfigs:\n"
        "- config_name: default\n  data_files: [{split: train, path: data/*}]\n---\n",
        "---\npretty_name: >-\n  Some\n  data\nx: &a 1\ny: *a\n---\n",
    ]
)
LINES = st.sampled_from(
    ["# Dataset Card for X", "## Usage", "", "", "words", "<!-- Provide a quick summary. -->",
     "```python", "```", "~~~", "| a | b |", "| --- | --- |", "- item", "> <!-- hubbot:end -->",
     "    <!-- hubbot:begin -->", "`<!-- hubbot:begin -->`", "---", "trailing  ", "🤗 שלום",
     "<details>", "</details>", "<pre>", "\\", "[More Information Needed]", "a\tb\x0c"]
)  # fmt: skip


@st.composite
def cards(draw: st.DrawFn) -> bytes:
    lines = draw(st.lists(LINES, max_size=12))
    text = draw(HEADERS) + "\n".join(["words", *lines]) + draw(st.sampled_from(["", "\n", "\n\n"]))
    if draw(st.booleans()):
        text = text.replace("\n", "\r\n")
    return (draw(st.sampled_from(["", "\ufeff"])) + text).encode()


NAMES = st.text(min_size=1, max_size=20).filter(lambda text: bool(re.search(r"\w", text)))


@st.composite
def notes(draw: st.DrawFn) -> SensitivityNote:
    low, gain, high = sorted(draw(st.tuples(*[st.floats(-90, 90)] * 3)))
    return replace(
        NOTE,
        target=draw(st.just("ann/data") | NAMES),
        config=draw(st.none() | NAMES),
        label_column=draw(st.just("") | NAMES),
        n_train=draw(st.none() | st.integers(1, 10**6)),
        architecture=draw(NAMES),
        intermediate_model=draw(NAMES),
        gain=gain,
        interval=(low, high),
        se=draw(st.none() | st.floats(0, 20)),
        level=draw(st.sampled_from([0.9, 0.95, 0.99])),
        seeds=draw(st.integers(1, 30)),
        verdict=draw(NAMES),
        date=draw(st.dates(datetime.date(2024, 1, 1), datetime.date(2030, 1, 1))),
    )


several = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@several
@given(cards(), notes())
def test_only_our_section_is_inserted(card: bytes, note: SensitivityNote) -> None:
    annotated = annotate_dataset(card, [note])
    assert is_pure_insertion(card, annotated)
    assert remove_notes(annotated) == card


def test_a_target_that_differs_from_its_configuration_by_a_blank_alone_has_no_row_twice() -> None:
    odd = replace(NOTE, target="rte ", config="rte")
    annotated = annotate_dataset(b"words", [odd])
    assert annotate_dataset(annotated, [odd]) == annotated
    assert len(read_notes(annotated)) == 1


@several
@given(cards(), notes(), notes())
def test_a_second_note_changes_nothing_but_our_section(
    card: bytes, first: SensitivityNote, second: SensitivityNote
) -> None:
    annotated = annotate_dataset(annotate_dataset(card, [first]), [second])
    assert is_pure_insertion(card, annotated)
    assert remove_notes(annotated) == card
    assert annotate_dataset(annotated, [second]) == annotated


@several
@given(cards(), notes())
def test_line_ends_of_the_section_are_those_of_the_card(card: bytes, note: SensitivityNote) -> None:
    assume(b"\n" in card)
    annotated = annotate_dataset(card, [note])
    assert (b"\r\n" in card) == (b"\r\n" in annotated)
    assert (annotated.count(b"\n") == annotated.count(b"\r\n")) == (b"\r\n" in card)


@several
@given(notes())
def test_numbers_are_read_back_to_two_decimals(note: SensitivityNote) -> None:
    (read,) = read_notes(annotate_dataset(CARD, [note]))
    assert read.gain == pytest.approx(note.gain, abs=0.00501)
    assert read.interval == pytest.approx(note.interval, abs=0.00501)
    assert (read.se is None) == (note.se is None)
    same = {
        "level",
        "seeds",
        "n_train",
        "n_test",
        "date",
        "metric",
        "protocol",
        "base_model",
        "dataset",
    }
    assert same <= {field.name for field in fields(note)}
    assert all(getattr(read, name) == getattr(note, name) for name in same)
