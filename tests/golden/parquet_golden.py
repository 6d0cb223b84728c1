"""Parquet tables, both ways.

make OUT        write OUT/parquet-{item,action,log}.parquet with pyarrow (committed in
                tests/golden/data): other pages, codecs, encodings and row groups than Marquee's
check DIR       open with pyarrow and pandas what write_parquet had the steps write into DIR
"""
import datetime as dt
import pathlib
import sys

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

ITEM = pa.schema([
    ("item_id", pa.string()), ("type", pa.string()), ("title", pa.string()), ("year", pa.int32()),
    ("category", pa.string()), ("director", pa.string()), ("actor", pa.string()),
    ("language", pa.string()), ("level", pa.string()), ("popularity", pa.float64()),
    ("ticket_num", pa.float64()), ("score", pa.float64()), ("is_new", pa.bool_()),
    ("description", pa.string()), ("available_from", pa.int64()), ("available_until", pa.int64()),
    ("territories", pa.string()), ("duration_s", pa.int32()), ("poster", pa.string())])
ACTION = pa.schema([
    ("user_id", pa.string()), ("item_id", pa.string()), ("action_value", pa.int32()),
    ("time_s", pa.int64()), ("watch_s", pa.float32()), ("length_s", pa.float32()),
    ("rating", pa.float32()), ("position", pa.int32()), ("source", pa.string()),
    ("trace", pa.string())])
NO = None


def items():
    yield ("7", "tv", 'Seven, "7"', 1999, "Drama|Crime", "Ann", "Bo|Cy", "USA", "PG", 2.5, 5.0,
           8.25, True, "two\nlines", 1577836800, 1893456000, "CN|US", 5400, NO)
    yield ("é 8", "movie", "活着", *[NO] * 9, False, *[NO] * 6)


def actions():
    yield ("a,b", "é 8", 1, 1608163200, *[NO] * 6)
    yield ("u", "7", 0, 1608163250, NO, NO, NO, 3, "home", "batch_portrait_ub_3|1.00")
    yield ("u", "é 8", 0, 1608163250, *[NO] * 6)
    yield ("u", "7", 1, 1608163300, 60.5, 5400.0, 4.5, NO, NO, NO)


def table(rows, schema):
    rows = list(rows)
    return pa.table([[row[i] for row in rows] for i in range(len(schema))], schema=schema)


def make(out):
    pq.write_table(table(items(), ITEM), out / "parquet-item.parquet", compression="zstd",
                   data_page_version="2.0", row_group_size=1)
    pq.write_table(table(actions(), ACTION), out / "parquet-action.parquet", compression="gzip",
                   row_group_size=3, use_dictionary=["user_id"], write_statistics=False)
    utc = dt.timezone.utc
    log = pa.table({
        "viewer": pa.array(["u", "u", "v"]).dictionary_encode(),
        "film": pa.array([7, 8, 7], pa.int64()),
        "ts": pa.array([dt.datetime(2020, 12, 17, 0, 0, s, tzinfo=utc) for s in (2, 0, 1)],
                       pa.timestamp("us", tz="UTC")),
        "stars": pa.array([4.5, None, 3], pa.float32())})
    pq.write_table(log, out / "parquet-log.parquet", compression="none", row_group_size=2)


def expect(what, got, want):
    if got != want:
        sys.exit(f"parquet: {what}: {got!r}, expected {want!r}")


def check(folder):
    for name, rows, schema in (("item", items(), ITEM), ("action", actions(), ACTION)):
        file = pq.ParquetFile(folder / f"{name}.parquet")
        got, want = file.read(), table(rows, schema)
        expect(f"columns of {name}", got.schema.names, schema.names)
        for field in schema:
            expect(f"type of {name}.{field.name}", got.schema.field(field.name).type, field.type)
            expect(f"{name}.{field.name}", got.column(field.name).to_pylist(),
                   want.column(field.name).to_pylist())
        for column in range(len(schema)):
            expect(f"codec of {name}.{schema.names[column]}",
                   file.metadata.row_group(0).column(column).compression, "SNAPPY")
        expect(f"{name} in pandas", len(pd.read_parquet(folder / f"{name}.parquet")), len(want))


if __name__ == "__main__":
    {"make": make, "check": check}[sys.argv[1]](pathlib.Path(sys.argv[2]))
