"""``python -m hubbot.localhub``: the embedded Hub in a terminal."""

import argparse
import logging
from pathlib import Path

from hubbot.localhub.server import LocalHub

logger = logging.getLogger("hubbot.localhub")


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(prog="python -m hubbot.localhub", description=__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="state, read back if it exists")
    parser.add_argument("--port", type=int, default=8000, help="port on 127.0.0.1; 0: a free one")
    parser.add_argument(
        "--user", action="append", default=[], metavar="NAME=TOKEN", help="account to add"
    )
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    with LocalHub(port=options.port, folder=options.folder) as hub:
        for user in options.user:
            name, _, token = user.partition("=")
            hub.add_user(name, token)
        logger.info("embedded Hub at %s, state in %s; Ctrl-C stops it", hub.url, hub.folder)
        try:
            hub.wait()
        except KeyboardInterrupt:
            logger.info("stopped")


if __name__ == "__main__":
    main()
