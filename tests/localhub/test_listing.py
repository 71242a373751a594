"""Lists of models through the official client: what is found, in which order, on which page."""

import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
from huggingface_hub import HfApi

from hubbot.localhub.limits import RateLimits
from hubbot.localhub.server import LocalHub

START = datetime(2026, 1, 1, tzinfo=UTC)
BERT = "google-bert/bert-base-uncased"
KEYS: list[Any] = ["createdAt", "lastModified", "sha", "tags", "cardData", "config", "safetensors"]


def items(count: int, owner: str = "lib") -> Iterator[dict[str, Any]]:
    """Listed models, the later the newer."""
    for number in range(count):
        yield {
            "id": f"{owner}/m{number:04d}",
            "lastModified": START + timedelta(minutes=number),
            "cardData": {"base_model": BERT, "language": "en"},
            "config": {"model_type": "bert" if number % 2 else "roberta"},
        }


def pages(hub: LocalHub, query: str = "") -> list[list[str]]:
    """The ids of each page, by plain HTTP."""
    found, url = [], f"{hub.url}/api/models?sort=lastModified{query}"
    while url:
        answer = httpx2.get(url, timeout=10)
        assert answer.status_code == 200
        found.append([item["id"] for item in answer.json()])
        url = answer.links.get("next", {}).get("url", "")
    return found


def flat(found: list[list[str]]) -> list[str]:
    return [repo_id for page in found for repo_id in page]


@pytest.fixture
def nobody(hub: LocalHub) -> HfApi:
    return HfApi(token=False)


def test_listed_models_and_repositories_are_in_one_list(hub: LocalHub, nobody: HfApi) -> None:
    hub.state.page_size = 4
    hub.add_listed(items(7))
    for number in range(3):
        created = START + timedelta(minutes=2 * number, seconds=30)
        hub.add_model(f"lib/r{number}", {"config.json": b"{}"}, created=created)
    found = [model.id for model in nobody.list_models(sort="last_modified", expand=KEYS)]
    names = ["m0006", "m0005", "r2", "m0004", "m0003", "r1", "m0002", "m0001", "r0", "m0000"]
    assert found == [f"lib/{name}" for name in names]
    assert sum(record.path == "/api/models" for record in hub.log) == 3


def test_expanded_facts_come_without_another_call(hub: LocalHub, nobody: HfApi) -> None:
    hub.add_listed(
        [
            {
                "id": "you/x",
                "sha": "a" * 40,
                "createdAt": "2025-02-03T04:05:06Z",
                "lastModified": "2025-03-03T04:05:06.789Z",
                "cardData": {"base_model": BERT},
                "config": {"model_type": "bert", "architectures": ["BertForMaskedLM"]},
                "safetensors": {"parameters": {"F32": 12}, "total": 12},
            }
        ]
    )
    (model,) = nobody.list_models(expand=[*KEYS, "library_name", "pipeline_tag", "gated"])
    assert (model.sha, model.gated) == ("a" * 40, False)
    assert model.created_at == datetime(2025, 2, 3, 4, 5, 6, tzinfo=UTC)
    assert model.last_modified == datetime(2025, 3, 3, 4, 5, 6, 789000, tzinfo=UTC)
    assert (model.library_name, model.pipeline_tag) == ("transformers", "fill-mask")
    assert model.config == {"model_type": "bert", "architectures": ["BertForMaskedLM"]}
    assert model.safetensors is not None
    assert model.safetensors.total == 12
    assert model.card_data is not None
    assert model.card_data.base_model == BERT
    assert model.downloads is None
    assert [record.path for record in hub.log] == ["/api/models"]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({"filter": "bert"}, ["1", "3"]),
        ({"filter": ["bert", f"base_model:finetune:{BERT}"]}, ["1", "3"]),
        ({"filter": ["bert", "roberta"]}, []),
        ({"filter": f"base_model:adapter:{BERT}"}, []),
        ({"filter": "safetensors"}, ["3"]),
        ({"author": "lib"}, ["0", "1", "2"]),
        ({"author": "li"}, []),
        ({"search": "OTHER/"}, ["3"]),
        ({"gated": True}, ["2"]),
        ({"gated": False}, ["0", "1", "3"]),
        ({"pipeline_tag": "text-classification"}, ["3"]),
        ({"filter": "en", "author": "lib", "search": "1"}, ["1"]),
    ],
)
def test_filters_are_joined_by_and(
    hub: LocalHub, nobody: HfApi, wanted: dict[str, Any], found: list[str]
) -> None:
    hub.add_listed(items(3))
    hub.change_listed("lib/m0002", gated="manual")
    more = {
        "id": "other/m0003",
        "cardData": {"base_model": BERT},
        "config": {"model_type": "bert", "architectures": ["BertForSequenceClassification"]},
        "safetensors": {"total": 5},
    }
    hub.add_listed([more])
    models = nobody.list_models(**wanted)
    assert sorted(model.id[-1] for model in models) == found


