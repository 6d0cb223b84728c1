"""Golden of portrait, inverted lists, recall and filter: the definitions of src/rec/*.h written out
in plain Python on a tiny random catalogue, with no regard for speed.

    python3 tests/golden/recall_golden.py make DIR     DIR/recall_golden.json, a copy of which is
                                                       tests/golden/data/recall_golden.json
    python3 tests/golden/recall_golden.py check DIR    the pickles that write_recall.c made of it

tests/unit/rec/test_recall_golden.c checks that the C code gives the same lists, scores, places and
traces; `check`, that Python loads them from Marquee's pickles, of the types that readers expect. Standard library only. All vectors are small integers and all half-lives divide the gaps
between days, so that every number is exact and equality may be asked for.
"""

import json
import math
import os
import pickle
import random
import sys

SEED = 7
NOW = 1_700_000_000
DAY = 86400
PROPERTIES = ["category", "director", "actor", "language", "level", "year"]
PORTRAIT = PROPERTIES[:4]
POPULATION = {
    "category": ["drama", "comedy", "action", "horror", "documentary", "western"],
    "director": ["ann lee", "bo karlsson", "cy young", "dora maar"],
    "actor": ["e. one", "f. two", "g. three", "h. four", "i. five"],
    "language": ["english", "french"],
    "level": ["g", "pg", "r"],
    "year": ["1994", "1995", "1996"],
}
MASK = (1 << 64) - 1


# ---- the product's generator and hash (src/base/rng.h, src/base/strmap.c) ----


def splitmix64(state):
    state = (state + 0x9E3779B97F4A7C15) & MASK
    z = state
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return state, z ^ (z >> 31)


class Rng:
    def __init__(self, seed, stream):
        _, mixed = splitmix64(seed)
        state = mixed ^ ((stream * 0xD1342543DE82EF95 + 1) & MASK)
        self.s = []
        for _ in range(4):
            state, word = splitmix64(state)
            self.s.append(word)

    def next(self):
        def rotl(x, k):
            return ((x << k) | (x >> (64 - k))) & MASK

        s = self.s
        total = (s[0] + s[3]) & MASK
        result = (rotl(total, 23) + s[0]) & MASK
        t = (s[1] << 17) & MASK
        s[2] ^= s[0]
        s[3] ^= s[1]
        s[1] ^= s[2]
        s[0] ^= s[3]
        s[2] ^= t
        s[3] = rotl(s[3], 45)
        return result

    def below(self, bound):
        m = (self.next() >> 32) * bound
        if (m & 0xFFFFFFFF) < bound:
            threshold = ((1 << 32) - bound) % bound
            while (m & 0xFFFFFFFF) < threshold:
                m = (self.next() >> 32) * bound
        return m >> 32


def fold(a, b):
    product = a * b
    return (product & MASK) ^ (product >> 64)


def hash_bytes(data, seed=0):
    h = seed ^ 0x9E3779B97F4A7C15
    size, at = len(data), 0
    while size - at >= 16:
        a = int.from_bytes(data[at : at + 8], "little")
        b = int.from_bytes(data[at + 8 : at + 16], "little")
        h = fold(a ^ 0xA0761D6478BD642F ^ h, b ^ 0xE7037ED1A0B428DB)
        at += 16
    left = size - at
    a = int.from_bytes(data[at : at + min(8, left)], "little")
    b = int.from_bytes(data[at + 8 :], "little") if left > 8 else 0
    h = fold(a ^ 0x8EBC6AF09C88C6E3 ^ h, b ^ 0x589965CC75374CC3)
    return fold(h ^ size, 0x1D8E4E27C47D124F)


# ---- the input: a catalogue and users ----


def make_catalogue(rnd):
    items = []
    for number in range(60):
        pick = lambda p, most: rnd.sample(POPULATION[p], rnd.randint(0 if p != "year" else 1, most))
        items.append(
            {
                "id": str(number * 3 + 2),
                "type": 1 if rnd.random() < 0.15 else 0,
                "present": 0 if rnd.random() < 0.05 else 1,
                "is_new": 1 if rnd.random() < 0.1 else 0,
                "popularity": rnd.choice([0, 1, 7, 63]),
                "ticket_num": rnd.choice([0, 3, 15]),
                "score": 5,  # constant: must count 0, not NaN
                "heat": rnd.choice([0, 0, 1, 3, 31]),
                "available_until": NOW - 5 if rnd.random() < 0.05 else None,
                "category": pick("category", 3),
                "director": pick("director", 1),
                "actor": pick("actor", 2),
                "language": pick("language", 1),
                "level": pick("level", 1),
                "year": pick("year", 1),
                "vector": [rnd.randint(-2, 2) for _ in range(32)] if rnd.random() < 0.9 else None,
            }
        )
    return items


