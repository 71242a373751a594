"""``hubbot analyse --paper`` in one call."""

from hubbot.extras import require_extra
from hubbot.gains.analysis.papers.claims import Claim


def paper_claims(*, restarts: int = 20, shuffles: int = 100, seed: int = 0) -> list[Claim]:
    """Recompute all claims of the papers that their printed data allow.

    Args:
        restarts: Random starts of each interaction fit.
        shuffles: Shuffled matrices for each, 2 or more.
        seed: Of starts and shuffles.

    Raises:
        SettingsError: If the extra ``analysis`` is missing.
    """
    require_extra("analysis", purpose="hubbot analyse --paper")
    from hubbot.gains.analysis.papers.factors import factor_claims
    from hubbot.gains.analysis.papers.interaction import interaction_claims
    from hubbot.gains.analysis.papers.ranking import ranking_claims
    from hubbot.gains.analysis.papers.recycling import recycling_claims
    from hubbot.gains.analysis.papers.transfer import transfer_claims

    return [
        *ranking_claims(),
        *interaction_claims(restarts=restarts, shuffles=shuffles, seed=seed),
        *factor_claims(),
        *transfer_claims(),
        *recycling_claims(),
    ]
