"""Accounts, repositories and lists through the official client."""

import json
import struct
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from huggingface_hub import CommitInfo, HfApi
from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError, RevisionNotFoundError

from hubbot.localhub.server import LocalHub


def safetensors(**shapes: list[int]) -> bytes:
    """A file with tensors of zeros."""
    header, position = {}, 0
    for name, shape in shapes.items():
        size = 4
        for length in shape:
            size *= length
        header[name] = {
            "dtype": "F32",
            "shape": shape,
            "data_offsets": [position, position + size],
        }
        position += size
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + bytes(position)


def test_whoami_names_account_organisations_and_role(world: LocalHub, reader: HfApi) -> None:
    world.add_org("team", ["bot"])
    answer = reader.whoami()
    assert answer["name"] == "bot"
    assert [org["name"] for org in answer["orgs"]] == ["team"]
    assert answer["auth"]["accessToken"]["role"] == "read"


def test_a_wrong_token_is_refused_everywhere(world: LocalHub) -> None:
    api = HfApi(token="hf_wrong")
    for call in (api.whoami, lambda: api.model_info("me/m"), lambda: list(api.list_models())):
        with pytest.raises(HfHubHTTPError, match=r"401|Invalid user token"):
            call()


def test_create_repo_twice_gives_the_same_address(world: LocalHub, owner: HfApi) -> None:
    first = owner.create_repo("fresh", private=True)
    assert first.repo_id == "me/fresh"
    assert world.files("me/fresh") == (".gitattributes",)
    with pytest.raises(HfHubHTTPError, match="409"):
        owner.create_repo("me/fresh")
    assert owner.create_repo("me/fresh", exist_ok=True) == first


@pytest.mark.parametrize("repo_id", ["me/x", "nobody/x", "team/x"])
def test_create_repo_under_someone_else_is_refused(
    world: LocalHub, stranger: HfApi, repo_id: str
) -> None:
    world.add_org("team", ["me"])
    with pytest.raises(HfHubHTTPError, match="403 Forbidden: You don't have the rights"):
        stranger.create_repo(repo_id)


def test_model_info_derives_what_the_hub_derives(world: LocalHub, nobody: HfApi) -> None:
    readme = (
        b"---\nlicense: mit\nlanguage: [en, de]\ndatasets: [nyu-mll/multi_nli]\n"
        b"base_model: google-bert/bert-base-uncased\ntags: [mine]\n"
        b"model-index:\n- name: m\n  results: []\n---\n# hi\n"
    )
    config = b'{"model_type": "bert", "architectures": ["BertForSequenceClassification"]}'
    created = datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)
    world.add_model(
        "me/rich",
        {
            "README.md": readme,
            "config.json": config,
            "model.safetensors": safetensors(a=[3, 4], b=[5]),
        },
        created=created,
        likes=3,
        downloads=11,
    )
    info = nobody.model_info("me/rich", files_metadata=True)
    assert info.tags is not None
    assert {
        *("transformers", "safetensors", "bert", "text-classification", "en", "de", "mine"),
        *("dataset:nyu-mll/multi_nli", "license:mit", "model-index", "region:us"),
        "base_model:google-bert/bert-base-uncased",
        "base_model:finetune:google-bert/bert-base-uncased",
    } == set(info.tags)
    assert (info.pipeline_tag, info.library_name) == ("text-classification", "transformers")
    assert (info.created_at, info.likes, info.downloads) == (created, 3, 11)
    assert (info.author, info.private, info.gated, info.disabled) == ("me", False, False, False)
    assert info.card_data is not None
    assert info.card_data.base_model == "google-bert/bert-base-uncased"
    assert info.config is not None
    assert info.config["architectures"] == ["BertForSequenceClassification"]
    assert info.safetensors is not None
    assert info.safetensors.total == 17
    assert info.siblings is not None
    weights = {sibling.rfilename: sibling for sibling in info.siblings}["model.safetensors"]
    assert weights.lfs is not None
    assert (weights.size, weights.lfs.size) == (weights.lfs.size, len(safetensors(a=[3, 4], b=[5])))


def test_model_info_with_expand_gives_what_was_asked_for(nobody: HfApi) -> None:
    info = nobody.model_info("me/m", expand=["gated", "cardData"])
    assert info.card_data is not None
    assert (info.card_data.license, info.gated, info.tags) == ("mit", False, None)


@pytest.mark.parametrize(
    "content", [b"", b"\x05", struct.pack("<Q", 10**9), struct.pack("<Q", 4) + b"[[1]"]
)
def test_broken_safetensors_do_not_break_the_answer(
    world: LocalHub, nobody: HfApi, content: bytes
) -> None:
    world.add_model("me/broken", {"model.safetensors": content, "config.json": b"not JSON"})
    info = nobody.model_info("me/broken")
    assert (info.safetensors, info.config) == (None, None)


def test_a_malformed_header_leaves_the_card_data_empty(world: LocalHub, nobody: HfApi) -> None:
    world.add_model("me/bad", {"README.md": b"---\na: 1\na: 2\n---\n"})
    assert nobody.model_info("me/bad").card_data is None