def make_users(rnd, items):
    users = []
    for number in range(12):
        count = [0, 1, 2, 5, 9, 14, 20, 30, 45, 60, 80, 60][number]
        day = 1000
        plays = []
        for _ in range(count):
            day += rnd.choice([0, 0, 10, 20])
            plays.append([rnd.randrange(len(items)), day * DAY + len(plays)])
        if number == 11:  # has seen all there is
            plays = [[i, 1000 * DAY + i] for i in range(len(items))]
        users.append(
            {
                "id": "user %d ü" % number,
                "plays": plays,
                "vector": [rnd.randint(-2, 2) for _ in range(32)],
                "prob": [rnd.randint(0, 64) / 64 for _ in items],
            }
        )
    return users


# ---- the definitions ----


def column(items, value):
    values = [value(i) for i in items if i["present"]]
    low, high = min(values), max(values)
    return lambda item: 10.0 * (value(item) - low) / (high - low) if high > low else 0.0


def order_items(items, new_bonus):
    columns = [
        column(items, lambda i: math.log1p(i["heat"])),
        column(items, lambda i: math.log1p(i["popularity"])),
        column(items, lambda i: math.log1p(i["ticket_num"])),
        column(items, lambda i: i["score"]),
    ]
    score = {}
    for row, item in enumerate(items):
        score[row] = sum(c(item) for c in columns) + (new_bonus if item["is_new"] else 0)
    present = [row for row, item in enumerate(items) if item["present"]]
    return sorted(present, key=lambda row: (-score[row], int(items[row]["id"])))


def offered(items, row, kind):
    item = items[row]
    until = item["available_until"]
    return item["present"] and item["type"] == kind and (until is None or NOW < until)


def inverted(items, order):
    return {
        p: {v: [r for r in order if v in items[r][p]] for v in POPULATION[p]} for p in PROPERTIES
    }


def portrait_of(items, plays, half_life, recent_max):
    portrait = {p: {} for p in PORTRAIT}  # dict order: order of the last play
    newest = {p: [] for p in PORTRAIT}
    last_day = None
    for row, time in plays:
        day = time // DAY
        if last_day is not None and day > last_day:
            for values in portrait.values():
                for v in values:
                    values[v] *= 2.0 ** (-(day - last_day) / half_life)
        last_day = day if last_day is None else max(day, last_day)
        for p in PORTRAIT:
            newest[p] = list(items[row][p])
            for v in items[row][p]:
                portrait[p][v] = portrait[p].pop(v, 0.0) + 1.0
    out = {}
    for p in PORTRAIT:
        names = list(portrait[p])
        best = sorted(names, key=lambda v: (-portrait[p][v], -names.index(v)))[:recent_max]
        full = len(best) == recent_max
        out[p] = {
            "recent": best,
            "threshold": portrait[p][best[-1]] if full else 0.0,
            "values": [[v, portrait[p][v], "1" if v in newest[p] else "0"] for v in names],
        }
    return out


def recall(items, order, lists, user, portrait, config, kind):
    played = {row for row, _ in user["plays"]}
    seeds = []
    for row, _ in reversed(user["plays"]):
        if row not in seeds:
            seeds.append(row)
    seeds = seeds[: config["clicks"]]

    def take(rows, method):
        found = [r for r in rows if offered(items, r, kind) and r not in played]
        found = found[: config["topn"][method]]
        w, b = config["pos"][method]
        return [[r, method, i, (len(found) - 1 - i) * w + b] for i, r in enumerate(found)]

    taken = []
    for p in PROPERTIES:
        met = []
        for seed in seeds:
            for v in items[seed][p]:
                if v not in met:
                    met.append(v)
                    taken.append(take(lists[p][v], p))
    for p in PORTRAIT:
        for v in portrait[p]["recent"]:
            taken.append(take(lists[p][v], "portrait_" + p))
    if user["plays"]:
        near = []
        for row, item in enumerate(items):
            if item["vector"] and any(item["vector"]) and offered(items, row, kind):
                if row not in played:
                    near.append((-sum(a * b for a, b in zip(item["vector"], user["vector"])), row))
        near = sorted(near)[: config["topn"]["portrait_ub"]]
        taken.append([[row, "portrait_ub", i, float(-s)] for i, (s, row) in enumerate(near)])
    hot = sorted(order, key=lambda r: -items[r]["heat"])
    taken.append(take(hot, "heat"))
    taken.append(take([r for r in order if items[r]["is_new"]], "new"))

    hits = {}
    for places in taken:
        for row, _, _, _ in places:
            hits[row] = hits.get(row, 0) + 1
    best = {}
    for places in taken:
        for row, method, pos, score in places:
            whole = config["weight"].get(method, 1.0) * (score + hits[row])
            if row not in best or whole > best[row][3]:
                best[row] = [row, method, pos, whole]  # dict order: the first time it was met
    merged = sorted(best.values(), key=lambda e: -e[3])
    return merged[: config["merge_cnt"]]


