"""Statistics of a matrix of gains, sources by targets, and the papers' claims recomputed.

scipy is imported in here, so these modules are imported when ``hubbot analyse`` runs and not before
(extra ``analysis``); ``matrix`` and ``reading`` need numpy alone.
"""
