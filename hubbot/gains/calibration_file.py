"""Calibrations as JSON: the packaged ones and those that ``hubbot calibrate`` writes."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from functools import cache, lru_cache
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from hubbot.errors import SettingsError
from hubbot.gains.calibration import (
    MIN_MODELS,
    PAPER,
    Calibration,
    Choice,
    Refused,
    Scale,
    context,
    load_scales,
    owner_numbers,
    scales_table,
)
from hubbot.gains.flags import COLUMNS
from hubbot.gains.smoother import Rows, Tuning, form_named

VERSION = 1
"""Of the file's layout."""

_ADVICE = "write it anew with `hubbot calibrate`, or remove it"

Key = tuple[str, str, str]
"""Protocol, architecture and target group of a calibration."""

Calibrations = Mapping[Key, Calibration]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class _Choice(_Part):
    form: str
    ridge: Annotated[float, Field(gt=0)]
    length: Annotated[float, Field(gt=0)]
    weight: Annotated[float, Field(ge=0)]
    tried: dict[str, float]


class _Scale(_Part):
    base_lp: float | None
    base_lp_missing: str
    seed_sd: float | None
    run_shift: float
    run_sd: float


class _Model(_Part):
    model: str
    lp: float
    gain: float
    flags: Annotated[str, Field(pattern=rf"^[01]{{{len(COLUMNS)}}}$")]
    quick: tuple[float, ...] = ()


class _Calibration(_Part):
    name: str
    architecture: str
    target_group: str
    n: int
    line: tuple[float, float]
    residual_sd: float
    lp_range: tuple[float, float]
    date: str
    source: str
    scale: _Scale
    quick_targets: tuple[str, ...]
    quick_base: tuple[float, ...]
    choices: dict[str, _Choice]
    models: Annotated[tuple[_Model, ...], Field(min_length=MIN_MODELS)]

    @model_validator(mode="after")
    def _check(self) -> Self:
        n_quick = len(self.quick_targets)
        if len(self.quick_base) != n_quick or any(len(m.quick) != n_quick for m in self.models):
            raise ValueError(f"expected {n_quick} scores of the base model and of every model")
        for has_flags in (False, True):
            name = context(has_flags=has_flags, has_quick=n_quick > 0)
            if name not in self.choices:
                raise ValueError(f"no form was chosen for {name!r}")
            lacks = form_named(self.choices[name].form).needs - set(name.split("+"))
            if lacks:
                raise ValueError(f"the form for {name!r} needs {', '.join(sorted(lacks))} too")
        return self


class _Refused(_Part):
    name: str
    architecture: str
    target_group: str
    n: Annotated[int, Field(ge=0)]
    reason: str


class _File(_Part):
    version: int
    refused: tuple[_Refused, ...]
    calibrations: tuple[_Calibration, ...]


@cache
def load_packaged() -> Calibrations:
    """Return the calibrations that come with hubbot."""
    return _by_key(_packaged()["calibrations"]) | _paper()


@cache
def load_refused() -> Mapping[Key, Refused]:
    """Return why the packaged file has no calibration for what it has too few models of."""
    items = [Refused(**item) for item in _packaged()["refused"]]
    return {(item.name, item.architecture, item.target_group): item for item in items}


def load_calibrations(path: Path | None = None) -> Calibrations:
    """Return the packaged calibrations, those of a file in place of their namesakes.

    Args:
        path: Written by ``hubbot calibrate``; None, or a file that is not there, adds nothing.

    Raises:
        SettingsError: If the file is not one that ``hubbot calibrate`` writes.
    """
    if path is None:
        return load_packaged()
    try:
        content = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return load_packaged()
    except OSError as error:
        raise SettingsError(
            f"{path}: not a file of calibrations ({error.strerror or error}); {_ADVICE}"
        ) from error
    return {**load_packaged(), **_parse(path, content)}


def dump_calibrations(calibrations: Iterable[Calibration], refused: Iterable[Refused]) -> str:
    """Return the text of a file that holds these calibrations.

    Args:
        calibrations: From ``calibrating.fit_all``.
        refused: From the same.
    """
    items = sorted(calibrations, key=lambda item: (item.name, item.architecture, item.target_group))
    reasons = json.dumps([asdict(item) for item in refused], ensure_ascii=False)
    head = f'{{"version": {VERSION}, "refused": {reasons}, "calibrations": [\n'
    return head + ",\n".join(_dump(item) for item in items) + "\n]}\n"


@cache
def _packaged() -> Mapping[str, Any]:
    path = resources.files("hubbot.gains") / "data" / "calibrations.json"
    content: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