def filter_list(items, lists, user, candidates, config, kind):
    played = {row for row, _ in user["plays"]}
    by_prob = sorted(candidates, key=lambda c: -user["prob"][c[0]])
    rank = {c[0]: i for i, c in enumerate(by_prob)}
    entries = []
    for row, method, pos, score in candidates:
        value = round(min(1, round(score, 2) / 40 + round(user["prob"][row], 2)), 2)
        entries.append([row, value, method, pos, score])
    entries.sort(key=lambda e: -e[1])
    entries = entries[: config["list"]]
    out, counts = [], {c: 0 for c in config["category"]}
    for at, (row, value, method, pos, score) in enumerate(entries):
        prob = user["prob"][row]
        trace = "batch_%s_%d|%.2f|batch_deepfm_%d|%.2f|batch_recommend_%d|%.2f" % (
            (method, pos, score, rank[row], prob, at, value)
        )
        out.append([row, "recommend", value, trace])
        for c in items[row]["category"]:
            counts[c] = counts.get(c, 0) + 1
    known = [c for c in counts if c in POPULATION["category"]]
    lacking = [c for c in known if counts[c] == 0]
    present = [c for c in known if counts[c] > 0]
    if present:
        lacking.append(min(present, key=lambda c: counts[c]))
    rng = Rng(config["seed"] + kind, hash_bytes(user["id"].encode()))
    listed, added, found = {e[0] for e in out}, 0, True
    while added < config["diversity"] and found:
        found = False
        for c in lacking:
            if added == config["diversity"]:
                break
            rows = [r for r in lists["category"][c] if offered(items, r, kind)]
            rows = rows[: config["pool"]] if config["pool"] else rows
            if not rows:
                continue
            start = rng.below(len(rows))
            for i in range(len(rows)):
                row = rows[(start + i) % len(rows)]
                if row not in listed and row not in played:
                    found = True
                    listed.add(row)
                    out.append([row, "diversity", 0.0, "batch_diversity_%d|%s" % (len(out) + 1, c)])
                    added += 1
                    break
    return out


def make_golden():
    rnd = random.Random(SEED)
    items = make_catalogue(rnd)
    users = make_users(rnd, items)
    topn = {m: 4 for m in PROPERTIES + ["portrait_" + p for p in PORTRAIT]}
    topn.update({"portrait_ub": 6, "heat": 5, "new": 3})
    weight = {"director": 1.5, "portrait_ub": 0.75, "year": 0.5}
    pos = {m: (0.5, 0.2) for m in topn if m != "portrait_ub"}
    config = {
        "topn": topn,
        "pos": pos,
        "weight": weight,
        "merge_cnt": 20,
        "clicks": 25,
        "list": 15,
        "diversity": 4,
        "pool": 6,
        "category": ["western", "no such", "documentary", "horror"],
        "seed": 1,
        "new_bonus": 2.0,
        "half_life_days": 10,
        "recent": 3,
        "now": NOW,
    }
    order = order_items(items, config["new_bonus"])
    lists = inverted(items, order)
    for user in users:
        user["portrait"] = portrait_of(
            items, user["plays"], config["half_life_days"], config["recent"]
        )
        user["recall"], user["filter"] = [], []
        for kind in (0, 1):
            found = recall(items, order, lists, user, user["portrait"], config, kind)
            final = filter_list(items, lists, user, found, config, kind)
            user["recall"].append([[items[e[0]]["id"]] + e[1:] for e in found])
            user["filter"].append([[items[e[0]]["id"]] + e[1:] for e in final])
    golden = {
        "items": items,
        "config": config,
        "lists": {
            p: {v: [int(items[r]["id"]) for r in rows] for v, rows in lists[p].items() if rows}
            for p in PROPERTIES
        },
        "users": users,
    }
    return golden


