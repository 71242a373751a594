"""Oddities of lists, page by page, and what is left of the list."""

import httpx2
import pytest
from huggingface_hub import HfApi

from hubbot.localhub.server import LocalHub


@pytest.fixture
def shelf(hub: LocalHub) -> LocalHub:
    """Seven models on pages of two, the first the most liked."""
    hub.state.page_size = 2
    hub.add_listed({"id": f"x/{number}", "likes": 9 - number} for number in range(7))
    return hub


def walk(hub: LocalHub) -> list[list[object]]:
    """What each page names, following the links."""
    found, url = [], f"{hub.url}/api/models?sort=likes"
    while url:
        answer = httpx2.get(url)
        found.append([item.get("id") for item in answer.json()])
        url = answer.links.get("next", {}).get("url", "")
    return found


PLAIN = [["x/0", "x/1"], ["x/2", "x/3"], ["x/4", "x/5"], ["x/6"]]


def test_without_orders_a_list_is_plain(shelf: LocalHub) -> None:
    assert walk(shelf) == PLAIN


def test_a_page_begins_with_the_end_of_the_one_before(shelf: LocalHub) -> None:
    shelf.listing_oddities.repeat(3, count=2)
    assert walk(shelf) == [*PLAIN[:2], ["x/2", "x/3", "x/4", "x/5"], PLAIN[3]]
    assert walk(shelf) == PLAIN
    assert shelf.listing_oddities.pending() == 0


def test_the_official_client_passes_duplicates_on(shelf: LocalHub) -> None:
    shelf.listing_oddities.repeat(2)
    found = [model.id for model in HfApi(token=False).list_models(sort="likes")]
    assert found == ["x/0", "x/1", "x/1", "x/2", "x/3", "x/4", "x/5", "x/6"]


@pytest.mark.parametrize("page", [1, 2, 4])
def test_an_empty_page_in_the_middle_leads_on_and_loses_nothing(shelf: LocalHub, page: int) -> None:
    shelf.listing_oddities.empty(page)
    assert walk(shelf) == [*PLAIN[: page - 1], [], *PLAIN[page - 1 :]]


def test_html_comes_once_and_the_same_address_then_gives_the_page(shelf: LocalHub) -> None:
    shelf.listing_oddities.html(2)
    first = httpx2.get(f"{shelf.url}/api/models?sort=likes")
    url = first.links["next"]["url"]
    page = httpx2.get(url)
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert page.text.startswith("<!DOCTYPE html>")
    assert [item["id"] for item in httpx2.get(url).json()] == PLAIN[1]


def test_malformed_items_stand_among_the_others(shelf: LocalHub) -> None:
    shelf.listing_oddities.insert(2, {"modelId": "no id"}, {"id": 7, "tags": None})
    found = httpx2.get(f"{shelf.url}/api/models?sort=likes").links["next"]["url"]
    assert httpx2.get(found).json()[1:3] == [{"modelId": "no id"}, {"id": 7, "tags": None}]


def test_several_oddities_meet_on_one_page(shelf: LocalHub) -> None:
    shelf.listing_oddities.repeat(2)
    shelf.listing_oddities.insert(2, {})
    shelf.listing_oddities.insert(2, {"id": "y"})
    assert walk(shelf)[1] == ["x/1", None, "y", "x/2", "x/3"]


def test_an_oddity_waits_for_its_list_and_comes_as_often_as_ordered(shelf: LocalHub) -> None:
    shelf.listing_oddities.insert(1, {"id": "y"}, times=2, path="sort=likes")
    shelf.listing_oddities.insert(1, {"id": "z"}, times=None, path="author=x")
    assert "y" not in str(httpx2.get(f"{shelf.url}/api/models?sort=downloads").json())
    assert [len(walk(shelf)[0]) for _ in range(3)] == [3, 3, 2]
    assert shelf.listing_oddities.pending() == 1
    shelf.reset()
    assert shelf.listing_oddities.pending() == 0


def test_the_first_page_has_nothing_to_repeat(shelf: LocalHub) -> None:
    with pytest.raises(ValueError, match="expected a page from 2 on, found 1"):
        shelf.listing_oddities.repeat(1)
