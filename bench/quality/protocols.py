"""What the quality scripts share: ml-1m, splits, measures, and `marquee eval`.

Codes are ranks of the ids; order within equal times is that of the file. Measures count each user
once; lists hold no item of the training part.
"""
import argparse
import json
import os
import pathlib
import subprocess
import tempfile
import zipfile

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent


def options(description, add=None):
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--data", default=os.environ.get("MARQUEE_TEST_DATA"),
                        help="folder with ml-1m.zip (default: MARQUEE_TEST_DATA)")
    parser.add_argument("--build", default=str(HERE.parent.parent / "build"))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--no-peers", action="store_true", help="Marquee alone: needs NumPy only")
    if add:
        add(parser)
    chosen = parser.parse_args()
    if not chosen.data:
        parser.error("say --data FOLDER, or set MARQUEE_TEST_DATA")
    return chosen


def movielens(folder):
    """Columns user, item, rating, time in the order of the file; users and items coded from 0."""
    with zipfile.ZipFile(pathlib.Path(folder) / "ml-1m.zip") as archive:
        (name,) = [n for n in archive.namelist() if n.endswith("ratings.dat")]
        table = np.array(archive.read(name).replace(b"::", b" ").split(), np.int64).reshape(-1, 4)
    for column in (0, 1):
        table[:, column] = np.unique(table[:, column], return_inverse=True)[1]
    return table


def newest_apart(table):
    """(rest, newest): each user's newest row by (time, file order), both in order of users."""
    table = table[np.lexsort((np.arange(len(table)), table[:, 3], table[:, 0]))]
    newest = np.r_[table[1:, 0] != table[:-1, 0], True]
    return table[~newest], table[newest]


def random_parts(table, seed, share=0.1):
    """(train, validation, test): of each user's rows at random `share` each to the last two."""
    rng = np.random.default_rng(seed)
    table = table[np.lexsort((rng.random(len(table)), table[:, 0]))]
    first = np.searchsorted(table[:, 0], table[:, 0])
    count = np.bincount(table[:, 0])[table[:, 0]]
    place, held = np.arange(len(table)) - first, np.rint(share * count)
    test, validation = place < held, (place >= held) & (place < 2 * held)
    return table[~test & ~validation], table[validation], table[test]


def dense_seen(table, users, items):
    seen = np.zeros((users, items), bool)
    seen[table[:, 0], table[:, 1]] = True
    return seen


# ---- measures ----


def list_measures(lists, held, users, items, k):
    """Mean recall@k (hits / held-out items) and NDCG@k over users with held-out items."""
    wanted = dense_seen(held, users, items)
    count = wanted.sum(1)
    asked = count > 0
    lists = lists[asked, :k]
    hit = np.take_along_axis(wanted[asked], np.maximum(lists, 0), 1) & (lists >= 0)
    gain = 1 / np.log2(np.arange(k) + 2)
    ideal = np.cumsum(gain)[np.minimum(count[asked], k) - 1]
    return {f"recall@{k}": (hit.sum(1) / count[asked]).mean(), f"NDCG@{k}": (hit @ gain / ideal).mean()}


def hit_measures(lists, target):
    """HR@10, HR@50 and NDCG@10 of one held-out item a user."""
    at = lists == target[:, None]
    rank = np.where(at.any(1), at.argmax(1), lists.shape[1])
    gain = np.where(rank < 10, 1 / np.log2(rank + 2), 0)
    return {"HR@10": (rank < 10).mean(), "HR@50": (rank < 50).mean(), "NDCG@10": gain.mean()}


def sampled_measures(scores):
    """HR@10 and NDCG@10 of the first of a row of candidates; equal scores count against it."""
    rank = (scores[:, 1:] >= scores[:, :1]).sum(1)
    gain = np.where(rank < 10, 1 / np.log2(rank + 2), 0)
    return {"HR@10": (rank < 10).mean(), "NDCG@10": gain.mean()}


def top(scores, seen, k):
    """Lists from dense scores, seen items left out; equal scores: the lower item first."""
    scores = np.where(seen, -np.inf, scores)
    best = np.argpartition(-scores, k, axis=1)[:, :k]
    best.sort(axis=1)
    order = np.argsort(-np.take_along_axis(scores, best, 1), axis=1, kind="stable")
    return np.take_along_axis(best, order, 1)


def show(name, measures):
    text = "  ".join(f"{key} {value:.4f}" for key, value in measures.items())
    print(f"{name:<44} {text}", flush=True)
    return measures


# ---- Marquee ----


class Marquee:
    """`marquee eval` on files of a split."""

    def __init__(self, chosen, **tables):
        """Tables of the split by the names of eval's flags: train, validation, test."""
        self.tool = pathlib.Path(chosen.build) / "cli" / "marquee"
        self.common = ["--json", "--quiet", "--threads", str(chosen.threads)]
        self.folder = tempfile.TemporaryDirectory()
        self.path = pathlib.Path(self.folder.name)
        self.split = []
        for name, table in tables.items():
            np.savetxt(self.path / name, table, fmt="%d", delimiter="\t")
            self.split += [f"--{name}", str(self.path / name)]

    def write_candidates(self, target, negatives):
        """A line a user, as He et al. have it."""
        rows = (f"({u},{right})\t" + "\t".join(map(str, others))
                for u, (right, others) in enumerate(zip(target, negatives)))
        (self.path / "negatives").write_text("\n".join(rows) + "\n")
        return ["--negatives", str(self.path / "negatives")]

    def evaluate(self, *flags, **settings):
        """Figures of each system, as the report has them; see docs/formats/evaluation-report.md."""
        command = [self.tool, "eval", *self.split, *flags, *self.common]
        for key, value in settings.items():
            command += ["--set", f"{key.replace('__', '.')}={value}"]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        return json.loads(done.stdout)["systems"]


def show_systems(name, systems, keys, against=None):
    """A line a system: values with half of their intervals, and what the hybrid adds to another."""
    for system in systems:
        if not any(key in system["figures"] for key in keys):
            continue
        parts = []
        for key, title in keys.items():
            figure = system["figures"].get(key)
            if figure:
                half = (figure["high"] - figure["low"]) / 2 if "low" in figure else 0
                parts.append(f"{title} {figure['value']:.4f} ±{half:.4f}")
        print(f"{name + ' Marquee ' + system['name']:<44} {'  '.join(parts)}", flush=True)
        if against and system["name"] == "hybrid":
            for key, title in keys.items():
                d = system["difference_from_reference"][key]
                print(f"    {title}: {d['value']:+.4f} ({d['low']:+.4f} to {d['high']:+.4f}) on {against}")