# ---- what Marquee wrote ----


def check(folder):
    golden = make_golden()
    items = golden["items"]

    def load(name):
        with open(os.path.join(folder, name), "rb") as file:
            head = file.read(2)
            assert head == b"\x80\x03", "%s: protocol 3" % name
            file.seek(0)
            return pickle.load(file)

    for p in PROPERTIES:
        lists = load("movie_%s_movie_ids_dict.pickle" % p)
        assert lists == golden["lists"][p], p
        assert all(type(i) is int for ids in lists.values() for i in ids)
    properties = load("movie_id_movie_property_dict.pickle")
    assert list(properties) == [i["id"] for i in items if i["present"]]
    for item in items:
        if item["present"]:
            entry = properties[item["id"]]
            assert list(entry) == ["director", "level", "year", "actor", "category", "language"]
            assert all(entry[p] == (item[p] or [None]) for p in PROPERTIES)
    heat = load("movie_id_heat_dict.pickle")
    assert heat == {i["id"]: i["heat"] for i in items if i["present"]}

    config = load("recall_config.pickle")
    keys = "mt_topn pos_weights mt_weights pop_mt_list portrait_mt_list merge_cnt ps_mt"
    assert list(config) == keys.split()
    assert config["mt_topn"]["category"] == 4 and config["merge_cnt"] == 20
    assert config["pos_weights"]["heat"] == {"w": 0.5, "b": 0.2}
    assert "portrait_ub" not in config["pos_weights"]
    assert config["pop_mt_list"] == PROPERTIES and config["portrait_mt_list"] == PORTRAIT
    filter_config = load("filter_config.pickle")
    assert filter_config == {
        "category": golden["config"]["category"],
        "category_diversity_count": golden["config"]["diversity"],
    }

    portraits = load("portrait.pickle")
    assert list(portraits) == [u["id"] for u in golden["users"]]
    for user in golden["users"]:
        portrait = portraits[user["id"]]
        assert list(portrait) == PORTRAIT + ["ub_embeddding", "updated"]
        vector = portrait["ub_embeddding"]
        assert vector.shape == (1, 32) and vector.dtype.str == "<f4"
        assert vector[0].tolist() == user["vector"]
        assert portrait["updated"] == (user["plays"][-1][1] if user["plays"] else 0)
        for p in PORTRAIT:
            want = user["portrait"][p]
            assert list(portrait[p])[0] == "recent"
            assert portrait[p].pop("recent") == [want["recent"], want["threshold"]]
            got = [[v, e["score"], e["mark"]] for v, e in portrait[p].items()]
            assert got == [list(e) for e in want["values"]]
            assert all(list(e) == ["mark", "score"] for e in portrait[p].values())

    for kind, name in ((0, "movie"), (1, "tv")):
        recalls = load(name + "_recall_batch_result.pickle")
        ranks = load(name + "_rank_batch_result.pickle")
        filters = load(name + "_filter_batch_result.pickle")
        prob_of = {i["id"]: row for row, i in enumerate(items)}
        for user in golden["users"]:
            entries = recalls[user["id"]]
            assert list(entries) == [e[0] for e in user["recall"][kind]]
            for (item, entry), want in zip(entries.items(), user["recall"][kind]):
                assert entry == want and entry[0] == item
                assert [type(x) for x in entry] == [str, str, int, float]
            ranked = ranks[user["id"]]
            assert all(type(k) is int and type(v) is float for k, v in ranked.items())
            assert sorted(ranked.values(), reverse=True) == list(ranked.values())
            assert {str(k): v for k, v in ranked.items()} == {
                k: user["prob"][prob_of[k]] for k in entries
            }
            final = filters[user["id"]]
            assert list(final.values()) == user["filter"][kind]
            assert all([type(x) for x in e] == [str, str, float, str] for e in final.values())
    # The checker must be able to fail: a planted wrong score is found.
    recalls["user 3 ü"] = {"1": ["1", "year", 0, 0.5]}
    assert recalls["user 3 ü"] != golden["users"][3]["recall"][1]


def main():
    if len(sys.argv) != 3 or sys.argv[1] not in ("make", "check"):
        sys.exit(__doc__)
    if sys.argv[1] == "check":
        check(sys.argv[2])
        return
    with open(os.path.join(sys.argv[2], "recall_golden.json"), "w") as file:
        print(json.dumps(make_golden(), separators=(",", ":")), file=file)


if __name__ == "__main__":
    main()
