"""hubbot: which checkpoint on the Hugging Face Hub to start fine-tuning from, and is it worth it.

The verbs of the command line are functions here (``from hubbot import probe, predict, annotate,
show``), returning the frozen values of ``hubbot.schema``; each imports what it needs when it runs.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hubbot.evaluating import evaluate
    from hubbot.keeping import finetune
    from hubbot.numbers import analyse, calibrate, check, predict, predict_table, rank
    from hubbot.pipeline import annotate, probe, show
    from hubbot.recommending import recommend
    from hubbot.sensing import sensitivity

__version__ = "0.1.0"
__all__ = [
    "__version__",
    "analyse",
    "annotate",
    "calibrate",
    "check",
    "evaluate",
    "finetune",
    "predict",
    "predict_table",
    "probe",
    "rank",
    "recommend",
    "sensitivity",
    "show",
]

_MODULE_OF = {
    **dict.fromkeys(("annotate", "probe", "show"), "hubbot.pipeline"),
    "evaluate": "hubbot.evaluating",
    "finetune": "hubbot.keeping",
    "recommend": "hubbot.recommending",
    "sensitivity": "hubbot.sensing",
    **dict.fromkeys(
        ("analyse", "calibrate", "check", "predict", "predict_table", "rank"), "hubbot.numbers"
    ),
}


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'hubbot' has no attribute {name!r}; it has {__all__}")
    return getattr(import_module(_MODULE_OF[name]), name)
