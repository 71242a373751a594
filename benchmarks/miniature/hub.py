"""An embedded Hub that holds the base model of the study, on 127.0.0.1 until it is stopped.

``python benchmarks/miniature/hub.py FOLDER [--port 8765]`` keeps its state in FOLDER; the
study's commands are pointed at it with ``HF_ENDPOINT=http://127.0.0.1:8765``.
"""

import argparse
import signal
import threading
from pathlib import Path

from hubbot.catalog.architectures import get_architecture
from hubbot.demo.contents import ARCHITECTURE, base_folder
from hubbot.localhub.server import LocalHub

OWNER, TOKEN = "study", "hf_study"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--port", type=int, default=8765)
    arguments = parser.parse_args()
    stopped = threading.Event()
    for kind in (signal.SIGINT, signal.SIGTERM):
        signal.signal(kind, lambda *_: stopped.set())
    arguments.folder.mkdir(parents=True, exist_ok=True)
    is_new = not any(arguments.folder.iterdir())
    with LocalHub(folder=arguments.folder, port=arguments.port) as hub:
        if is_new:
            hub.add_user(OWNER, TOKEN)
            files = {path.name: path for path in base_folder().iterdir() if path.is_file()}
            hub.add_model(get_architecture(ARCHITECTURE).hub_id, files)
        print(hub.url, flush=True)
        stopped.wait()


if __name__ == "__main__":
    main()
