"""From what a user typed to a pinned repository."""

import hashlib
from typing import Any

import pytest
from huggingface_hub import HfApi, ModelInfo

from hubbot.errors import RemoteError, SettingsError
from hubbot.hub.checkpoints import (
    declared_base_models,
    read_info,
    resolve_checkpoint,
    split_revision,
)
from hubbot.hub.client import Backoff, make_api

CARD = b"---\nbase_model: FacebookAI/roberta-base\ntags: [mnli]\n---\n"


@pytest.fixture
def api(hub: Any) -> HfApi:
    hub.add_user("ann", "hf_ann")
    hub.add_user("bot", "hf_bot")
    return make_api("hf_bot", timeout_s=5.0)


def test_a_branch_is_pinned_to_its_commit(hub: Any, api: HfApi, quick: Backoff) -> None:
    files = {"README.md": CARD, "config.json": b"{}", "model.safetensors": b"x" * 50}
    head = hub.add_model("ann/m", files)
    remote = resolve_checkpoint("ann/m", api=api, backoff=quick)
    assert (remote.model, remote.revision, remote.owner) == ("ann/m", head, "ann")
    assert (remote.is_private, remote.is_gated, remote.is_disabled) == (False, False, False)
    assert {file.path: file.size for file in remote.files} == {
        name: len(content) for name, content in files.items()
    }
    assert remote.base_models == ("FacebookAI/roberta-base",)
    assert "mnli" in remote.tags
    assert len(hub.log) == 1


def test_large_files_come_with_their_digest(hub: Any, api: HfApi, quick: Backoff) -> None:
    hub.add_model("ann/m", {"config.json": b"{}", "model.safetensors": b"x" * 50})
    remote = resolve_checkpoint("ann/m", api=api, backoff=quick)
    digests = {file.path: file.sha256 for file in remote.files}
    assert digests["config.json"] is None
    assert digests["model.safetensors"] == hashlib.sha256(b"x" * 50).hexdigest()


def test_an_older_revision_is_taken_where_it_is_named(hub: Any, api: HfApi, quick: Backoff) -> None:
    first = hub.add_model("ann/m", {"config.json": b"{}"})
    hub.commit("ann/m", {"config.json": b"{ }"}, "ann")
    assert resolve_checkpoint(f"ann/m@{first}", api=api, backoff=quick).revision == first
    assert resolve_checkpoint("ann/m", revision=first, api=api, backoff=quick).revision == first
    assert resolve_checkpoint("ann/m@main", api=api, backoff=quick).revision == hub.head("ann/m")


def test_a_renamed_model_goes_by_its_new_name(
    hub: Any, api: HfApi, quick: Backoff, caplog: pytest.LogCaptureFixture
) -> None:
    hub.add_model("roberta-base", {"config.json": b"{}"})
    hub.rename("roberta-base", "FacebookAI/roberta-base")
    remote = resolve_checkpoint("roberta-base", api=api, backoff=quick)
    assert (remote.model, remote.owner) == ("FacebookAI/roberta-base", "FacebookAI")
    assert "roberta-base is called FacebookAI/roberta-base on the Hub now" in caplog.text


def test_the_oldest_ids_have_no_owner(hub: Any, api: HfApi, quick: Backoff) -> None:
    hub.add_model("gpt2", {"config.json": b"{}"})
    assert resolve_checkpoint("gpt2", api=api, backoff=quick).owner == ""


@pytest.mark.parametrize("typed", ["ann/my-modle", "annn/my-model", "ann/my_model"])
def test_a_typo_names_the_near_id(hub: Any, api: HfApi, quick: Backoff, typed: str) -> None:
    hub.add_model("ann/my-model", {"config.json": b"{}"})
    hub.add_model("ann/other", {"config.json": b"{}"})
    with pytest.raises(RemoteError, match=r"did you mean ann/my-model\?") as caught:
        resolve_checkpoint(typed, api=api, backoff=quick)
    assert caught.value.kind == "not_found"
    assert str(caught.value).startswith(f"model {typed}: ")


def test_a_typo_near_the_catalog_is_named_too(hub: Any, api: HfApi, quick: Backoff) -> None:
    with pytest.raises(RemoteError, match=r"did you mean FacebookAI/roberta-base\?"):
        resolve_checkpoint(
            "FacebokAI/roberta-base", api=api, known=["FacebookAI/roberta-base"], backoff=quick
        )


def test_a_model_unlike_any_other_is_just_not_found(hub: Any, api: HfApi, quick: Backoff) -> None:
    hub.add_model("ann/my-model", {"config.json": b"{}"})
    with pytest.raises(RemoteError, match="no such repository") as caught:
        resolve_checkpoint("zed/xyzzy", api=api, backoff=quick)
    assert "did you mean" not in str(caught.value)


def test_a_suggestion_that_fails_does_not_hide_the_error(
    hub: Any, api: HfApi, quick: Backoff
) -> None:
    hub.faults.fail("GET", r"/api/models\?", 400, times=None)
    with pytest.raises(RemoteError, match="no such repository"):
        resolve_checkpoint("ann/m", api=api, backoff=quick)