@pytest.mark.parametrize(
    ("sort", "order"),
    [
        ("last_modified", "cab"),
        ("created_at", "bca"),
        ("downloads", "acb"),
        ("likes", "abc"),
        ("trending_score", "cba"),
    ],
)
def test_the_highest_comes_first_and_ties_follow_the_alphabet(
    hub: LocalHub, nobody: HfApi, sort: Any, order: str
) -> None:
    facts: Mapping[str, tuple[int, int, int, int]] = {
        "b": (1, 3, 1, 0),
        "a": (2, 1, 3, 0),
        "c": (3, 2, 2, 0),
    }
    trending = {"a": 0.5, "b": 1, "c": 1.5}
    hub.add_listed(
        {
            "id": f"x/{name}",
            "lastModified": START + timedelta(days=modified),
            "createdAt": START + timedelta(days=created),
            "downloads": downloads,
            "likes": likes,
            "trendingScore": trending[name],
        }
        for name, (modified, created, downloads, likes) in facts.items()
    )
    assert "".join(model.id[-1] for model in nobody.list_models(sort=sort)) == order


def test_pages_take_the_limit_and_no_more_than_the_hubs_size(hub: LocalHub) -> None:
    hub.state.page_size = 4
    hub.add_listed(items(9))
    assert [len(page) for page in pages(hub)] == [4, 4, 1]
    assert [len(page) for page in pages(hub, "&limit=3")] == [3, 3, 3]
    assert [len(page) for page in pages(hub, "&limit=100")] == [4, 4, 1]


def test_a_model_modified_between_two_pages_comes_once(hub: LocalHub) -> None:
    hub.state.page_size = 3
    hub.add_listed(items(8))
    hub.add_model("lib/r", {"a.txt": b"a"}, created=START)
    first = httpx2.get(f"{hub.url}/api/models?sort=lastModified")
    hub.change_listed("lib/m0001", lastModified="2027-01-01T00:00:00Z")
    hub.commit("lib/r", {"a.txt": b"b"}, "lib")
    found, answer = [item["id"] for item in first.json()], first
    while "next" in answer.links:
        answer = httpx2.get(answer.links["next"]["url"])
        found += [item["id"] for item in answer.json()]
    assert sorted(found) == ["lib/r" if n == 8 else f"lib/m{n:04d}" for n in range(9)]
    assert flat(pages(hub))[:2] == ["lib/m0001", "lib/r"]


def test_a_list_that_follows_changes_misses_what_moved_to_its_front(hub: LocalHub) -> None:
    hub.state.page_size = 3
    hub.listing_oddities.follow_changes = True
    hub.add_listed(items(8))
    first = httpx2.get(f"{hub.url}/api/models?sort=lastModified")
    hub.change_listed("lib/m0001", lastModified="2027-01-01T00:00:00Z")
    second = httpx2.get(first.links["next"]["url"])
    third = httpx2.get(second.links["next"]["url"])
    assert [item["id"] for item in second.json()] == ["lib/m0004", "lib/m0003", "lib/m0002"]
    assert [item["id"] for item in third.json()] == ["lib/m0000"]


def test_a_model_deleted_between_two_pages_leaves_a_gap(hub: LocalHub) -> None:
    hub.state.page_size = 2
    for name in "abcd":
        hub.add_model(f"x/{name}", {})
    first = httpx2.get(f"{hub.url}/api/models?sort=likes")
    hub.delete_repository("x/b")
    hub.delete_repository("x/c")
    second = httpx2.get(first.links["next"]["url"])
    assert [item["id"] for item in second.json()] == ["x/d"]


