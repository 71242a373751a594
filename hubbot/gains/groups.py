"""Groups of target data sets that average gains run over."""

from collections.abc import Mapping

QUICK = ("rte", "cb", "mrpc", "cola")
"""Four targets with 15,000 training examples in all, whose gains tell most of what 36 do."""

_SITE = (
    *("cola", "mrpc", "qqp", "stsb", "boolq", "cb", "copa", "multirc", "wic", "wsc", "ag_news"),
    *("isear", "yahoo_answers", "dbpedia", "20_newsgroup", "trec_fine", "trec_coarse"),
    *("poem_sentiment", "imdb", "rotten_tomatoes", "sst_5bins", "sst2", "amazon_reviews_multi"),
    *("financial_phrasebank", "tweet_ev_emoji", "tweet_ev_emotion", "tweet_ev_hate"),
    *("tweet_ev_irony", "tweet_ev_offensive", "tweet_ev_sentiment", "mnli", "qnli", "rte"),
    *("wnli", "esnli", "anli"),
)
_GENERAL = (
    *("cola", "sst2", "mrpc", "qqp", "mnli", "qnli", "rte", "wnli"),
    *("boolq", "cb", "copa", "multirc", "wic", "wsc"),
)

GROUPS: Mapping[str, tuple[str, ...]] = {
    "site36": _SITE,
    "site32": tuple(target for target in _SITE if target not in QUICK),
    "general": _GENERAL,
    "quick": QUICK,
}
"""Targets of each group: the model-recycling site's 36, those without the quick four, the 14 of
GLUE and SuperGLUE that the paper calls General, and the quick four."""

MOST_MISSING: Mapping[str, int] = {"site36": 1, "site32": 1, "general": 1, "quick": 0}
"""Targets of each group that may be missing from an average over it (the site itself allows one; of
four, none can be spared)."""

LP_ONLY_GROUPS = ("site36", "general")
"""Groups that a gain is predicted for from LP (and flags)."""

LAST_RESORT = "quick"
"""Group that a gain is predicted for from LP where nothing else is known: few measure more."""

AFTER_QUICK = "site32"
"""Group that a gain is predicted for once the quick targets are measured: all others."""
