"""Golden of the evaluation: every figure from its definition, in NumPy, on a small random task.

    python3 tests/golden/evaluation_golden.py make DIR    DIR/evaluation_golden.json, a copy of which
                                                          is tests/golden/data/evaluation_golden.json
    python3 tests/golden/evaluation_golden.py check DIR   the reports that write_evaluation.c made

tests/unit/eval/test_evaluation_golden.c checks the figures; `check` reads the JSON report with other
eyes, and its intervals beside a bootstrap of NumPy's own, and parses the page. Scores are whole
numbers, all different for a user, so that no order is open. Figures agree to 1e-9: both sides sum
doubles, in another order.
"""
import html.parser
import json
import math
import pathlib
import sys
import xml.etree.ElementTree

import numpy as np

USERS, ITEMS, GENRES = 60, 80, 5
CUTS = [1, 5, 20]
HEAD = 8
BANDS = 3
BINS = 6


def task():
    rng = np.random.default_rng(11)
    genres = [sorted(rng.choice(GENRES, rng.integers(0, 4), replace=False).tolist()) for _ in range(ITEMS)]
    taste = rng.random((USERS, ITEMS)) * rng.random(ITEMS)
    history, relevant = [], []
    for user in range(USERS):
        order = np.argsort(-taste[user] - 0.3 * rng.random(ITEMS))
        seen, found = int(rng.integers(0, 15)), int(rng.integers(1, 6))
        history.append(sorted(order[:seen].tolist()))
        relevant.append(sorted(order[seen:seen + found].tolist()))
    plays = np.bincount([i for items in history for i in items], minlength=ITEMS)
    systems = {
        "popularity": np.tile(plays * 100 + np.arange(ITEMS)[::-1], (USERS, 1)),
        "live": np.argsort(np.argsort(taste + 0.6 * rng.random((USERS, ITEMS)), axis=1), axis=1),
        "candidate": np.argsort(np.argsort(taste + 0.3 * rng.random((USERS, ITEMS)), axis=1), axis=1),
    }
    offered = (rng.random(ITEMS) < 0.9).astype(int)
    rated = [int(rng.integers(1, 8)) for _ in range(USERS)]
    given = rng.integers(1, 6, sum(rated))
    predicted = {
        "live": np.float32(3.5 + 0.3 * rng.standard_normal(sum(rated))),
        "candidate": np.float32(given + rng.standard_normal(sum(rated))),
    }
    return dict(genres=genres, history=history, relevant=relevant, plays=plays.tolist(),
                offered=offered.tolist(), systems=systems,
                rating_user=np.repeat(np.arange(USERS), rated).tolist(), given=given.tolist(),
                predicted=predicted)


def ranked(t, name, user):
    scores = t["systems"][name][user].astype(float).copy()
    scores[np.array(t["offered"]) == 0] = -np.inf
    scores[t["history"][user]] = -np.inf
    return [int(i) for i in np.argsort(-scores) if np.isfinite(scores[i])]


def mix(t, items):
    rows = [np.eye(GENRES)[t["genres"][i]].sum(0) / len(t["genres"][i]) for i in items if t["genres"][i]]
    return np.mean(rows, axis=0) if rows else None


def likeness(t, a, b):
    a, b = set(t["genres"][a]), set(t["genres"][b])
    return len(a & b) / math.sqrt(len(a) * len(b)) if a and b else 0.0


def case_figures(t, name, user, k):
    """Figures of one case; None where undefined; novelty and popular share as (sum, weight)."""
    top = ranked(t, name, user)[:k]
    right = set(t["relevant"][user])
    rel = np.array([i in right for i in top], float)
    discount = 1 / np.log2(np.arange(len(top)) + 2)
    ideal = (1 / np.log2(np.arange(min(k, len(right))) + 2)).sum()
    precision = np.cumsum(rel) / (np.arange(len(top)) + 1)
    plays = np.array(t["plays"])
    p = (plays + 1) / (plays.sum() + ITEMS)
    head = set(sorted(range(ITEMS), key=lambda i: (-plays[i], i))[:HEAD])
    pairs = [1 - likeness(t, a, b) for n, a in enumerate(top) for b in top[:n]]
    past, now = mix(t, t["history"][user]), mix(t, top)
    miscalibration = None
    if past is not None and now is not None:
        q = 0.99 * now + 0.01 * past
        miscalibration = float(sum(past[g] * math.log(past[g] / q[g]) for g in range(GENRES) if past[g] > 0))
    return {
        "hit_rate": float(rel.any()), "recall": rel.sum() / len(right), "precision": rel.sum() / k,
        "ndcg": (rel * discount).sum() / ideal, "map": (rel * precision).sum() / min(k, len(right)),
        "mrr": 1 / (rel.argmax() + 1) if rel.any() else 0.0,
        "novelty": (-np.log2(p[top]).sum(), len(top)),
        "popular_share": (sum(i in head for i in top), len(top)),
        "diversity": float(np.mean(pairs)) if pairs else None,
        "miscalibration": miscalibration, "length": float(len(top)),
    }


def column(t, name, key, k):
    """(sums, weights) of a figure over users."""
    values = [case_figures(t, name, user, k)[key] for user in range(USERS)]
    sums = [0 if v is None else v[0] if isinstance(v, tuple) else v for v in values]
    weights = [0 if v is None else v[1] if isinstance(v, tuple) else 1 for v in values]
    return np.array(sums, float), np.array(weights, float)


