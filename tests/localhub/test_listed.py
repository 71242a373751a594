"""Models that are nothing but listed: what is answered about them, and what is kept."""

import tracemalloc
from pathlib import Path
from typing import Any

import httpx2
import pytest
from huggingface_hub import CommitOperationAdd, HfApi, hf_hub_download, snapshot_download
from huggingface_hub.errors import (
    DisabledRepoError,
    GatedRepoError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from hubbot.localhub.server import LocalHub

SHA = "abcdef0123" * 4
FILES = [
    {"rfilename": "config.json", "size": 3, "blobId": "b" * 40},
    {
        "rfilename": "model.safetensors",
        "size": 9,
        "blobId": "c" * 40,
        "lfs": {"sha256": "d" * 64, "size": 9, "pointerSize": 130},
    },
]


@pytest.fixture
def api(hub: LocalHub) -> HfApi:
    hub.add_user("me", "hf_me")
    hub.add_listed([{"id": "you/x", "sha": SHA, "siblings": FILES, "likes": 4}])
    return HfApi(token="hf_me")


def test_model_info_gives_the_item(api: HfApi) -> None:
    info = api.model_info("you/x")
    assert (info.sha, info.likes, info.author, info.gated) == (SHA, 4, "you", False)
    assert info.siblings is not None
    assert [(file.rfilename, file.size) for file in info.siblings] == [
        ("config.json", None),
        ("model.safetensors", None),
    ]


def test_model_info_gives_sizes_and_digests_where_asked_for(api: HfApi) -> None:
    siblings = api.model_info("you/x", files_metadata=True).siblings
    assert siblings is not None
    assert [(file.size, file.blob_id) for file in siblings] == [(3, "b" * 40), (9, "c" * 40)]
    assert siblings[1].lfs is not None
    assert (siblings[1].lfs.sha256, siblings[1].lfs.pointer_size) == ("d" * 64, 130)


@pytest.mark.parametrize("revision", ["main", SHA, SHA[:7]])
def test_its_newest_revision_is_known(api: HfApi, revision: str) -> None:
    assert api.model_info("you/x", revision=revision).sha == SHA


def test_no_other_revision_is_known(api: HfApi) -> None:
    with pytest.raises(RevisionNotFoundError, match="Invalid rev id: v1"):
        api.model_info("you/x", revision="v1")


def test_its_files_are_gone(api: HfApi, tmp_path: Path) -> None:
    with pytest.raises(RemoteEntryNotFoundError):
        hf_hub_download("you/x", "config.json", cache_dir=tmp_path)
    with pytest.raises(LocalEntryNotFoundError, match="Got: RemoteEntryNotFoundError"):
        snapshot_download("you/x", cache_dir=tmp_path)
    with pytest.raises(RemoteEntryNotFoundError):
        list(api.list_repo_tree("you/x"))
    with pytest.raises(RemoteEntryNotFoundError):
        list(api.get_repo_discussions("you/x"))
    with pytest.raises(RemoteEntryNotFoundError):
        api.create_commit(
            "you/x", [CommitOperationAdd("a.txt", b"a")], commit_message="A", create_pr=True
        )


def test_a_deleted_one_is_listed_and_not_found(hub: LocalHub, api: HfApi, tmp_path: Path) -> None:
    hub.change_listed("you/x", deleted=True)
    (model,) = api.list_models()
    assert (model.id, model.likes) == ("you/x", 4)
    for call in (
        lambda: api.model_info("you/x"),
        lambda: hf_hub_download("you/x", "config.json", token="hf_me", cache_dir=tmp_path),
        lambda: api.get_discussion_details("you/x", 1),
    ):
        with pytest.raises(RepositoryNotFoundError):
            call()


def test_whether_it_is_deleted_is_not_answered(hub: LocalHub) -> None:
    hub.add_listed([{"id": "you/x", "deleted": False}])
    item = httpx2.get(f"{hub.url}/api/models/you/x").json()
    assert item["id"] == "you/x"
    assert "deleted" not in item


def test_gate_privacy_and_switch_hold_as_for_repositories(
    hub: LocalHub, api: HfApi, tmp_path: Path
) -> None:
    hub.add_listed(
        [
            {"id": "you/gated", "gated": "manual"},
            {"id": "you/secret", "private": True},
            {"id": "you/off", "disabled": True},
        ]
    )
    assert api.model_info("you/gated").gated == "manual"
    with pytest.raises(GatedRepoError):
        hf_hub_download("you/gated", "config.json", token="hf_me", cache_dir=tmp_path)
    with pytest.raises(RepositoryNotFoundError):
        api.model_info("you/secret")
    with pytest.raises(DisabledRepoError):
        api.model_info("you/off")
    listed = {model.id: model.disabled for model in api.list_models(expand=["disabled"])}
    assert listed == {"you/x": False, "you/gated": False, "you/off": True}


def test_defaults_are_what_the_hub_would_derive(hub: LocalHub, api: HfApi) -> None:
    hub.add_listed(
        [
            {
                "id": "you/rich",
                "cardData": {"base_model": "a/b", "language": "en", "license": "mit"},
                "config": {"model_type": "bert", "architectures": ["BertForMaskedLM"]},
                "safetensors": {"parameters": {"F32": 4}, "total": 4},
            }
        ]
    )
    hub.add_model(
        "you/real",
        {
            "README.md": b"---\nbase_model: a/b\nlanguage: en\nlicense: mit\n---\n",
            "config.json": b'{"model_type": "bert", "architectures": ["BertForMaskedLM"]}',
            "model.safetensors": b"",
        },
    )
    listed, real = api.model_info("you/rich"), api.model_info("you/real")
    assert listed.tags == real.tags
    assert (listed.library_name, listed.pipeline_tag) == (real.library_name, real.pipeline_tag)
    assert listed.base_models == real.base_models
    assert listed.transformers_info == real.transformers_info
    assert listed.sha is not None
    assert len(listed.sha) == 40
    assert listed.siblings is not None
    assert [file.rfilename for file in listed.siblings] == [
        *(".gitattributes", "README.md", "config.json", "model.safetensors")
    ]


@pytest.mark.parametrize(
    ("item", "text"),
    [
        ({}, "expected namespace/name as id, found None"),
        ({"id": "a/b/c"}, "expected namespace/name as id, found 'a/b/c'"),
        ({"id": "a/b", "downloads": "many"}, "expected a number as downloads, found 'many'"),
        ({"id": "a/b", "tags": "bert"}, "expected a list as tags, found 'bert'"),
        ({"id": "a/b", "siblings": ["f"]}, "expected mappings with rfilename as siblings"),
        ({"id": "a/b", "createdAt": "soon"}, "expected a time such as .* as createdAt"),
        ({"id": "a/b", "lastModified": "2026-01-01"}, "with its zone, .* as lastModified"),
        ({"id": "me/m"}, "already hold me/m as a repository"),
    ],
)
def test_an_unusable_item_is_refused(hub: LocalHub, item: dict[str, Any], text: str) -> None:
    hub.add_model("me/m", {})
    with pytest.raises(ValueError, match=text):
        hub.add_listed([{"id": "a/good"}, item, {"id": "a/never"}])
    assert [model.id for model in HfApi(token=False).list_models(author="a")] == ["a/good"]


def test_an_id_is_given_once(hub: LocalHub, api: HfApi) -> None:
    with pytest.raises(ValueError, match="already hold you/x"):
        hub.add_model("you/x", {})
    with pytest.raises(KeyError, match="no you/y among the listed models"):
        hub.change_listed("you/y", likes=1)
    hub.add_user("you", "hf_you")
    with pytest.raises(HfHubHTTPError, match="409"):
        HfApi(token="hf_you").create_repo("you/x")
    hub.add_listed([{"id": "you/x", "likes": 5}])
    (model,) = api.list_models()
    assert model.likes == 5


def test_they_are_read_back_without_a_line_that_broke_off(tmp_path: Path) -> None:
    first = LocalHub(folder=tmp_path)
    first.add_listed({"id": f"a/m{number}", "likes": number} for number in range(5))
    first.change_listed("a/m1", likes=10)
    file = tmp_path / "listed.jsonl"
    file.write_bytes(file.read_bytes() + b'{"id": "a/half", "li')
    with LocalHub(folder=tmp_path) as second:
        second.add_listed([{"id": "a/m5", "likes": 5}])
        api = HfApi(endpoint=second.url, token=False)
        likes = [(model.id, model.likes) for model in api.list_models(sort="likes")]
    assert likes[:3] == [("a/m1", 10), ("a/m5", 5), ("a/m4", 4)]
    assert len(likes) == 6
    assert len(LocalHub(folder=tmp_path).state.listed) == 6
    second.reset()
    assert not file.exists()


def test_a_listed_model_takes_some_hundred_bytes_of_memory(tmp_path: Path) -> None:
    hub = LocalHub(folder=tmp_path)
    tracemalloc.start()
    try:
        hub.add_listed(
            {
                "id": f"user{number % 97}/model-{number}",
                "cardData": {"base_model": "a/b", "language": "en", "text": "x" * 2000},
                "config": {"model_type": "bert", "architectures": ["BertForMaskedLM"]},
            }
            for number in range(2000)
        )
        used = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert used / 2000 < 600
