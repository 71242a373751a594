"""The pages for people."""

from collections.abc import Callable
from html.parser import HTMLParser

import httpx2
import pytest
from huggingface_hub import CommitInfo, HfApi

from hubbot.localhub.server import LocalHub

EVIL = "<script>alert(1)</script>"
VOID = {"meta", "br", "link", "img", "hr"}


class Page(HTMLParser):
    """Collects text, links and classes, and insists on matching tags."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.links: list[str] = []
        self.classes: list[str] = []
        self.words = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        values = dict(attrs)
        self.links += [values["href"] or ""] if "href" in values else []
        self.classes += (values.get("class") or "").split()
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data


def get(hub: LocalHub, path: str, status: int = 200) -> Page:
    answer = httpx2.get(f"{hub.url}{path}", timeout=10)
    assert answer.status_code == status
    assert answer.headers["content-type"].startswith("text/html")
    return Page(answer.text)


def test_the_first_page_leads_to_a_pull_requests_diff(
    world: LocalHub, propose: Callable[..., CommitInfo]
) -> None:
    propose(b"---\nlicense: mit\n---\n\n# A model\n\nOther words.\n", title="Change words")
    world.add_model("me/secret", {}, private=True)
    front = get(world, "/")
    assert "/me/m/discussions/1" in front.links
    assert "secret" not in front.words
    page = get(world, "/me/m/discussions/1")
    assert {"diff", "add", "del", "hunk", "open"} <= set(page.classes)
    assert "-Words." in page.words
    assert "+Other words." in page.words
    assert "Because." in page.words
    assert "/me/m/discussions/1" in get(world, "/me/m/discussions").links
    assert "Words." in get(world, "/me/m").words


def test_other_peoples_text_is_shown_not_run(
    world: LocalHub, stranger: HfApi, propose: Callable[..., CommitInfo]
) -> None:
    world.commit("me/m", {"README.md": EVIL.encode(), f"{EVIL}.txt": b"x"}, "me", title=EVIL)
    propose(f"# {EVIL}\n".encode(), title=f"Title {EVIL}")
    stranger.comment_discussion("me/m", 1, EVIL)
    for path in ("/", "/me/m", "/me/m/discussions", "/me/m/discussions/1"):
        page = get(world, path)
        assert "script" not in page.tags
        assert EVIL in page.words
    answer = httpx2.get(f"{world.url}/me/m/resolve/main/README.md")
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("path", "status"),
    [("/me/nothing", 401), ("/me/m/discussions/9", 404), ("/me/m?revision=nope", 404)],
)
def test_what_is_not_there_is_said_on_a_page(world: LocalHub, path: str, status: int) -> None:
    assert str(status) in get(world, path, status).words


def test_data_sets_and_conflicts_are_shown(
    world: LocalHub, propose: Callable[..., CommitInfo]
) -> None:
    world.add_dataset("me/d", {"README.md": b"# d\n"})
    assert "# d" in get(world, "/datasets/me/d").words
    propose(b"# one\n")
    world.commit("me/m", {"README.md": b"# two\n"}, "me")
    assert "Conflicts with main in README.md" in get(world, "/me/m/discussions/1").words


def test_an_unknown_api_address_is_no_repository(world: LocalHub) -> None:
    answer = httpx2.get(f"{world.url}/api/agent-harnesses")
    assert (answer.status_code, "X-Error-Code" in answer.headers) == (404, False)
