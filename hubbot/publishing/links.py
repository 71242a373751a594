"""Who runs the bot and where its pages are: what an operator configures."""

import re
from dataclasses import dataclass

from hubbot.errors import SettingsError
from hubbot.publishing.markdown import escape

_URL = re.compile(r"https?://[^\s<>\"'`()\\|\x00-\x20\x7f-\uffff]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Links:
    """Addresses printed on cards and in pull requests; a sentence without its address is left out.

    Raises:
        SettingsError: If an address is not one that can stand in Markdown as it is.
    """

    homepage: str = ""
    """Page about hubbot."""
    ranking_url: str = ""
    """Page with the live ranking."""
    operator: str = ""
    """Who runs this bot, in words."""
    contact: str = ""
    """Where to complain: an address of any kind."""

    def __post_init__(self) -> None:
        for name in ("homepage", "ranking_url"):
            url = getattr(self, name)
            if url and not _URL.fullmatch(url):
                raise SettingsError(
                    f"setting bot.{name}: expected an http(s) address without spaces or "
                    f"brackets, found {url!r}; correct it or leave it empty"
                )

    @property
    def contact_markdown(self) -> str:
        """Contact as Markdown: an http(s) address as a link, anything else as plain text."""
        return f"<{self.contact}>" if _URL.fullmatch(self.contact) else escape(self.contact)

    @property
    def source_url(self) -> str:
        """Page that stands for hubbot as the source of a result; empty where there is none."""
        return self.homepage or self.ranking_url
