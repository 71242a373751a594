"""Words of warning about a checkpoint, read off its name and tags.

A checkpoint trained on MNLI has an inflated LP(m, MNLI): the probe's own labels were seen. At equal
LP its gain is lower than another model's; a fused or multi-task model's is higher, and that of one
named after a special domain (medicine, law, code), whose pretraining often was on such texts, is
lower. Cards and rankings say so,
and a calibration may use it where cross-validation says that it helps.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

TRAINED_ON_MNLI = "trained on MNLI"
TRAINED_ON_NLI = "trained on other NLI data"
FUSED = "fused or multi-task"
SPECIALISED = "named after a special domain"

PARTIAL_DATA = "partial data"
MIXED_PRECISION = "mixed precision"
NOT_COMPARED = (PARTIAL_DATA, MIXED_PRECISION)
"""Beginnings of flags of measured gains (``<flag> on <target>``) that do not compare with others:
part of a data set was used, or checkpoint and base model were trained in unlike precisions."""

COLUMNS = ("nli", "fused", "special")
"""What ``flag_table`` gives a column each: trained on NLI data of any kind, fused, specialised."""

_MNLI = {"mnli", "multinli"}
_NLI = {
    *("nli", "snli", "anli", "esnli", "xnli", "mednli", "scinli", "docnli", "wanli", "conjnli"),
    *("fever", "vitaminc", "entailment", "tasksource"),
}
_FUSED = {
    *("muppet", "multitask", "mtl", "tasksource", "flan", "flant5"),
    *("fused", "fusion", "coldfusion"),
}
_FUSED_STARTS = ("10xp3", "xp3")
_FUSED_PAIRS = {("multi", "task"), ("10x", "p3"), ("x", "p3")}
_SPECIAL = {
    *("med", "medbert", "mimic", "ehr", "icd", "drug", "drugs", "sci", "scibert", "science"),
    *("law", "java", "javabert", "code", "codebert"),
}
_SPECIAL_STARTS = ("bio", "clinical", "pubmed", "medic", "chem", "legal", "patent", "scientific")
_NOT_SPECIAL = {"bios", "biography", "biographies"}

_MNLI_IN_TAG = re.compile(r"dataset:(.*/)?(multi_nli|mnli|multinli)", re.IGNORECASE)
_NLI_IN_TAG = re.compile(r"dataset:(.*/)?((e_?s|s|a|x|med|sci|doc|wa)?nli|fever)", re.IGNORECASE)
_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_WORD = re.compile(r"[a-z0-9]+")


def name_flags(model: str, tags: Iterable[str] = ()) -> tuple[str, ...]:
    """Return the flags that a checkpoint's name and tags call for.

    Args:
        model: Hub id, or a folder's name.
        tags: Tags of the repository; data sets stand there as ``dataset:<id>``.

    >>> name_flags("someone/roberta-base-mnli"), name_flags("someone/alumni-bert")
    (('trained on MNLI',), ())
    >>> name_flags("ibm/ColD-Fusion-itr5"), name_flags("someone/BioBERT-mednli")
    (('fused or multi-task',), ('trained on other NLI data', 'named after a special domain'))
    """
    return tuple(_flags(_words(model), tuple(tags)))


def flag_table(flags: Sequence[Iterable[str]]) -> NDArray[np.float64]:
    """Return flags as numbers.

    Args:
        flags: For each model what ``name_flags`` (or a record) says; other flags are passed over.

    Returns:
        float64 of shape (n_models, 3), 0 or 1, in the order of ``COLUMNS``.
    """
    table = np.zeros((len(flags), len(COLUMNS)))
    for row, found in enumerate(flags):
        for flag in found:
            column = _COLUMN_OF.get(flag)
            if column is not None:
                table[row, column] = 1.0
    return table


_COLUMN_OF = {TRAINED_ON_MNLI: 0, TRAINED_ON_NLI: 0, FUSED: 1, SPECIALISED: 2}


def _flags(words: list[str], tags: tuple[str, ...]) -> Iterator[str]:
    pairs = list(pairwise(words))
    knows_mnli = any(word in _MNLI for word in words) or ("multi", "nli") in pairs
    if knows_mnli or any(_MNLI_IN_TAG.fullmatch(tag) for tag in tags):
        yield TRAINED_ON_MNLI
    elif any(word in _NLI for word in words) or any(_NLI_IN_TAG.fullmatch(tag) for tag in tags):
        yield TRAINED_ON_NLI
    if any(word in _FUSED or word.startswith(_FUSED_STARTS) for word in words) or (
        _FUSED_PAIRS.intersection(pairs)
    ):
        yield FUSED
    if any(_is_special(word) for word in words):
        yield SPECIALISED


def _is_special(word: str) -> bool:
    return word not in _NOT_SPECIAL and (word in _SPECIAL or word.startswith(_SPECIAL_STARTS))


def _words(name: str) -> list[str]:
    """Return the words of a name without its owner: ``x/PubMedBERT-v2`` is pub, med, bert, v2."""
    return _WORD.findall(_HUMP.sub(" ", name.rpartition("/")[2]).lower())
