"""Workbooks, both ways.

make OUT        write OUT/openpyxl*.xlsx with openpyxl (committed in tests/golden/data)
check DIR       open with openpyxl and pandas what write_xlsx wrote into DIR; compare its listings
                of openpyxl's workbooks
"""
import datetime as dt
import pathlib
import sys

import openpyxl
import pandas as pd
from openpyxl.cell.rich_text import CellRichText, TextBlock
from openpyxl.cell.text import InlineFont
from openpyxl.utils.datetime import CALENDAR_MAC_1904

DATA = pathlib.Path(__file__).parent / "data"
EPOCH = dt.datetime(1970, 1, 1)
WHEN = dt.datetime(2021, 3, 4, 5, 6, 7)


def expect(what, condition):
    if not condition:
        sys.exit(f"xlsx: {what}")


def make(out):
    book = openpyxl.Workbook()
    book.active.title = "first"
    book.active["A1"] = "not this one"
    sheet = book.create_sheet("second sheet")
    sheet.append(["id", "title", "rating", "seen"])
    sheet.append([1, "caf\u00e9 & <tea>", 8.25, True])
    sheet.append([2, None, -1e-7, False])
    sheet["C5"] = WHEN  # row 4 is not there
    sheet["D5"] = dt.date(1999, 12, 31)
    sheet["E5"] = 12.5
    sheet["E5"].number_format = '0.00 "days"'
    sheet["F5"] = 0.5
    sheet["F5"].number_format = "[h]:mm:ss"
    sheet["A6"] = CellRichText("plain ", TextBlock(InlineFont(b=True), "bold"), " end")
    sheet["B6"] = "#DIV/0!"
    sheet["B6"].data_type = "e"
    sheet["AA7"] = "far"
    sheet["A8"] = dt.datetime(1900, 1, 2)
    sheet["B8"] = dt.datetime(1900, 3, 1)
    book.save(out / "openpyxl.xlsx")
    book = openpyxl.Workbook()
    book.epoch = CALENDAR_MAC_1904
    book.active.append([WHEN, "x", dt.date(1904, 1, 2)])
    book.save(out / "openpyxl-1904.xlsx")


def text(s):
    return "text=" + s.encode().hex()


def date(d):
    return f"date={round((d - EPOCH).total_seconds() * 1000)}"


def listings():
    return {
        "openpyxl.xlsx": [
            " ".join(["1", text("id"), text("title"), text("rating"), text("seen")]),
            " ".join(["2", "number=1", text("caf\u00e9 & <tea>"), "number=8.25", "bool=1"]),
            "3 number=2 - number=-1e-07 bool=0",
            f"5 - - {date(WHEN)} {date(dt.datetime(1999, 12, 31))} number=12.5 number=0.5",
            " ".join(["6", text("plain bold end"), "error=#DIV/0!"]),
            " ".join(["7", *["-"] * 26, text("far")]),
            f"8 {date(dt.datetime(1900, 1, 2))} {date(dt.datetime(1900, 3, 1))}",
        ],
        "openpyxl-1904.xlsx": [f"1 {date(WHEN)} {text('x')} {date(dt.datetime(1904, 1, 2))}"],
    }


def check(folder):
    for name, lines in listings().items():
        got = (folder / f"{name}.txt").read_text().splitlines()
        for a, b in zip(got, lines):
            expect(f"{name}: row '{a}', expected '{b}'", a == b)
        expect(f"{name}: {len(got)} rows", len(got) == len(lines))
        expect("a planted error went unseen", got[0].replace("text", "texT") != lines[0])
    path = folder / "marquee.xlsx"
    book = openpyxl.load_workbook(path)
    expect("sheet name", book.sheetnames == ["Catalogue & more"])
    rows = list(book.active.iter_rows(values_only=True))
    expect("header", rows[0] == ("program_id", "title", "rating", "from", "seen", "on"))
    day = dt.datetime(2001, 4, 27)
    expect(f"row 2: {rows[1]}", rows[1] == (1, 'Am\u00e9lie & <friends> "x"', 8.3, day, True, dt.datetime(2001, 4, 27, 12, 34, 56)))
    expect(f"row 3: {rows[2]}", rows[2] == (1000000, "  spaces\tand\nlines ", -0.1, None, None, dt.datetime(1900, 3, 1)))
    expect(f"row 4: {rows[3]}", rows[3] == (3, "\u5343\u3068\U0001f3ac", None, None, None, dt.datetime(9999, 12, 31)))
    expect("number of rows", len(rows) == 2000)
    expect("numbers", all(r[0] == i and r[2] == i / 7 for i, r in enumerate(rows) if i >= 4))
    frame = pd.read_excel(path)
    expect("pandas: types", frame["program_id"].dtype.kind == "i" and frame["rating"].dtype.kind == "f")
    expect("pandas: date", frame["from"][0] == pd.Timestamp(day))
    expect("own listing", len((folder / "marquee.xlsx.txt").read_text().splitlines()) == 2000)


if __name__ == "__main__":
    {"make": make, "check": check}[sys.argv[1]](pathlib.Path(sys.argv[2]))
