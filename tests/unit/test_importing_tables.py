"""Files as people have them: marks, encodings, delimiters, quotes, broken lines. One bad row never stops the rest."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.sync.tables import LONGEST_LINE, Line, Table, Unsuited


def table(folder: Path, content: str | bytes, name: str = "answers.csv", **options: object) -> list[Line]:
    file = folder / name
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with Table(file, **options) as made:  # type: ignore[arg-type]  # options by name
        lines = list(made)
        assert made.position == made.size
    return lines


def rows(folder: Path, content: str | bytes, name: str = "answers.csv", **options: object) -> list[object]:
    """What each row says, or what is wrong with it."""
    return [line.problem or dict(line.values) for line in table(folder, content, name, **options)]


def test_a_row_is_its_columns_and_an_empty_cell_is_absent(tmp_path: Path) -> None:
    assert rows(tmp_path, "id, csat ,comment\n1,2,good\n2, ,\n") == [
        {"id": "1", "csat": "2", "comment": "good"},
        {"id": "2"},
    ]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_the_one_that_splits_the_header(tmp_path: Path, delimiter: str) -> None:
    content = f"id{delimiter}why{delimiter}e-mail\n1{delimiter}a, b; c{delimiter}x\n"
    wanted = {"id": "1", "why": "a, b; c", "e-mail": "x"}
    found = rows(tmp_path, content)
    assert found == ([wanted] if delimiter in "\t|" else ["has 4 cells, the header has 3"])


def test_a_delimiter_can_be_said(tmp_path: Path) -> None:
    assert rows(tmp_path, "a,b;c,d\n1;2\n", delimiter=";") == [{"a,b": "1", "c,d": "2"}]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_mark_names_the_encoding(tmp_path: Path, encoding: str) -> None:
    assert rows(tmp_path, "id,why\n1,zu teuer – Größe\n".encode(encoding)) == [{"id": "1", "why": "zu teuer – Größe"}]


def test_another_encoding_is_said_or_the_row_is_set_aside(tmp_path: Path) -> None:
    content = "id,why\n1,Größe\n2,fine\n".encode("cp1252")
    assert rows(tmp_path, content) == ["is not in the file's encoding", {"id": "2", "why": "fine"}]
    assert rows(tmp_path, content, encoding="cp1252") == [{"id": "1", "why": "Größe"}, {"id": "2", "why": "fine"}]


def test_line_breaks_in_cells_do_not_shift_the_line_numbers(tmp_path: Path) -> None:
    lines = table(tmp_path, 'id,why\r\n1,"one\r\ntwo\r\nthree"\r\n\r\n2,x\r\n3\r\n4,y\r\n')
    assert [(line.number, line.problem) for line in lines] == [
        (2, None),
        (6, None),
        (7, "has 1 cells, the header has 2"),
        (8, None),
    ]
    assert lines[0].values["why"] == "one\r\ntwo\r\nthree"


def test_what_looks_like_a_formula_is_text(tmp_path: Path) -> None:
    said = ["=1+1", "@SUM(A1)", "+49 30 1", '=HYPERLINK("http://example.com","x")', "-2"]
    content = "id,why\n" + "".join(f'{n},"{text.replace(chr(34), chr(34) * 2)}"\n' for n, text in enumerate(said))
    assert [line.values["why"] for line in table(tmp_path, content)] == said


def test_an_open_quote_spoils_its_row_alone_or_the_rest_is_said_to_be_unreadable(tmp_path: Path) -> None:
    content = 'id,why\n1,"open\n' + "".join(f"{n},fine\n" for n in range(2, 30_000))
    found = table(tmp_path, content)
    assert found[0].problem is not None
    assert found[0].problem.startswith("cannot be read: field larger")
    assert found[-1].values == {"id": "29999", "why": "fine"}


def test_a_header_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    for content, words in (
        (b"", "names no columns"),
        (b"\n1,2\n", "names no columns"),
        (b"id,why,id\n", "two columns are called 'id'"),
        ("Größe,b\n".encode("cp1252"), "not in the file's encoding"),
        (b'"' + b"x" * 200_000, "first line cannot be read"),
    ):
        with pytest.raises(Unsuited, match=words):
            table(tmp_path, content)
    with pytest.raises(Unsuited, match="no encoding"):
        table(tmp_path, b"id\n", encoding="latin-99")
    with pytest.raises(Unsuited, match=r"expected a \.csv"):
        table(tmp_path, b"id\n", name="answers.xlsx")


def test_columns_are_called_what_the_mapping_calls_them(tmp_path: Path) -> None:
    content = '"How satisfied\nwere you?",Token\n4,abc\n'
    names = {"How satisfied were you?": "csat", "Token": "id"}
    assert rows(tmp_path, content, names=names) == [{"csat": "4", "id": "abc"}]
    assert rows(tmp_path, '{"Token": "abc"}\n', name="a.jsonl", names=names) == [{"id": "abc"}]


def test_json_lines_keep_their_types_and_a_bad_line_stands_alone(tmp_path: Path) -> None:
    content = b'{"id": 1, "answers": {"csat": 2}, "why": null}\n\n[1]\n{"id": NaN}\n{oops\n\xff\n{"id": "2"}'
    lines = table(tmp_path, content, name="answers.jsonl")
    assert [(line.number, line.problem or dict(line.values)) for line in lines] == [
        (1, {"id": 1, "answers": {"csat": 2}}),
        (3, "is not a JSON object"),
        (4, "is not JSON"),
        (5, "is not JSON"),
        (6, "is not JSON"),
        (7, {"id": "2"}),
    ]


def test_a_line_of_json_without_end_is_skipped(tmp_path: Path) -> None:
    content = b'{"id": "1"}\n{"why": "' + b"x" * (2 * LONGEST_LINE + 5) + b'"}\n{"id": "2"}\n'
    lines = table(tmp_path, content, name="answers.ndjson")
    assert [line.number for line in lines] == [1, 2, 3]
    assert lines[1].problem == f"is longer than {LONGEST_LINE} characters"
    assert lines[2].values == {"id": "2"}


CELL = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)


@settings(deadline=None)
@given(cells=st.lists(st.tuples(CELL, CELL), max_size=8), semicolon=st.booleans())
def test_what_a_spreadsheet_writes_is_read_back(
    cells: list[tuple[str, str]], semicolon: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    import csv
    import io

    out = io.StringIO()
    writer = csv.writer(out, delimiter=";" if semicolon else ",")
    writer.writerows([("id", "why"), *cells])
    read = rows(tmp_path_factory.mktemp("tables"), out.getvalue())
    wanted = [{name: cell for name, cell in zip(("id", "why"), row, strict=True) if cell.strip()} for row in cells]
    assert read == [row for row in wanted if row]


def test_raw_says_what_stood_there(tmp_path: Path) -> None:
    (line,) = table(tmp_path, "id,why\n1,2,3\n")
    assert json.loads(line.raw) == ["1", "2", "3"]
