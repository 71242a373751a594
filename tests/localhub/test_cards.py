"""The Hub's validate-yaml, asked by the official client, and what is read from headers."""

import pytest
from huggingface_hub import CommitOperationAdd, HfApi
from huggingface_hub.errors import HfHubHTTPError

from hubbot.localhub.cards import check_card, header_text, parse_header
from hubbot.localhub.server import LocalHub

RESULT = """model-index:
- name: m
  results:
  - task: {type: text-classification}
    dataset: {type: nyu-mll/multi_nli, name: MNLI}
    metrics:
    - {type: accuracy, value: 71.5, name: accuracy, args: {level: 0.95}}
    source: {name: hubbot, url: "https://example.org"}
"""


def card(header: str) -> str:
    return f"---\n{header.strip()}\n---\n\n# A model\n"


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("license: [mit", "Invalid YAML"),
        ("license: mit\nlicense: apache-2.0", "duplicate key"),
        ("a:\n  b: 1\n  b: 2", "duplicate key"),
        ("just words", "must be a mapping"),
        ("- a\n- b", "must be a mapping"),
        ("a: !python/object:os.system x", "Invalid YAML"),
        ("a: &a [*a]", "Invalid YAML"),
        ("model-index: {name: m}", '"model-index" must be an array'),
        ("model-index:\n- results: []", '"model-index[0].name" is required'),
        ("model-index:\n- name: m", '"model-index[0].results" must be an array'),
        (RESULT.replace("{type: text-classification}", "{}"), "task.type"),
        (RESULT.replace("name: MNLI", "x: y"), "dataset.name"),
        (RESULT.replace("value: 71.5, ", ""), "metrics[0].value"),
        (RESULT.replace("type: accuracy", "type: 3"), "metrics[0].type"),
        (RESULT.replace('url: "https://example.org"', "x: y"), "source.url"),
        (RESULT.replace("name: accuracy", "verified: 1"), "verified"),
        ("base_model: /home/me/model", '"base_model" with value "/home/me/model"'),
        ("language: English", '"language" with value "English"'),
        ("tags: [1]", '"tags" must be a string'),
    ],
)
def test_a_bad_header_is_refused_before_anything_is_committed(
    world: LocalHub, owner: HfApi, header: str, message: str
) -> None:
    with pytest.raises(ValueError, match=r"Invalid metadata in README\.md") as caught:
        owner.create_commit(
            "me/m", [CommitOperationAdd("README.md", card(header).encode())], commit_message="x"
        )
    assert message in str(caught.value)
    assert not [record for record in world.log if "/commit/" in record.path]


@pytest.mark.parametrize(
    "header",
    [
        RESULT,
        "language: no\nlicense: mit",
        "language: [en, de, multilingual, code]",
        "base_model: [me/a, bert-base-uncased]\ntags: [x]\nunknown_key: {a: 1}",
        "# a comment\nlicense: mit  # another\ndate: 2024-01-01\nx: .nan",
        "a: &a {b: 1}\nc:\n  <<: *a",
    ],
)
def test_a_good_header_is_committed(world: LocalHub, owner: HfApi, header: str) -> None:
    content = card(header).encode()
    owner.create_commit("me/m", [CommitOperationAdd("README.md", content)], commit_message="x")
    assert world.read_file("me/m", "README.md") == content


def test_the_commit_route_checks_headers_too(world: LocalHub, owner: HfApi) -> None:
    bad = CommitOperationAdd("README.md", b"---\na: [\n---\n")
    world.faults.fail("POST", "/api/validate-yaml", 204)  # A client that does not ask.
    with pytest.raises((HfHubHTTPError, ValueError), match=r"Invalid metadata|Expecting value"):
        owner.create_commit("me/m", [bad], commit_message="x")


@pytest.mark.parametrize(
    ("text", "header"),
    [
        ("---\na: 1\n---\nbody", "a: 1"),
        ("\ufeff---\na: 1\n---\n", "a: 1"),
        ("\n\n---\r\na: 1\r\n---  \r\nbody", "a: 1"),
        ("---\na: 1\n---", "a: 1"),
        ("---\na: 1\n\n---\nx\n---\n", "a: 1\n"),
        ("---\na: 1\nno end", None),
        ("--- \na: 1\n---\n", None),
        ("# title\n---\na: 1\n---\n", None),
        ("", None),
    ],
)
def test_where_a_header_begins_and_ends(text: str, header: str | None) -> None:
    assert header_text(text) == header


def test_a_card_without_header_gets_a_warning_only() -> None:
    errors, warnings = check_card("# A model")
    assert (errors, len(warnings)) == ([], 1)


def test_the_word_no_is_a_language() -> None:
    assert parse_header(card("language: no")) == {"language": "no"}


def test_anchors_that_multiply_are_an_error() -> None:
    rows = ["a: &a [x, x, x, x, x, x, x, x, x, x]"]
    rows += [
        f"{b}: &{b} [{', '.join([f'*{a}'] * 10)}]" for a, b in zip("abcdef", "bcdefg", strict=True)
    ]
    errors, _ = check_card(card("\n".join(rows)))
    assert errors == ["Invalid YAML: too many values"]
