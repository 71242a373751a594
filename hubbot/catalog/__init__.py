"""What hubbot knows beforehand: architectures, protocols and data sets, read from TOML files."""

from hubbot.catalog.architectures import (
    find_architecture,
    get_architecture,
    lineage,
    load_architectures,
)
from hubbot.catalog.config_file import read_config
from hubbot.catalog.datasets import get_dataset, load_datasets
from hubbot.catalog.protocols import get_protocol, load_protocols
from hubbot.catalog.recognition import recognise

__all__ = [
    "find_architecture",
    "get_architecture",
    "get_dataset",
    "get_protocol",
    "lineage",
    "load_architectures",
    "load_datasets",
    "load_protocols",
    "read_config",
    "recognise",
]
