"""The command line: arguments in, text or JSON out; no logic.

Results go to standard output, everything else to standard error. Exit codes: 0 done, 1 some items
failed, 2 wrong usage or settings, 3 refused by the integrity gate, 4 the Hub refused, 130 stopped.
"""

import logging
import os
import sys
from collections.abc import Sequence

from hubbot.errors import HubbotError

logger = logging.getLogger(__name__)

_STOPPED = 130
"""Exit code after Ctrl-C, by which typer reports it too."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: Arguments without the program's name; None reads ``sys.argv``.

    Returns:
        Exit code.
    """
    try:
        code = _run(argv)
    except KeyboardInterrupt:
        code = _STOPPED
    if code == _STOPPED:
        text = "hubbot: stopped; what was measured is kept, the same command goes on from there"
        print(text, file=sys.stderr)
    return code


def _run(argv: Sequence[str] | None) -> int:
    import typer

    from hubbot.cli.app import app
    from hubbot.cli.output import complain

    command = typer.main.get_command(app)
    try:
        code = command.main(
            args=None if argv is None else list(argv),
            prog_name="hubbot",
            standalone_mode=False,
        )
    except HubbotError as error:
        complain(str(error))
        return error.exit_code
    except typer.TyperException as error:
        show = getattr(error, "show", None)
        complain(str(error)) if show is None else show()
        return int(getattr(error, "exit_code", 2))
    except typer.Abort:  # Ctrl-C at a question
        return _STOPPED
    except BrokenPipeError:
        # The reader has gone (`hubbot ... | head`); keep Python from flushing into it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception:
        logger.exception("hubbot met an error it does not know; please report it with these lines")
        return 1
    return int(code or 0)
