"""hubbot: which checkpoint on the Hugging Face Hub to start fine-tuning from, and is it worth it.

The verbs of the command line are functions here (``from hubbot import probe, predict, annotate,
show``), returning the frozen values of ``hubbot.schema``; each imports what it needs when it runs.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hubbot.pipeline import annotate, predict, probe, show

__version__ = "0.1.0"
__all__ = ["__version__", "annotate", "predict", "probe", "show"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'hubbot' has no attribute {name!r}; it has {__all__}")
    from hubbot import pipeline

    return getattr(pipeline, name)
