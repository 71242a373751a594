import pytest
from markdown_it import MarkdownIt

from hubbot.publishing.links import Links
from hubbot.publishing.wording import render_section
from hubbot.records.record import Record


def changed(record: Record, **values: object) -> Record:
    return Record.model_validate(record.plain() | values)


@pytest.mark.parametrize(
    ("flags", "note", "said"),
    [
        (["borrowed"], "", "The calibration is borrowed"),
        (["extrapolated"], "", "The prediction is extrapolated"),
        (["within_seed_noise"], "", "The predicted gain is within seed noise"),
        (["trained on MNLI"], "", "This model seems to have been trained on MNLI"),
    ],
)
def test_warnings_are_said_in_words(flags: list[str], note: str, said: str, record: Record) -> None:
    assert said in render_section(changed(record, flags=flags, prediction_note=note), Links())


def test_warning_that_the_note_gives_is_not_said_twice(record: Record) -> None:
    section = render_section(
        changed(record, flags=["borrowed"], prediction_note="Borrowed: another probe."), Links()
    )
    assert section.lower().count("borrowed") == 1


def test_without_a_prediction_nothing_is_said_of_its_calibration(record: Record) -> None:
    section = render_section(
        changed(
            record,
            flags=["borrowed", "trained on MNLI"],
            predicted_gain=None,
            predicted_gain_interval=None,
            prediction_note="",
        ),
        Links(),
    )
    assert "borrowed" not in section
    assert "No gain is predicted." in section
    assert "trained on MNLI" in section


def test_without_a_base_model_nothing_is_said_of_lp(record: Record) -> None:
    section = render_section(changed(record, lp_gain=None, lp_gain_interval=None), Links())
    assert "LP(" not in section


def test_published_score_names_its_table(record: Record) -> None:
    section = render_section(changed(record, source="model-recycling, 2023"), Links())
    assert "Taken from model-recycling, 2023 (2026-01-02," in section
    assert "Measured on" not in section


def test_section_is_a_heading_a_table_and_two_paragraphs(record: Record, links: Links) -> None:
    tokens = MarkdownIt("commonmark").enable("table").parse(render_section(record, links))
    top = [token.type for token in tokens if token.level == 0 and token.nesting >= 0]
    assert top == [
        "html_block", "heading_open", "table_open", "paragraph_open", "paragraph_open",
        "html_block",
    ]  # fmt: skip
