"""The Hub checks the headers of data sets by other rules than those of models."""

import json

import pytest
from huggingface_hub import CommitOperationAdd, HfApi, get_session

from hubbot.localhub.cards import check_card
from hubbot.localhub.server import LocalHub

BAD = [
    ("task_categories: text-classification", '"task_categories" must be an array'),
    ("task_ids: {a: b}", '"task_ids" must be an array'),
    ("task_ids: [1]", '"task_ids" must be a string'),
    ("languages: [en]", '"languages" is deprecated. Use "language" instead.'),
    ("licenses: [mit]", '"licenses" is deprecated. Use "license" instead.'),
    ("pretty_name: [A]", '"pretty_name" must be a string'),
    ("configs: default", '"configs" must be an array'),
    ("configs: [default]", '"configs[0]" must be an object'),
    ("configs:\n- data_files: x.csv", '"configs[0].config_name" is required'),
    ("language: English", '"language" with value "English"'),
    ("tags: [1]", '"tags" must be a string'),
]


def card(header: str) -> str:
    return f"---\n{header}\n---\n\n# Data\n"


@pytest.mark.parametrize(("header", "message"), BAD)
def test_a_bad_header_is_refused_before_anything_is_committed(
    world: LocalHub, owner: HfApi, header: str, message: str
) -> None:
    world.add_dataset("me/d", {"README.md": b"# d\n"})
    with pytest.raises(ValueError, match=r"Invalid metadata in README\.md") as caught:
        owner.create_commit(
            "me/d",
            [CommitOperationAdd("README.md", card(header).encode())],
            commit_message="x",
            repo_type="dataset",
        )
    assert message in str(caught.value)
    assert not [record for record in world.log if "/commit/" in record.path]


def test_the_commit_route_checks_headers_too(world: LocalHub, owner: HfApi) -> None:
    """For a client that does not ask before."""
    head = world.add_dataset("me/d", {"README.md": b"# d\n"})
    lines = [
        {"key": "header", "value": {"summary": "x"}},
        {"key": "file", "value": {"path": "README.md", "content": card(BAD[0][0])}},
    ]
    answer = get_session().post(
        f"{world.url}/api/datasets/me/d/commit/main",
        content="\n".join(map(json.dumps, lines)),
        headers={"Content-Type": "application/x-ndjson", "Authorization": f"Bearer {owner.token}"},
    )
    assert answer.status_code == 400
    assert BAD[0][1] in answer.json()["error"]
    assert world.head("me/d", kind="datasets") == head


@pytest.mark.parametrize(
    "header",
    [
        "license: cc-by-4.0\nlanguage: [en]\ntask_categories: [text-classification]",
        "configs:\n- config_name: default\n  data_files: [{split: train, path: data/*}]",
        "dataset_info: {features: [{name: text, dtype: string}]}\npretty_name: A",
        "model-index: whatever\nbase_model: /home/me",
    ],
)
def test_a_good_header_is_committed(world: LocalHub, owner: HfApi, header: str) -> None:
    world.add_dataset("me/d", {"README.md": b"# d\n"})
    content = card(header).encode()
    owner.create_commit(
        "me/d",
        [CommitOperationAdd("README.md", content)],
        commit_message="x",
        repo_type="dataset",
    )
    assert world.read_file("me/d", "README.md", kind="datasets") == content


def test_the_rules_of_one_kind_are_not_those_of_the_other() -> None:
    index, task = card("model-index: 7"), card("task_ids: x")
    assert [bool(check_card(text, "models")[0]) for text in (index, task)] == [True, False]
    assert [bool(check_card(text, "datasets")[0]) for text in (index, task)] == [False, True]