# Kept by content: a file may be written anew within one tick of the clock.
@lru_cache(maxsize=8)
def _parse(path: Path, text: bytes) -> Calibrations:
    try:
        content = json.loads(text)
        if isinstance(content, dict) and content.get("version") != VERSION:
            raise SettingsError(
                f"{path}: version {content.get('version')!r}, expected {VERSION}; {_ADVICE}"
            )
        checked = _File.model_validate(content).model_dump()
        return _by_key(checked["calibrations"])
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise SettingsError(f"{path}: {where}: {first['msg']}; {_ADVICE}") from error
    except (ValueError, RecursionError) as error:
        raise SettingsError(f"{path}: not a file of calibrations ({error}); {_ADVICE}") from error


def _by_key(items: Iterable[Mapping[str, Any]]) -> dict[Key, Calibration]:
    return {(it["name"], it["architecture"], it["target_group"]): _load(it) for it in items}


def _load(item: Mapping[str, Any]) -> Calibration:
    models = item["models"]
    quick = [model["quick"] for model in models] if item["quick_targets"] else None
    return Calibration(
        name=item["name"],
        architecture=item["architecture"],
        target_group=item["target_group"],
        models=tuple(model["model"] for model in models),
        rows=Rows(
            lp=np.array([float(model["lp"]) for model in models]),
            flags=np.array([[float(sign) for sign in model["flags"]] for model in models]),
            quick=None if quick is None else np.array(quick, dtype=np.float64),
            owners=owner_numbers([model["model"] for model in models]),
        ),
        gain=np.array([float(model["gain"]) for model in models]),
        quick_targets=tuple(item["quick_targets"]),
        quick_base=tuple(item["quick_base"]),
        choices={name: _choice(choice) for name, choice in item["choices"].items()},
        line=None,
        scale=Scale(**item["scale"]),
        date=item["date"],
        source=item["source"],
    )


def _choice(choice: Mapping[str, Any]) -> Choice:
    numbers = {name: choice[name] for name in ("ridge", "length", "weight")}
    return Choice(form=form_named(choice["form"]), tuning=Tuning(**numbers), tried=choice["tried"])


def _dump(item: Calibration) -> str:
    slope, intercept = np.polyfit(item.rows.lp, item.gain, 1)
    residuals = item.gain - slope * item.rows.lp - intercept
    head = {
        "name": item.name,
        "architecture": item.architecture,
        "target_group": item.target_group,
        "n": item.n,
        "line": [round(float(slope), 6), round(float(intercept), 6)],
        "residual_sd": round(float(residuals.std(ddof=2)), 4),
        "lp_range": list(item.lp_range),
        "date": item.date,
        "source": item.source,
        "scale": {
            "base_lp": item.scale.base_lp,
            "base_lp_missing": item.scale.base_lp_missing,
            "seed_sd": item.scale.seed_sd,
            "run_shift": item.scale.run_shift,
            "run_sd": item.scale.run_sd,
        },
        "quick_targets": list(item.quick_targets),
        "quick_base": list(item.quick_base),
        "choices": {name: _dump_choice(choice) for name, choice in item.choices.items()},
    }
    # One model a line, so that a change of the data can be read in a diff.
    models = ",\n".join(json.dumps(model, ensure_ascii=False) for model in _dump_models(item))
    return json.dumps(head, ensure_ascii=False)[:-1] + ', "models": [\n' + models + "\n]}"


def _dump_choice(choice: Choice) -> dict[str, Any]:
    return {
        "form": choice.form.name,
        "ridge": choice.tuning.ridge,
        "length": choice.tuning.length,
        "weight": choice.tuning.weight,
        "tried": {name: round(value, 4) for name, value in choice.tried.items()},
    }


def _dump_models(item: Calibration) -> Iterable[dict[str, Any]]:
    for row, model in enumerate(item.models):
        flags = item.rows.flags[row] if item.rows.flags is not None else np.zeros(len(COLUMNS))
        entry: dict[str, Any] = {
            "model": model,
            "lp": round(float(item.rows.lp[row]), 4),
            "gain": round(float(item.gain[row]), 4),
            "flags": "".join(str(int(flag)) for flag in flags),
        }
        if item.rows.quick is not None:
            entry["quick"] = [round(float(value), 4) for value in item.rows.quick[row]]
        yield entry


def _paper() -> dict[Key, Calibration]:
    """Return the line printed in the paper, with its Table 4 as the models."""
    import csv

    table = scales_table(PAPER)
    path = resources.files("hubbot.gains") / "data" / table["file"]
    with path.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    architecture = "roberta-base"
    item = Calibration(
        name=PAPER,
        architecture=architecture,
        target_group=table["target_group"],
        models=tuple(row["model"] for row in rows),
        rows=Rows(lp=np.array([float(row["lp_gain"]) for row in rows])),
        gain=np.array([float(row["avg_gain"]) for row in rows]),
        quick_targets=(),
        quick_base=(),
        choices={},
        line=(table["slope"], table["intercept"]),
        scale=load_scales(PAPER)[architecture],
        date=table["date"],
        source=table["source"],
    )
    return {(PAPER, architecture, item.target_group): item}
