"""Reads the lines that `tests/json/tools.rs` leaves, with DuckDB and with Polars."""

import sys

import duckdb
import polars

MESSAGE = 'naïve 😀 \u202e\0\x7f\n"quoted" \\'
KINDS = [("ended", 2), ("event", 13), ("missing", 2)]


def same(what, read, right):
    if read != right:
        sys.exit(f"{what}: {read!r} was read, and {right!r} is right")


def check(what, kinds, first, lost):
    """What both tools must have read, whatever the form: `first` is the first event, as a dictionary."""
    same(f"{what}, kinds", kinds, KINDS)
    fields, span = first["fields"], first["span"]
    same(f"{what}, message", fields["message"], MESSAGE)
    integers = [fields["unsigned"], fields["odd"], fields["signed"]]
    same(f"{what}, integers", [int(value) for value in integers], [2**64 - 1, 2**53 + 1, -(2**63)])
    same(f"{what}, integers as strings", {type(value) for value in integers}, {str if "strings" in what else int})
    same(f"{what}, other values", [fields[name] for name in ("wide", "float", "truth")], [str(2**128 - 1), 1.5, True])
    same(f"{what}, span", [span["name"], span["name#1"]], ["conn", "alice"])
    same(f"{what}, spans", [span["name"] for span in first["spans"]], ["conn"])
    same(f"{what}, lost", lost, 11)


def with_duckdb(folder, form):
    rows = duckdb.sql(f"from read_json('{folder}/{form}.jsonl', sample_size = -1)")
    kinds = rows.aggregate("type, count(*)").order("type").fetchall()
    first = dict(zip(rows.columns, rows.filter("session = 1 and sequence = 0").fetchall()[0]))
    check(f"{form} by DuckDB", kinds, first, rows.aggregate("sum(count)").fetchall()[0][0])


def with_polars(folder, form):
    rows = polars.read_ndjson(f"{folder}/{form}.jsonl", infer_schema_length=None)
    kinds = rows.group_by("type").len().sort("type").rows()
    first = rows.filter((polars.col("session") == 1) & (polars.col("sequence") == 0)).row(0, named=True)
    check(f"{form} by Polars", kinds, first, rows["count"].sum())


def with_names_that_differ_in_case(folder):
    """DuckDB takes two such names for one, unless it is to look no deeper than the line."""
    path = f"{folder}/case.jsonl"
    try:
        duckdb.sql(f"from read_json('{path}')").fetchall()
    except duckdb.Error:
        pass
    else:
        sys.exit("DuckDB reads names that differ in case by now: the documentation says otherwise")
    fields = duckdb.sql(f"select fields->>'user', fields->>'User' from read_json('{path}', maximum_depth = 1)")
    same("case by DuckDB", fields.fetchall(), [("1", "2")])
    read = polars.read_ndjson(path)["fields"][0]
    same("case by Polars", [read["user"], read["User"]], [1, 2])


for form in ("lines", "strings", "short"):
    with_duckdb(sys.argv[1], form)
    with_polars(sys.argv[1], form)
with_names_that_differ_in_case(sys.argv[1])