@pytest.mark.parametrize(
    "revision", ["main", "refs/pr/1", "refs/heads/main", "full hash", "short hash"]
)
def test_every_way_to_name_a_revision(
    world: LocalHub, nobody: HfApi, propose: Callable[..., CommitInfo], revision: str
) -> None:
    propose(b"# other\n")
    head = world.head("me/m")
    known = {"full hash": head, "short hash": head[:8]}
    sha = nobody.model_info("me/m", revision=known.get(revision, revision)).sha
    assert (sha == head) == (revision != "refs/pr/1")


def test_an_unknown_revision_is_named(nobody: HfApi) -> None:
    with pytest.raises(RevisionNotFoundError, match="Invalid rev id: nope"):
        nobody.model_info("me/m", revision="nope")


def test_a_bare_name_is_a_repository(world: LocalHub, nobody: HfApi) -> None:
    world.add_model("gpt2", {"config.json": b'{"model_type": "gpt2"}'})
    assert nobody.model_info("gpt2").author is None
    assert nobody.list_repo_files("gpt2") == ["config.json"]
    assert nobody.list_repo_refs("gpt2").branches[0].target_commit == world.head("gpt2")


def titles(api: HfApi, revision: str) -> list[str]:
    return [commit.title for commit in api.list_repo_commits("me/m", revision=revision)]


def test_refs_and_commits(
    world: LocalHub, owner: HfApi, nobody: HfApi, propose: Callable[..., CommitInfo]
) -> None:
    propose(b"# other\n")
    owner.create_branch("me/m", branch="feature/x")
    owner.create_tag("me/m", tag="v1")
    refs = nobody.list_repo_refs("me/m", include_pull_requests=True)
    assert {ref.ref for ref in refs.branches} == {"refs/heads/main", "refs/heads/feature/x"}
    assert [ref.ref for ref in refs.tags] == ["refs/tags/v1"]
    assert [ref.ref for ref in refs.pull_requests or []] == ["refs/pr/1"]
    world.commit("me/m", {"a.txt": b"a"}, "me", title="Second")
    assert titles(nobody, "main") == ["Second", "initial commit"]
    assert titles(nobody, "feature/x") == ["initial commit"]
    assert titles(nobody, "refs/pr/1") == ["Edit card", "initial commit"]


@pytest.fixture
def shelf(world: LocalHub) -> LocalHub:
    """Thirty models, the later the more liked."""
    for number in range(30):
        base = "google-bert/bert-base-uncased" if number % 3 else "FacebookAI/roberta-base"
        world.add_model(
            f"lib/{'odd' if number % 2 else 'even'}-{number:02d}",
            {"README.md": f"---\nbase_model: {base}\nlicense: mit\n---\n".encode()},
            created=datetime(2024, 1, 1 + number, tzinfo=UTC),
            likes=number,
        )
    return world


def test_lists_are_paged_by_links(shelf: LocalHub, nobody: HfApi) -> None:
    shelf.state.page_size = 7
    found = [model.id for model in nobody.list_models(author="lib")]
    assert len(found) == len(set(found)) == 30
    assert sum(record.path == "/api/models" for record in shelf.log) == 5


def test_lists_are_filtered_sorted_and_cut(shelf: LocalHub, nobody: HfApi) -> None:
    roberta = "base_model:FacebookAI/roberta-base"
    found = list(
        nobody.list_models(filter=[roberta, "license:mit"], search="ODD", sort="created_at")
    )
    assert [model.id for model in found] == [f"lib/odd-{n:02d}" for n in (27, 21, 15, 9, 3)]
    top = list(nobody.list_models(author="lib", sort="likes", limit=2, full=True))
    assert [(model.id, model.likes) for model in top] == [("lib/odd-29", 29), ("lib/even-28", 28)]
    assert top[0].sha == shelf.head("lib/odd-29")
    assert not list(nobody.list_models(filter="license:apache-2.0"))
    card = next(iter(nobody.list_models(author="lib", expand=["cardData"], sort="created_at")))
    assert card.card_data is not None


def test_private_and_disabled_models_are_not_listed(
    world: LocalHub, owner: HfApi, stranger: HfApi
) -> None:
    world.add_model("me/secret", {}, private=True)
    world.add_model("me/off", {}, disabled=True)
    world.add_model("me/gated", {}, gated="auto")
    assert {model.id for model in stranger.list_models()} == {"me/m", "me/gated"}
    assert {model.id for model in owner.list_models()} == {"me/m", "me/gated", "me/secret"}
    assert [model.id for model in stranger.list_models(gated=True)] == ["me/gated"]


def test_move_and_delete(world: LocalHub, owner: HfApi, stranger: HfApi) -> None:
    with pytest.raises(HfHubHTTPError, match="403"):
        stranger.delete_repo("me/m")
    owner.move_repo("me/m", "me/n")
    assert stranger.model_info("me/m").id == "me/n"
    owner.delete_repo("me/n")
    with pytest.raises(RepositoryNotFoundError):
        stranger.model_info("me/n")