def test_a_cursor_outlives_the_server(tmp_path: Any) -> None:
    with LocalHub(folder=tmp_path) as first:
        first.add_listed(items(5))
        answer = httpx2.get(f"{first.url}/api/models?sort=lastModified&limit=2")
        link = answer.links["next"]["url"].removeprefix(first.url)
    with LocalHub(folder=tmp_path) as second:
        answer = httpx2.get(second.url + link)
        assert [item["id"] for item in answer.json()] == ["lib/m0002", "lib/m0001"]


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("cursor=x", "Invalid cursor"),
        ("cursor=e30=", "Invalid cursor"),
        ("sort=size", '"sort" must be one of lastModified'),
        ("expand=weights", "\"expand\" must be one of author.*, not 'weights'"),
    ],
)
def test_what_the_hub_does_not_know_is_refused(hub: LocalHub, query: str, text: str) -> None:
    answer = httpx2.get(f"{hub.url}/api/models?{query}")
    assert answer.status_code == 400
    assert re.match(text, answer.json()["error"])


def test_private_listed_models_are_shown_to_their_owners(hub: LocalHub, nobody: HfApi) -> None:
    hub.add_user("me", "hf_me")
    hub.add_listed([{"id": "me/secret", "private": True}, {"id": "me/open"}])
    assert [model.id for model in nobody.list_models()] == ["me/open"]
    assert len(list(HfApi(token="hf_me").list_models())) == 2


def test_repositories_are_described_once_while_they_do_not_change(hub: LocalHub) -> None:
    card = b"---\nlicense: mit\n---\n"
    hub.add_model("me/a", {"README.md": card})
    hub.add_model("me/b", {"README.md": b"---\nlicense: cc\n---\n"})
    assert len(flat(pages(hub))) == 2
    # Were the cards read for every page, the next one would be an error 500.
    for file in (hub.folder / "blobs").glob("*/*"):
        file.unlink()
    assert len(flat(pages(hub))) == 2
    hub.commit("me/b", {"README.md": b"---\nlicense: apache-2.0\n---\n"}, "me")
    assert flat(pages(hub, "&filter=license:apache-2.0")) == ["me/b"]
    hub.configure("me/b", private=True)
    assert flat(pages(hub)) == ["me/a"]


def test_every_page_counts_against_the_api_and_says_what_is_left(hub: LocalHub) -> None:
    moment = datetime(2026, 1, 1, 0, 1, 40, tzinfo=UTC)
    hub.state.clock = lambda: moment
    hub.add_listed(items(5))
    hub.rate_limits = RateLimits(api=3)
    left, url = [], f"{hub.url}/api/models?limit=2"
    while url:
        answer = httpx2.get(url)
        left.append(answer.headers["RateLimit"])
        assert answer.headers["RateLimit-Policy"] == '"fixed window";"api";q=3;w=300'
        url = answer.links.get("next", {}).get("url", "")
    assert left == [f'"api";r={number};t=201' for number in (2, 1, 0)]
    refused = httpx2.get(f"{hub.url}/api/models/lib/m0001")
    assert (refused.status_code, refused.headers["RateLimit"]) == (429, '"api";r=0;t=201')
    # Another allowance; and refusals and faults carry the headers, too.
    missing = httpx2.get(f"{hub.url}/lib/m0001/resolve/main/config.json")
    assert (missing.status_code, missing.headers["RateLimit"]) == (404, '"resolvers";r=4999;t=201')
    hub.rate_limits = RateLimits(api=3)
    hub.faults.html("GET", "/api/models")
    assert httpx2.get(f"{hub.url}/api/models").headers["RateLimit"] == '"api";r=2;t=201'


@pytest.mark.parametrize("status", [200, 503])
def test_html_instead_of_a_list_can_be_ordered(hub: LocalHub, nobody: HfApi, status: int) -> None:
    hub.faults.html("GET", "/api/models[?]limit=7", status)
    answer = httpx2.get(f"{hub.url}/api/models?limit=7")
    assert (answer.status_code, answer.headers["content-type"]) == (
        status,
        "text/html; charset=utf-8",
    )
    with pytest.raises(json.JSONDecodeError, match="Expecting value"):
        answer.json()
    assert (hub.log[-1].status, hub.log[-1].fault) == (status, f"html {status} before")
    assert list(nobody.list_models(limit=7)) == []


def test_an_empty_answer_can_be_ordered_after_the_effect(hub: LocalHub) -> None:
    hub.add_user("me", "hf_me")
    hub.faults.empty("POST", "/api/repos/create", when="after")
    with pytest.raises(json.JSONDecodeError, match="Expecting value"):
        HfApi(token="hf_me").create_repo("me/new")
    assert hub.files("me/new") == (".gitattributes",)
    assert hub.log[-1].fault == "empty 200 after"
