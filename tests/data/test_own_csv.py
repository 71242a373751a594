import csv
import gzip
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hubbot.data.own_csv import copy_csv
from hubbot.errors import DatasetError

Row = dict[str, str | None]


def read(tmp_path: Path, content: str | bytes, *, name: str = "f.csv") -> list[Row]:
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    copy_csv(path, tmp_path / "copy.parquet")
    rows: list[Row] = pq.read_table(tmp_path / "copy.parquet").to_pylist()
    return rows


def notes(tmp_path: Path, content: str, *, name: str = "f.csv") -> tuple[str, ...]:
    path = tmp_path / name
    path.write_text(content)
    return copy_csv(path, tmp_path / "copy.parquet").notes


@pytest.mark.parametrize(
    ("content", "first_text"),
    [
        ("text,label\ngood,1\n", "good"),
        ("text,label\r\ngood,1\r\n", "good"),
        ("text,label\rgood,1\r", "good"),
        ("\ufefftext,label\ngood,1", "good"),
        ('text,label\n"a, b",1\n', "a, b"),
        ('text,label\n"two\nlines",1\n', "two\nlines"),
        ('text,label\r\n"two\r\nlines",1\r\n', "two\r\nlines"),
        ('text,label\n"she said ""hi""",1\n', 'she said "hi"'),
        ('text,label\n"she said \\"hi\\", ok",1\n', 'she said "hi", ok'),
        ("text,label\n\n\ngood,1\n\n", "good"),
        ("text,label\ngood,1,,\n", "good"),
        ("text;label\na, b;1\n", "a, b"),
        ("text|label\na;b;1|2\n", "a;b;1"),
        ("text,label\nN/A,1\n", "N/A"),
        (f"text,label\n{'x' * 200_000},1\n", "x" * 200_000),
    ],
)
def test_files_as_people_keep_them_are_read_right(
    tmp_path: Path, content: str, first_text: str
) -> None:
    rows = read(tmp_path, content)
    assert len(rows) == 1
    assert rows[0]["text"] == first_text


def test_a_semicolon_export_is_read_and_told(tmp_path: Path) -> None:
    assert notes(tmp_path, "text;label\na, b;1\n") == ("f.csv: cells are separated by semicolons",)


def test_a_plain_file_needs_no_note(tmp_path: Path) -> None:
    assert notes(tmp_path, "text,label\ngood,1\n") == ()
    assert notes(tmp_path, "text\tlabel\ngood\t1\n", name="f.tsv") == ()


def test_tsv_quotes_enclose_cells_where_they_do_so_everywhere(tmp_path: Path) -> None:
    assert read(tmp_path, 'text\tlabel\n"a\tb"\t1\n', name="f.tsv")[0]["text"] == "a\tb"


def test_tsv_quotes_are_letters_where_a_line_begins_with_a_lonely_one(tmp_path: Path) -> None:
    content = 'text\tlabel\n"Well, he said\t1\nfine" and left\t0\n'
    rows = read(tmp_path, content, name="f.tsv")
    assert [row["text"] for row in rows] == ['"Well, he said', 'fine" and left']
    assert "quotes are read as letters" in notes(tmp_path, content, name="f.tsv")[0]


def test_the_index_column_that_pandas_writes_gets_its_name(tmp_path: Path) -> None:
    assert list(read(tmp_path, ",text,label\n0,good,1\n")[0]) == ["Unnamed: 0", "text", "label"]


def test_the_numbers_that_pandas_gives_unnamed_columns_are_names(tmp_path: Path) -> None:
    assert list(read(tmp_path, ",0,1\n0,good,1\n")[0]) == ["Unnamed: 0", "0", "1"]


def test_a_packed_file_is_read(tmp_path: Path) -> None:
    packed = gzip.compress("text,label\ngrün,1\n".encode())
    assert read(tmp_path, packed, name="f.csv.gz")[0]["text"] == "grün"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"f\.csv: empty; expected a line of column names"),
        (b"\n\n", r"f\.csv: empty"),
        (b"text,text\na,b\n", r"two columns are named 'text'"),
        (b"text,label\na,b,1\n", r"line 2: 3 cells, the header has 2; .* stands in quotes"),
        (b"text,label\nx,1\nonly\n", r"line 3: 1 cells, the header has 2"),
        (b'text,label\n"never closed,1\nb,0\n', r"line 3: unexpected end of data; a quote"),
        (b'text,label\n"a" b,1\n', r"line 2: .*a quote inside a quoted cell is doubled"),
        (b"text,label\nok,1\ncaf\xe9,0\n", r"f\.csv, line 3: byte 4 \(0xe9\) is not UTF-8; save"),
        ("text,label\na,1\n".encode("utf-16"), r"f\.csv: this is UTF-16; save it as UTF-8"),
        (b"I liked it,0.5\nI did not,0\n", r"first line must name the columns.*'0\.5'"),
        (b"I did not,0\nI liked it,1\n", r"first line must name the columns.*'0'"),
        (b"x" * 101 + b",label\n", r"first line must name the columns"),
    ],
)
def test_a_broken_file_is_refused_with_its_line(
    tmp_path: Path, content: bytes, message: str
) -> None:
    with pytest.raises(DatasetError, match=message):
        read(tmp_path, content)


def test_a_file_packed_by_name_only_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"f\.csv\.gz cannot be read"):
        read(tmp_path, "text,label\na,1\n", name="f.csv.gz")


def test_a_packed_file_cut_short_is_named(tmp_path: Path) -> None:
    packed = gzip.compress(b"text,label\n" + b"".join(b"row %d,1\n" % i for i in range(9999)))
    with pytest.raises(DatasetError, match=r"f\.csv\.gz cannot be read"):
        read(tmp_path, packed[:-2000], name="f.csv.gz")


def test_the_csv_modules_own_limit_is_left_as_it_was(tmp_path: Path) -> None:
    before = csv.field_size_limit()
    read(tmp_path, "text,label\ngood,1\n")
    with pytest.raises(DatasetError):
        read(tmp_path, "text,label\na,b,c\n")
    assert csv.field_size_limit() == before


CELLS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.tuples(CELLS, CELLS.map(lambda c: f"l{c}")), min_size=1, max_size=6))
def test_what_pythons_writer_writes_is_read_back(
    tmp_path: Path, rows: list[tuple[str, str]]
) -> None:
    with (tmp_path / "f.csv").open("w", encoding="utf-8", newline="") as handle:
        csv.writer(handle, quoting=csv.QUOTE_ALL).writerows([("text", "label"), *rows])
    copy_csv(tmp_path / "f.csv", tmp_path / "copy.parquet")
    table = pq.read_table(tmp_path / "copy.parquet")
    columns = (table[name].to_pylist() for name in ("text", "label"))
    assert list(zip(*columns, strict=True)) == rows
