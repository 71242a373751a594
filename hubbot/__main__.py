"""``python -m hubbot``: the same program as the console script."""

import sys

from hubbot.cli import main

if __name__ == "__main__":
    sys.exit(main())
