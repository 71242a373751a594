"""Groups of target data sets, as ``datasets.toml`` lists them with each entry."""

from functools import cache

from hubbot.catalog.datasets import find_dataset, load_datasets
from hubbot.catalog.tables import unknown_name
from hubbot.errors import SettingsError
from hubbot.schema import DatasetSpec


@cache
def group_names() -> tuple[str, ...]:
    """Return every group, in the order in which the catalog first names them."""
    return tuple(dict.fromkeys(group for spec in load_datasets() for group in spec.groups))


def datasets_of_group(name: str) -> tuple[DatasetSpec, ...]:
    """Return the data sets of a group, in the order of the catalog.

    ``general`` (14), ``nli`` (6) and six of ``twitter`` (11) are those of Where to start? (Choshen
    et al.), appendix C; the others are ``stance``, the five small sets that its T5 experiment adds;
    ``site36``
    the targets of the model-recycling site; ``quick`` four that tell most of what those 36 do, and
    ``site32`` the others.

    Args:
        name: Name of the group.

    Raises:
        SettingsError: If there is none; the message has the nearest names.
    """
    folded = name.strip().casefold()
    if folded not in group_names():
        raise unknown_name("group of targets", name, group_names())
    return tuple(spec for spec in load_datasets() if folded in spec.groups)


def targets_of(text: str) -> tuple[DatasetSpec, ...]:
    """Return the data sets that a list of groups and names stands for.

    Args:
        text: Groups, and names as ``get_dataset`` takes them, separated by commas, such as
            ``quick,emotion``.

    Returns:
        Each data set once, in the order of the catalog.

    Raises:
        SettingsError: If a part is neither, stands for several data sets, or nothing is named.

    Examples:
        >>> [spec.name for spec in targets_of("emotion, quick, rte")]
        ['rte', 'cola', 'mrpc', 'cb', 'tweet_ev_emotion']
    """
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not parts:
        raise SettingsError(
            f"no targets in {text!r}; expected groups ({', '.join(group_names())}) or data sets "
            "such as rte, separated by commas"
        )
    wanted = {spec.name for part in parts for spec in _targets_of_part(part)}
    return tuple(spec for spec in load_datasets() if spec.name in wanted)


def _targets_of_part(part: str) -> tuple[DatasetSpec, ...]:
    if part.casefold() in group_names():
        return datasets_of_group(part)
    spec = find_dataset(part)
    if spec is None:
        known = (*group_names(), *(item.name for item in load_datasets()))
        raise unknown_name("target or group of targets", part, known)
    return (spec,)