FIGURES = ["hit_rate", "recall", "precision", "ndcg", "map", "mrr", "novelty", "popular_share", "diversity",
           "miscalibration", "length"]


def expected(t):
    result = {}
    for name in t["systems"]:
        figures = {}
        for k in CUTS:
            for key in FIGURES:
                sums, weights = column(t, name, key, k)
                if weights.sum() > 0:
                    figures[f"{key}_{k}"] = sums.sum() / weights.sum()
            shown = {i for user in range(USERS) for i in ranked(t, name, user)[:k]}
            figures[f"coverage_{k}"] = len(shown) / sum(t["offered"])
        if name in t["predicted"]:
            off = t["predicted"][name].astype(float) - np.array(t["given"], float)
            figures |= {"rmse": math.sqrt((off**2).mean()), "mae": np.abs(off).mean()}
        result[name] = {key: float(value) for key, value in figures.items()}
    return result


def make(out):
    t = task()
    document = {key: t[key] for key in ("genres", "history", "relevant", "plays", "offered", "rating_user", "given")}
    document |= {"cuts": CUTS, "head": HEAD, "genre_count": GENRES, "bands": BANDS, "bins": BINS,
                 "systems": {name: scores.tolist() for name, scores in t["systems"].items()},
                 "predicted": {name: [float(v) for v in values] for name, values in t["predicted"].items()},
                 "expected": expected(t)}
    (out / "evaluation_golden.json").write_text(json.dumps(document) + "\n")


def off_by(report, want):
    """The largest difference of a figure."""
    worst = 0.0
    for system in report["systems"]:
        mine = system["figures"]
        theirs = want[system["name"]]
        if {key for key in mine if key != "bias"} != set(theirs):
            sys.exit(f"evaluation: {system['name']}: figures {sorted(set(mine) ^ set(theirs))}")
        worst = max([worst] + [abs(mine[key]["value"] - theirs[key]) for key in theirs])
    return worst


def check_intervals(t, report):
    rng = np.random.default_rng(5)
    draws = rng.integers(0, USERS, (20000, USERS))
    for key, k in (("ndcg", 20), ("novelty", 5), ("diversity", 20)):
        replicates = {}
        for name in t["systems"]:
            sums, weights = column(t, name, key, k)
            replicates[name] = sums[draws].sum(1) / weights[draws].sum(1)
        for system in report["systems"]:
            name, full = system["name"], f"{key}_{k}"
            pairs = [(system["figures"][full], replicates[name])]
            if name != "live":
                pairs.append((system["difference_from_reference"][full], replicates[name] - replicates["live"]))
            for mine, theirs in pairs:
                low, high = np.quantile(theirs, [0.025, 0.975])
                # Ends of 4,000 and 20,000 draws: each known to about a fiftieth of the width.
                if max(abs(mine["low"] - low), abs(mine["high"] - high)) > 0.08 * (high - low):
                    sys.exit(f"evaluation: {name} {full}: {mine}, NumPy {low} to {high}")


def check_bands(t, report):
    length = np.array([len(h) for h in t["history"]])
    if sum(band["cases"] for band in report["bands"]) != USERS:
        sys.exit("evaluation: bands do not hold every case once")
    for system in report["systems"]:
        ndcg = column(t, system["name"], "ndcg", CUTS[1])[0]
        for band, mine in zip(report["bands"], system["bands"]):
            inside = (length >= band["history_from"]) & (length <= band["history_to"])
            if inside.sum() != band["cases"] or abs(ndcg[inside].mean() - mine[f"ndcg_{CUTS[1]}"]["value"]) > 1e-9:
                sys.exit(f"evaluation: {system['name']}: band {band}: {mine}")


class Page(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.text = [], []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        if tag in ("script", "img", "link", "iframe") or any(k in ("src", "href") for k, _ in attributes):
            sys.exit(f"evaluation: the page holds <{tag}> {attributes}")

    def handle_data(self, data):
        self.text.append(data)


def check_page(path, report):
    text = path.read_text(encoding="utf-8")
    xml.etree.ElementTree.fromstring(text.split("\n", 1)[1])  # without the document type
    page = Page()
    page.feed(text)
    if page.tags.count("table") < 5 or page.tags.count("svg") < 4:
        sys.exit("evaluation: the page lacks tables or charts")
    candidate = report["systems"][-1]["figures"]["ndcg_5"]["value"]
    if f"{candidate:.4f}" not in page.text:
        sys.exit("evaluation: the page does not show the candidate's NDCG@5")


def check(folder):
    t = task()
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    want = expected(t)
    if off_by(report, want) > 1e-9:
        sys.exit(f"evaluation: figures differ by {off_by(report, want)}")
    check_intervals(t, report)
    check_bands(t, report)
    check_page(folder / "report.html", report)
    # The comparison must see a wrong value.
    want["live"]["ndcg_5"] += 1e-6
    if off_by(report, want) <= 1e-9:
        sys.exit("evaluation: a planted wrong value was not seen")


if __name__ == "__main__":
    {"make": make, "check": check}[sys.argv[1]](pathlib.Path(sys.argv[2]))
