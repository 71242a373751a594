import pytest
from markdown_it import MarkdownIt

from hubbot.errors import SettingsError
from hubbot.publishing.links import Links
from hubbot.publishing.pull_request_text import (
    MARKER,
    is_our_pull_request,
    pull_request_body,
    pull_request_title,
)
from hubbot.records.record import Record


def test_title_is_the_same_for_every_record_and_fits_the_hub(record: Record) -> None:
    other = Record.model_validate(
        record.plain()
        | {
            "model": "x" * 400,
            "lp_accuracy": {"head": 1.0},
            "lp_gain": None,
            "lp_gain_interval": None,
            "lp_accuracy_interval": {},
        }
    )
    assert pull_request_title(record) == pull_request_title(other)
    assert 3 <= len(pull_request_title(record)) < 200


def test_body_says_everything_a_stranger_may_ask(record: Record, links: Links) -> None:
    assert pull_request_body(record, links=links) == (
        "<!-- hubbot:pull-request -->\n"
        "This pull request was opened by a bot, hubbot. It adds one measured score to this model's "
        "card, for people who are choosing a checkpoint to fine-tune.\n"
        "\n"
        "| Measure (points) | Value | Interval |\n"
        "| --- | --- | --- |\n"
        "| MNLI linear-probe accuracy | 71.53 | 70.62 to 72.41 (95 %) |\n"
        "| LP(m, MNLI) | +16.30 | +15.00 to +17.60 (95 %) |\n"
        "| Predicted intertraining gain | +1.20 | -0.41 to +2.81 (90 %) |\n"
        "\n"
        "Borrowed: the line was measured by another probe.\n"
        "\n"
        "**What it is.** MNLI linear-probe accuracy is the accuracy on MultiNLI of a "
        "classification head (mean over seeds) trained on top of the frozen model. LP(m, MNLI) is "
        "that accuracy minus the one of the pretrained model, `FacebookAI/roberta-base`. "
        "The predicted gain is the average improvement to expect from fine-tuning this model "
        "instead of the pretrained one. Protocol `lp-mnli`, 2026-01-02, revision `0123456789ab`.\n"
        "\n"
        "**What changes.** One result in `model-index` in the header of README.md, and one section "
        "of its text between two comments. Nothing else in the card is touched, and no other "
        "file.\n"
        "\n"
        "**If you do not want it.** Close this pull request, or comment `hubbot stop`, and "
        "hubbot will not open another one "
        "here. `hubbot: false` in the header of the card keeps it away as well.\n"
        "\n"
        "**Who.** This bot is run by Example Lab. Questions and complaints: "
        "bot&#64;hubbot.example. [About hubbot](https://hubbot.example/about).\n"
    )


def test_sentences_without_their_address_are_left_out(record: Record) -> None:
    body = pull_request_body(record, links=Links())
    assert "**Who.**" not in body
    assert "()" not in body
    assert body.endswith("keeps it away as well.\n")


def test_address_for_complaints_is_a_link_where_it_is_one(record: Record) -> None:
    body = pull_request_body(record, links=Links(contact="https://hubbot.example/complain"))
    assert "complaints: <https://hubbot.example/complain>." in body


def test_own_pull_request_is_known_by_its_marker(record: Record) -> None:
    assert is_our_pull_request(pull_request_body(record))
    assert not is_our_pull_request(f"Look at this: {MARKER}")


def test_marker_is_not_shown(record: Record) -> None:
    first = MarkdownIt("commonmark").parse(pull_request_body(record))[0]
    assert (first.type, first.content.strip()) == ("html_block", MARKER)


def test_strangers_text_makes_no_link_mention_or_html(record: Record) -> None:
    hostile = "@all <img src=x> [a](https://evil.example) https://evil.example"
    changed = Record.model_validate(
        record.plain() | {"prediction_note": hostile, "base_model": "`x` " + hostile}
    )
    body = pull_request_body(changed)
    assert "<img" not in body
    assert "@all" not in body
    assert "https://" not in body


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "https://a b", "https://x)", "ftp://x", "https://x\n", "//x"]
)
def test_address_that_could_break_out_of_a_link_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match=r"setting bot\.homepage: expected an http"):
        Links(homepage=url)