def test_a_private_model_looks_like_none_to_strangers(hub: Any, api: HfApi, quick: Backoff) -> None:
    hub.add_model("ann/m", {"config.json": b"{}"}, private=True)
    with pytest.raises(RemoteError, match="or a private one that this token does not open"):
        resolve_checkpoint("ann/m", api=api, backoff=quick)
    with pytest.raises(RemoteError, match="or a private one"):
        resolve_checkpoint("ann/m", api=make_api(None, timeout_s=5.0), backoff=quick)
    owner = make_api("hf_ann", timeout_s=5.0)
    assert resolve_checkpoint("ann/m", api=owner, backoff=quick).is_private


def test_a_gated_model_is_recognised(hub: Any, api: HfApi, quick: Backoff) -> None:
    hub.add_model("ann/m", {"config.json": b"{}"}, gated="manual")
    assert resolve_checkpoint("ann/m", api=api, backoff=quick).is_gated


def test_a_disabled_model_is_refused(hub: Any, api: HfApi, quick: Backoff) -> None:
    hub.add_model("ann/m", {"config.json": b"{}"}, disabled=True)
    with pytest.raises(RemoteError, match="disabled this repository") as caught:
        resolve_checkpoint("ann/m", api=api, backoff=quick)
    assert caught.value.kind == "disabled"


def test_a_revision_that_is_not_there_is_named(hub: Any, api: HfApi, quick: Backoff) -> None:
    hub.add_model("ann/m", {"config.json": b"{}"})
    with pytest.raises(RemoteError, match=r"model ann/m at v9: .*this revision of it is not"):
        resolve_checkpoint("ann/m@v9", api=api, backoff=quick)


def test_a_wrong_token_is_named(hub: Any, api: HfApi, quick: Backoff) -> None:
    hub.add_model("ann/m", {"config.json": b"{}"})
    with pytest.raises(RemoteError, match="token is missing, wrong or expired") as caught:
        resolve_checkpoint("ann/m", api=make_api("hf_wrong", timeout_s=5.0), backoff=quick)
    assert caught.value.kind == "unauthorised"


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "a/b/c",
        "-a/b",
        "a/b.git",
        "a--b/c",
        "a/..",
        "../etc/passwd",
        "a b/c",
        "a/b\n",
        "https://huggingface.co/a/b",
        "a/" + "x" * 200,
        "a/b@",
        "a/b@ main",
        "a/b@\x1b[2J",
    ],
)
def test_what_cannot_be_an_id_is_refused_without_asking(hub: Any, typed: str) -> None:
    with pytest.raises(SettingsError, match="expected") as caught:
        split_revision(typed)
    assert str(caught.value).isprintable()
    assert len(hub.log) == 0


def test_two_revisions_that_disagree_are_refused() -> None:
    assert split_revision("a/b@v1", "v1") == ("a/b", "v1")
    with pytest.raises(SettingsError, match="disagree"):
        split_revision("a/b@v1", "v2")


@pytest.mark.parametrize(
    ("declared", "tags", "expected"),
    [
        (None, [], ()),
        ("a/b", [], ("a/b",)),
        (["a/b", "c/d", "a/b"], [], ("a/b", "c/d")),
        (["a/b", 7, None, {"x": 1}], [], ("a/b",)),
        ({"name": "a/b"}, [], ()),
        ("not an id!", ["base_model:also not"], ()),
        (
            None,
            ["base_model:a/b", "base_model:finetune:a/b", "base_model:merge:c/d"],
            ("a/b", "c/d"),
        ),
        (None, ["base_model:"], ()),
        ("roberta-base", ["dataset:nli"], ("roberta-base",)),
    ],
)
def test_base_models_are_collected_from_card_and_tags(
    declared: object, tags: list[str], expected: tuple[str, ...]
) -> None:
    assert declared_base_models(declared, tags) == expected


def described(**answer: Any) -> ModelInfo:
    return ModelInfo(**answer)  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("sha", [None, "main", "A" * 40, "../" + "a" * 37])
def test_an_answer_without_a_commit_hash_is_refused(sha: str | None) -> None:
    with pytest.raises(RemoteError, match="no commit hash"):
        read_info(described(id="a/b", sha=sha))


def test_an_answer_with_another_name_than_an_id_is_refused() -> None:
    with pytest.raises(RemoteError, match="not an id of the Hub"):
        read_info(described(id="../../x", sha="a" * 40))


def test_a_file_without_a_size_is_refused() -> None:
    info = described(id="a/b", sha="a" * 40, siblings=[{"rfilename": "config.json"}])
    with pytest.raises(RemoteError, match="a/b"):
        read_info(info)


def test_odd_tags_are_left_out() -> None:
    info = described(id="a/b", sha="a" * 40, tags=["en", 7, None])
    assert read_info(info).tags == ("en",)
