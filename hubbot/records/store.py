"""Score records as files: one YAML file per model, written whole or not at all."""

import fcntl
import logging
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote as percent_encode

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from hubbot.errors import HubbotError, IntegrityError, SettingsError
from hubbot.records.record import Record
from hubbot.records.yaml_text import block_lines

logger = logging.getLogger(__name__)

MAX_BYTES = 1 << 20
"""Largest file read as a record; a real one has some two thousand bytes."""

_LONGEST_NAME = 200
# What pydantic calls a value of the right kind that breaks a rule.
_RULES = frozenset(
    {"finite_number", "value_error"}
    | {"greater_than", "greater_than_equal", "less_than", "less_than_equal"}
)


def record_path(folder: Path, record: Record) -> Path:
    """Return ``folder/<architecture>/<owner>--<model>.yaml``.

    Ids come from strangers: ``/`` becomes ``--`` and whatever could mean something to a file
    system is percent-encoded, so that the path always lies two levels below ``folder``.

    Raises:
        SettingsError: If a name would be longer than a file system takes.
    """
    return record_file(folder, record.architecture, record.model)


def record_file(folder: Path, architecture: str, model: str) -> Path:
    """Return the path of a model's record without having it; as ``record_path``.

    Raises:
        SettingsError: If a name would be longer than a file system takes.
    """
    return folder / _file_name(architecture) / f"{_file_name(model)}.yaml"


def record_text(record: Record) -> str:
    """Return the record as YAML, the same text for the same record everywhere."""
    plain = {key: _sorted(value) for key, value in record.plain().items()}
    return "\n".join(block_lines(plain)) + "\n"


def write_record(record: Record, folder: Path) -> Path:
    """Write the record whole or not at all, replacing an older one of the same model.

    Args:
        record: What was measured.
        folder: Root of the records; made where it is missing.

    Returns:
        Path of the file.

    Raises:
        IntegrityError: If the file holds a record of another model.
        SettingsError: If the folder cannot be written.
    """
    path = record_path(folder, record)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            _refuse_other_model(path, record)
        _replace(path, record_text(record).encode())
    except OSError as error:
        raise SettingsError(
            f"record {path} cannot be written: {error.strerror or error}; "
            "free space or choose another records_dir"
        ) from error
    return path


@contextmanager
def rewriting(folder: Path, record: Record) -> Iterator[None]:
    """Keep other processes from changing a record between its reading and its writing.

    The lock is on the architecture's folder itself, so nothing is left beside the records, and the
    system frees it when the process dies.

    Args:
        folder: Root of the records; made where it is missing.
        record: What is about to be written.

    Raises:
        SettingsError: If the folder cannot be made or opened.
    """
    path = record_path(folder, record).parent
    try:
        path.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDONLY)
    except OSError as error:
        raise SettingsError(
            f"records in {path} cannot be written: {error.strerror or error}; "
            "choose another records_dir"
        ) from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
        except OSError:
            logger.debug("%s: this file system locks no folders", path)
        yield
    finally:
        os.close(handle)


def is_record_of(folder: Path, architecture: str, model: str, *, weights_digest: str) -> bool:
    """Return whether the record on disk is of these very weights.

    Args:
        folder: Root of the records.
        architecture: Name in the catalog.
        model: Hub id.
        weights_digest: Digest that was measured.
    """
    try:
        record = read_record(record_file(folder, architecture, model))
    except HubbotError:
        return False  # Missing, or not to be read: it is made again.
    return record.weights_digest == weights_digest


def read_record(path: Path) -> Record:
    """Read one record.

    Raises:
        SettingsError: If the file cannot be read, is not YAML or lacks or misspells a key.
        IntegrityError: If a value breaks a rule: not finite, out of range, contradictory.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise SettingsError(f"{path}: over {MAX_BYTES} bytes is no score record; name another")
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path}: not UTF-8 text: {error.reason}; write it again") from error
    return parse_record(text, path)


def parse_record(text: str, path: Path) -> Record:
    """Read one record from its text.

    Args:
        text: YAML.
        path: Where it is from, for messages.

    Raises:
        SettingsError: If it is not YAML or lacks or misspells a key.
        IntegrityError: If a value breaks a rule.
    """
    values = _parse(path, text)
    try:
        return Record.model_validate(values)
    except ValidationError as error:
        raise _explain(path, error) from error


def _file_name(identifier: str) -> str:
    name = percent_encode(identifier.replace("/", "--"), safe="-_.", errors="backslashreplace")
    name = name.replace("~", "%7E")
    if name.startswith("."):
        name = f"%2E{name[1:]}"
    if not name or len(name) > _LONGEST_NAME:
        raise SettingsError(
            f"{identifier[:60]!r} makes a file name of {len(name)} characters, "
            f"expected 1 to {_LONGEST_NAME}; use the Hub id"
        )
    return name


def _sorted(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _sorted(value[key]) for key in sorted(value)}
    return [_sorted(item) for item in value] if isinstance(value, list) else value


def _refuse_other_model(path: Path, record: Record) -> None:
    try:
        other = read_record(path).model
    except HubbotError:
        return  # A broken file tells nothing; the new record replaces it.
    if other != record.model:
        raise IntegrityError(
            f"{path} holds the record of {other!r}, not of {record.model!r}; "
            "move one of them to another records_dir",
            check="record_path",
        )


def write_text(path: Path, text: str) -> None:
    """Write a file so that a crash leaves either the old or the new one; makes its folder.

    Raises:
        SettingsError: If it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _replace(path, text.encode())
    except OSError as error:
        raise SettingsError(
            f"{path}: cannot be written ({error.strerror or error}); name another file"
        ) from error


def _replace(path: Path, content: bytes) -> None:
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".record-", suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    # The rename itself lives in the folder; without this a power cut may undo it.
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _parse(path: Path, text: str) -> dict[str, Any]:
    try:
        values = YAML(typ="safe", pure=True).load(text)
    except (YAMLError, RecursionError, ValueError) as error:
        raise SettingsError(f"{path}: not YAML{_problem(error)}; mend or remove it") from error
    if not isinstance(values, dict):
        raise SettingsError(
            f"{path}: expected the keys of a score record, found {type(values).__name__}"
        )
    return values


def _problem(error: Exception) -> str:
    if isinstance(error, MarkedYAMLError) and error.problem_mark is not None:
        return f", line {error.problem_mark.line + 1}: {error.problem}"
    return ""


def _explain(path: Path, error: ValidationError) -> HubbotError:
    found = [(".".join(str(part) for part in item["loc"]), item) for item in error.errors()]
    lines = [_explain_one(where, dict(item)) for where, item in found]
    message = f"{path}: " + "; ".join(lines)
    if all(item["type"] in _RULES and "unknown key" not in item["msg"] for _, item in found):
        return IntegrityError(message, check="record")
    return SettingsError(message)


def _explain_one(where: str, item: dict[str, Any]) -> str:
    if item["type"] == "missing":
        return f"key {where!r} is missing"
    if not where:
        return str(item["msg"]).removeprefix("Value error, ")
    return f"key {where!r}: {item['msg']} (found {str(item['input'])[:80]!r})"
