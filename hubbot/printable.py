"""Text from outside, made fit for a terminal, a log line or a message."""


def printable(text: object, *, keep: str = "", limit: int | None = 400) -> str:
    r"""Return text whose control characters cannot drive a terminal or forge a line.

    Line breaks and characters that turn the writing direction are escaped too.

    Args:
        text: Anything; its ``str`` is taken.
        keep: Characters that stay as they are, such as line breaks.
        limit: Characters after which it is cut; None for never.

    >>> printable("name\x1b[2J\nnext"), printable("a\nb\x07", keep="\n")
    ('name\\x1b[2J\\nnext', 'a\nb\\x07')
    """
    shown = "".join(
        letter
        if letter.isprintable() or letter in keep
        else letter.encode("unicode_escape").decode()
        for letter in str(text)
    )
    return shown if limit is None or len(shown) <= limit else f"{shown[: limit - 1]}…"
