"""Separated text, both ways.

make OUT        write OUT/csv-python.csv with Python's csv module (committed in tests/golden/data)
check DIR       check with csv, pandas and pyarrow what write_csv wrote into DIR
"""
import csv
import pathlib
import sys

import pandas
import pyarrow.csv

ROWS = [
    ["id", "title", "score"],
    ["1", "Plain", "0.1"],
    ["2", 'With "quotes", and a comma', "3.0"],
    ["3", "Two\nlines", "-1e-07"],
    ["4", "", ""],
    ["5", "Amélie 日本 😀", "1e+300"],
    ["6", " blanks ", "7"],
    ["7", '"', "8"],
]


def make(out):
    with open(out / "csv-python.csv", "w", newline="", encoding="utf-8-sig") as file:
        csv.writer(file).writerows(ROWS)


def check(folder):
    path = folder / "marquee.csv"
    with open(path, newline="", encoding="utf-8") as file:
        mine = list(csv.reader(file))
    if mine != ROWS:
        sys.exit(f"csv: Python's csv reads {mine!r}")
    options = pyarrow.csv.ParseOptions(newlines_in_values=True)
    strings = pyarrow.csv.ConvertOptions(column_types={name: pyarrow.string() for name in ROWS[0]})
    table = pyarrow.csv.read_csv(path, parse_options=options, convert_options=strings)
    if [list(row.values()) for row in table.to_pylist()] != ROWS[1:]:
        sys.exit(f"csv: pyarrow reads {table.to_pylist()!r}")
    frame = pandas.read_csv(path, dtype=str, keep_default_na=False)
    if frame.values.tolist() != ROWS[1:]:
        sys.exit(f"csv: pandas reads {frame.values.tolist()!r}")
    # As the original's readers: several characters, nothing unquoted.
    frame = pandas.read_csv(folder / "marquee-underscore.csv", sep="_!_", engine="python",
                            header=None, dtype=str, keep_default_na=False, quoting=csv.QUOTE_NONE)
    expected = [["u1", 'the "big" one', "3"], ["u_", "x_", "4"], ["", "é", "5.5"]]
    if frame.values.tolist() != expected:
        sys.exit(f"csv: pandas reads {frame.values.tolist()!r}")
    # The comparison must see a wrong value.
    mine[2][1] = mine[2][1].replace('"', "'", 1)
    if mine == ROWS:
        sys.exit("csv: a planted wrong value was not seen")


if __name__ == "__main__":
    {"make": make, "check": check}[sys.argv[1]](pathlib.Path(sys.argv[2]))
