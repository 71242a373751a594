"""Labels of the catalog's data sets as numbers; the files hold numbers, names or scores."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hubbot.errors import DatasetError
from hubbot.schema import DatasetSpec

if TYPE_CHECKING:
    import pyarrow as pa

Numbers = NDArray[np.float64]


def class_numbers(spec: DatasetSpec, column: "pa.ChunkedArray", *, bins: int = 0) -> "pa.Array":
    """Return the class number of each row, null where the label is missing or hidden (-1).

    Args:
        spec: Entry of the catalog, which names the classes in label order.
        column: Label column, shape (n_rows,): whole numbers, Booleans, class names, or scores.
        bins: Classes that scores from 0 to 1 (a column of floats) are cut into; 0 for none.

    Returns:
        int64 class numbers, 0 .. n_classes - 1; float64 as they are for a regression.

    Raises:
        DatasetError: If a label is none of the catalog's classes, or a score beyond 0 to 1.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = column.type
    if pa.types.is_dictionary(kind):
        column = pa.chunked_array([chunk.dictionary_decode() for chunk in column.chunks])
        kind = column.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return _from_names(spec, column.to_pylist())
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)):
        raise DatasetError(
            f"data set {spec.name!r}: column {spec.label_column!r} holds {kind}, expected "
            f"{'numbers' if not spec.label_names else 'class numbers or names'}"
        )
    is_score = bins > 0 and pa.types.is_floating(kind)
    numbers = pc.fill_null(column.cast(pa.float64()), np.nan).to_numpy()
    numbers = np.where(numbers == -1, np.nan, numbers)
    if is_score:
        numbers = _bins(spec, numbers, bins)
    return _checked(spec, numbers)


def _from_names(spec: DatasetSpec, values: list[str | None]) -> Any:
    import pyarrow as pa

    place = {name.casefold(): number for number, name in enumerate(spec.label_names)}
    folded = [None if value is None else value.strip().casefold() for value in values]
    strange = sorted({value for value in folded if value and value not in place})
    if strange:
        raise DatasetError(
            f"data set {spec.name!r}: labels {strange[:3]} are not among the classes "
            f"{list(spec.label_names[:20])}; give the files that the catalog names"
        )
    return pa.array([place[value] if value else None for value in folded], pa.int64())


def _bins(spec: DatasetSpec, scores: Numbers, bins: int) -> Numbers:
    known = scores[~np.isnan(scores)]
    if known.size and (known.min() < 0 or known.max() > 1):
        raise DatasetError(
            f"data set {spec.name!r}: scores from {known.min():g} to {known.max():g}, expected 0 "
            "to 1, or whole class numbers"
        )
    # Scores come in single precision: 0.2 times 5 is then a little above 1 without rounding.
    cut: Numbers = np.clip(np.ceil(np.round(scores * bins, 5)) - 1, 0, None)
    return cut


def _checked(spec: DatasetSpec, numbers: Numbers) -> Any:
    import pyarrow as pa

    is_missing = np.isnan(numbers)
    if not spec.label_names:
        return pa.array(numbers, pa.float64(), mask=is_missing)
    known = numbers[~is_missing]
    strange = np.unique(known[(known < 0) | (known >= len(spec.label_names)) | (known % 1 != 0)])
    if strange.size:
        raise DatasetError(
            f"data set {spec.name!r}: labels {[f'{value:g}' for value in strange[:5]]} are not in "
            f"the label map {dict(enumerate(spec.label_names))}; give the files that the catalog "
            "names"
        )
    whole = np.where(is_missing, 0, numbers).astype(np.int64)
    return pa.array(whole, pa.int64(), mask=is_missing)
