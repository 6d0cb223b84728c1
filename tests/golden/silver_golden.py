"""Silver's tables, read by pyarrow and recomputed from the events in plain Python.

make OUT        nothing: there is no file of others to be read
check DIR       open with pyarrow what write_silver had the RATING workflow write into DIR, and compare
                every column with what follows from DIR/events.jsonl
"""
import collections
import datetime as dt
import json
import math
import pathlib
import sys

import pyarrow as pa
import pyarrow.parquet as pq

DAY_MS = 86400000
UNTIL_MS = int(dt.datetime(2020, 12, 21, tzinfo=dt.timezone.utc).timestamp() * 1000)
PRIOR_RATINGS, PRIOR_AFFINITY, STEP = 10, 5, 0.05
GENRES = {"1": ["drama"], "2": ["drama", "crime"], "3": ["comedy"], "4": ["comedy"]}
PEOPLE = {"1": ["Ann", "Bo", "Cy"], "2": ["Ann", "Cy"], "3": ["Dan", "Ann", "Bo"], "4": []}
RATINGS = pa.schema([
    ("user_id", pa.string()), ("movie_id", pa.string()), ("event_type", pa.string()),
    ("rating", pa.float64()), ("watch_seconds", pa.float64()), ("duration_seconds", pa.float64()),
    ("time_ms", pa.int64())])


def fail(what, got, want):
    sys.exit(f"silver: {what}: {got!r}, expected {want!r}")


def expect(what, got, want):
    if isinstance(want, float) and got is not None:
        # Sums are of whole numbers on both sides; a division or a root may round otherwise.
        if not math.isclose(got, want, rel_tol=1e-12, abs_tol=1e-12):
            fail(what, got, want)
    elif isinstance(want, list) and want and isinstance(want[0], float):
        if len(got) != len(want):
            fail(what, got, want)
        for g, w in zip(got, want):
            expect(what, g, w)
    elif got != want:
        fail(what, got, want)


def events(folder):
    for line in open(folder / "events.jsonl", encoding="utf-8"):
        e = json.loads(line)
        time = e["timestamp"] if e["timestamp"] >= 1e11 else e["timestamp"] * 1000
        yield (e["user_id"], e["movie_id"], e.get("event_type", "rating"), e.get("rating"),
               e.get("watch_seconds"), time)


def last_ones(rows, key):
    """The last of each key, of equal times the one that came last."""
    kept = {}
    for row in rows:
        k = key(row)
        if k not in kept or row[5] >= kept[k][5]:
            kept[k] = row
    return list(kept.values())


def common(rows, prior):
    """Figures that users and films share."""
    rated = [r[3] for r in rows if r[2] == "rating"]
    n = len(rated)
    mean = sum(rated) / n if n else None
    squares = sum(r * r for r in rated) / n if n else None
    out = {"rating_count": n, "choice_count": len(rows) - n, "rating_mean": mean,
           "rating_mean_shrunk": (sum(rated) + prior * PRIOR_RATINGS) / (n + PRIOR_RATINGS),
           "rating_deviation": math.sqrt(max(0.0, squares - mean * mean)) if n else None,
           "active_days": len({r[5] // DAY_MS for r in rows}),
           "first_ms": min((r[5] for r in rows), default=None),
           "last_ms": max((r[5] for r in rows), default=None)}
    out["recency_days"] = (UNTIL_MS - out["last_ms"]) / DAY_MS if rows else None
    out["hours"] = [sum(r[5] // 3600000 % 24 == h for r in rows) for h in range(24)]
    out["weekdays"] = [sum((r[5] // DAY_MS + 3) % 7 == d for r in rows) for d in range(7)]
    if not rows:
        out["hours"] = out["weekdays"] = None
    return out


def within(rows, days):
    return sum(r[5] >= UNTIL_MS - days * DAY_MS for r in rows)


def affinities(rows, properties, shrunk):
    found = collections.defaultdict(lambda: [0, 0, 0.0])
    for _, film, kind, rating, _, _ in rows:
        for p in properties[film]:
            found[p][0] += 1
            if kind == "rating":
                found[p][1] += 1
                found[p][2] += rating
    return sorted(((-(s - n * shrunk) / (n + PRIOR_AFFINITY), -count, p)
                   for p, (count, n, s) in found.items()))


def user(rows, prior):
    out = common(rows, prior)
    out["events_7d"], out["events_28d"] = within(rows, 7), within(rows, 28)
    genres = affinities(rows, GENRES, out["rating_mean_shrunk"])
    out["genres"] = [g for _, _, g in genres] or None
    out["genre_affinities"] = [-a for a, _, _ in genres] or None
    out["genre_events"] = [-c for _, c, _ in genres] or None
    people = affinities(rows, PEOPLE, out["rating_mean_shrunk"])
    out["people"] = [p for _, _, p in people] or None
    out["person_affinities"] = [-a for a, _, _ in people] or None
    return out


def movie(rows, prior):
    out = common(rows, prior)
    for days in (1, 7, 28):
        out[f"popularity_{days}d"] = within(rows, days)
    out["trend"] = math.log2(((out["popularity_7d"] + 1) / 7) / ((out["popularity_28d"] + 4) / 28))
    return out


def check_table(file, key, want):
    got = pq.ParquetFile(file)
    for column in range(got.metadata.num_columns):
        expect(f"codec of {file.name}", got.metadata.row_group(0).column(column).compression, "ZSTD")
    rows = got.read().to_pylist()
    expect(f"{key}s of {file.name}", [r[key] for r in rows],
           sorted(want, key=lambda k: k.encode()))
    for row in rows:
        for name, value in want[row[key]].items():
            expect(f"{name} of {row[key]}", row[name], value)
        expect(f"columns of {file.name}", sorted(row), sorted([key, *want[row[key]]]))


def check(folder):
    everything = list(events(folder))
    for i, date in enumerate(("2020-12-18", "2020-12-19", "2020-12-20")):
        begin = UNTIL_MS - (3 - i) * DAY_MS
        day = [r for r in everything if begin <= r[5] < begin + DAY_MS]
        want = sorted(last_ones(day, lambda r: r[:3]), key=lambda r: (r[0].encode(), r[5]))
        table = pq.read_table(folder / f"ratings-{date}.parquet")
        expect("columns of ratings", table.schema.names, RATINGS.names)
        for field in RATINGS:
            expect(f"type of {field.name}", table.schema.field(field.name).type, field.type)
        got = [(r["user_id"], r["movie_id"], r["event_type"], r["rating"], r["watch_seconds"],
                r["time_ms"]) for r in table.to_pylist()]
        expect(f"ratings of {date}", got, want)
    current = last_ones(everything, lambda r: r[:3])
    rated = [r[3] for r in current if r[2] == "rating"]
    prior = round(sum(rated) / len(rated) / STEP) * STEP
    users, movies = collections.defaultdict(list), {m: [] for m in GENRES}
    for row in current:
        users[row[0]].append(row)
        movies[row[1]].append(row)
    check_table(folder / "user_features.parquet", "user_id",
                {u: user(rows, prior) for u, rows in users.items()})
    check_table(folder / "movie_features.parquet", "movie_id",
                {m: movie(rows, prior) for m, rows in movies.items()})


if __name__ == "__main__":
    if sys.argv[1] == "check":
        check(pathlib.Path(sys.argv[2]))
