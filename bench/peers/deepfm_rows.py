"""Rows for the DeepFM benchmarks, written once and read by every contender.

    python3 deepfm_rows.py ML-1M.zip OUT

OUT/speed: a million rows of 38 fields: 32 made-up dense values a user, then year, genre
combination, film, sex, age and occupation as categories; label rating >= 4.
OUT/quality: label rating >= 4, rating 3 left out; user, film, sex, age, occupation, zip prefix,
year as categories and the film's genres as a bag; split 80/10/10 at random (seed 1).

A folder holds rows.txt (what there is), label.f32, split.u8 (0 train, 1 validation, 2 test),
dense.f32 [rows, dense], id_NAME.i32 [rows], bag_NAME.i32 [rows] with bag_NAME_offset.i64 and
bag_NAME_ids.i32. Id 0 is reserved for the unknown, so ids begin at 1.
"""
import os
import re
import sys
import zipfile

import numpy as np


def read_zip(path):
    with zipfile.ZipFile(path) as archive:
        def text(name):
            member = next(n for n in archive.namelist() if n.endswith("/" + name))
            return archive.read(member).decode("latin-1")
        ratings = np.array(text("ratings.dat").replace("::", " ").split(), np.int64).reshape(-1, 4)
        films = {int(l.split("::")[0]): l.split("::")[1:] for l in text("movies.dat").splitlines()}
        users = {int(l.split("::")[0]): l.split("::")[1:] for l in text("users.dat").splitlines()}
    return ratings, films, users


def numbered(values):
    """Codes from 1 in sorted order, and how many ids there are with the reserved one."""
    distinct, code = np.unique(np.asarray(values), return_inverse=True)
    return (code + 1).astype(np.int32), len(distinct) + 1


class Folder:
    def __init__(self, path, rows):
        os.makedirs(path, exist_ok=True)
        self.path, self.rows, self.lines = path, rows, ["rows %d" % rows]

    def array(self, name, values, dtype):
        np.ascontiguousarray(values, dtype).tofile(os.path.join(self.path, name))

    def dense(self, values):
        self.array("dense.f32", values, np.float32)
        self.lines.append("dense %d" % values.shape[1])

    def category(self, name, codes, size):
        self.array("id_%s.i32" % name, codes, np.int32)
        self.lines.append("category %s %d" % (name, size))

    def bag(self, name, numbers, bags, size):
        offset = np.r_[0, np.cumsum([len(b) for b in bags])]
        self.array("bag_%s.i32" % name, numbers, np.int32)
        self.array("bag_%s_offset.i64" % name, offset, np.int64)
        self.array("bag_%s_ids.i32" % name, np.concatenate(bags), np.int32)
        self.lines.append("bag %s %d %d %d" % (name, size, len(bags), offset[-1]))

    def finish(self, label, split):
        self.array("label.f32", label, np.float32)
        self.array("split.u8", split, np.uint8)
        with open(os.path.join(self.path, "rows.txt"), "w") as file:
            file.write("\n".join(self.lines) + "\n")


def year(title):
    found = re.search(r"\((\d{4})\)\s*$", title)
    return found.group(1) if found else ""


def speed(out, ratings, films, users):
    order = np.random.default_rng(1).permutation(len(ratings))
    user, film, rating = ratings[order, 0], ratings[order, 1], ratings[order, 2]
    folder = Folder(out, len(order))
    _, code = np.unique(user, return_inverse=True)
    vectors = np.random.default_rng(1).random((code.max() + 1, 32), dtype=np.float32)
    folder.dense(vectors[code])
    folder.category("year", *numbered([year(films[f][0]) for f in film]))
    folder.category("genres", *numbered([films[f][1] for f in film]))
    folder.category("film", *numbered(film))
    for k, name in enumerate(("sex", "age", "occupation")):
        folder.category(name, *numbered([users[u][k] for u in user]))
    split = np.zeros(len(order), np.uint8)
    split[900000:] = 2
    folder.finish(rating >= 4, split)


def quality(out, ratings, films, users):
    ratings = ratings[ratings[:, 2] != 3]
    ratings = ratings[np.random.default_rng(1).permutation(len(ratings))]
    user, film = ratings[:, 0], ratings[:, 1]
    n = len(ratings)
    folder = Folder(out, n)
    folder.category("user", *numbered(user))
    folder.category("film", *numbered(film))
    for k, name in enumerate(("sex", "age", "occupation")):
        folder.category(name, *numbered([users[u][k] for u in user]))
    folder.category("zip", *numbered([users[u][3][:3] for u in user]))
    folder.category("year", *numbered([year(films[f][0]) for f in film]))
    genres = sorted({g for f in films.values() for g in f[1].split("|")})
    ids = {g: i + 1 for i, g in enumerate(genres)}
    distinct, number = np.unique(film, return_inverse=True)
    bags = [np.array([ids[g] for g in films[f][1].split("|")], np.int32) for f in distinct]
    folder.bag("genres", number, bags, len(genres) + 1)
    split = np.zeros(n, np.uint8)
    split[n * 8 // 10:] = 1
    split[n * 9 // 10:] = 2
    folder.finish(ratings[:, 2] >= 4, split)


def load(path):
    """What a folder holds, as a dict of arrays; for the peers."""
    rows = {"category": [], "bag": []}
    def array(name, dtype):
        return np.fromfile(os.path.join(path, name), dtype)
    for line in open(os.path.join(path, "rows.txt")):
        word = line.split()
        if word[0] == "rows":
            rows["count"] = int(word[1])
        elif word[0] == "dense":
            rows["dense"] = array("dense.f32", np.float32).reshape(rows["count"], int(word[1]))
        elif word[0] == "category":
            rows["category"].append((word[1], int(word[2]), array("id_%s.i32" % word[1], np.int32)))
        elif word[0] == "bag":
            rows["bag"].append((word[1], int(word[2]), array("bag_%s.i32" % word[1], np.int32),
                                array("bag_%s_offset.i64" % word[1], np.int64),
                                array("bag_%s_ids.i32" % word[1], np.int32)))
    rows["label"] = array("label.f32", np.float32)
    rows["split"] = array("split.u8", np.uint8)
    return rows


def auc(label, score):
    """Area under the ROC curve, ties half."""
    order = np.argsort(score, kind="stable")
    ordered = score[order]
    _, first, count = np.unique(ordered, return_index=True, return_counts=True)
    rank = np.empty(len(score))
    rank[order] = np.repeat(first + (count + 1) / 2, count)
    positive = label > 0.5
    p = positive.sum()
    return float((rank[positive].sum() - p * (p + 1) / 2) / (p * (len(label) - p)))


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    data = read_zip(sys.argv[1])
    speed(os.path.join(sys.argv[2], "speed"), *data)
    quality(os.path.join(sys.argv[2], "quality"), *data)
