#!/usr/bin/env python3
"""Each user's newest rating of ml-1m held out: every channel and the hybrid beside their peers.

sampled   He et al. 2017 (NCF): the held-out item among 99 that the user never rated, drawn by the
          seed; HR@10 and NDCG@10
full      all items ranked, those of the training part left out; HR@10, HR@50, NDCG@10

    MARQUEE_TEST_DATA=FOLDER python3 leave_one_out.py [--seed 1] [--deep] [--slow] [--no-peers]

Marquee has its defaults, and once more, "sampled, learned so", a blend that is learned among 1,000
films by chance instead of 200, of 128 factors instead of 64. --deep measures YoutubeDNN too, which is trained several times as
long as all others together. Peers are measured where they can be imported; --slow adds LensKit's user
neighbours (eight minutes).
"""
import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("LK_NUM_THREADS", "2")
import numpy as np  # noqa: E402

import protocols as p  # noqa: E402

SAMPLED = {"hit_rate_10": "HR@10", "ndcg_10": "NDCG@10"}
BY_CHANCE = {"hybrid__factors": 128, "hybrid__blend_others": 1000}
FULL = {"hit_rate_10": "HR@10", "hit_rate_50": "HR@50", "ndcg_10": "NDCG@10"}


def more(parser):
    parser.add_argument("--deep", action="store_true")
    parser.add_argument("--slow", action="store_true")


chosen = p.options(__doc__, more)
train, newest = p.newest_apart(p.movielens(chosen.data))
users, items = int(newest[:, 0].max()) + 1, int(max(train[:, 1].max(), newest[:, 1].max())) + 1
target = newest[:, 1]
seen = p.dense_seen(train, users, items)
rated = p.dense_seen(np.r_[train, newest], users, items)
rng = np.random.default_rng(chosen.seed)
negatives = np.array([rng.choice(np.flatnonzero(~rated[u]), 99, replace=False) for u in range(users)])
candidates = np.c_[target, negatives]


def best_channel(systems, key):
    channels = [s for s in systems if s["role"] == "channel" and key in s["figures"]]
    return max(channels, key=lambda s: s["figures"][key]["value"])["name"]


def measure_marquee(name, keys, marquee, *flags, **settings):
    best = best_channel(marquee.evaluate(*flags, eval__resamples=0, **settings), "hit_rate_10")
    p.show_systems(name, marquee.evaluate(*flags, "--against", best, **settings), keys, best)


def marquee_alone():
    with_candidates = p.Marquee(chosen, train=train)
    lists = with_candidates.write_candidates(target, negatives) + ["--measure", "lists"]
    measure_marquee("sampled", SAMPLED, with_candidates, *lists)
    measure_marquee("sampled, learned so", SAMPLED, with_candidates, *lists, **BY_CHANCE)
    measure_marquee("full", FULL, p.Marquee(chosen, train=train, test=newest), "--measure", "lists")


def peer(name, lists, scores):
    if scores is not None:
        p.show(f"sampled  {name}", p.sampled_measures(np.take_along_axis(scores, candidates, 1)))
    p.show(f"full     {name}", p.hit_measures(lists, target))


def implicit_peers():
    import scipy.sparse as sp
    from implicit.als import AlternatingLeastSquares
    from implicit.nearest_neighbours import CosineRecommender

    matrix = sp.csr_matrix(seen.astype(np.float32))
    for factors, alpha, regularization in ((64, 1.0, 0.05), (192, 1.0, 0.05), (64, 4.0, 1.0)):
        model = AlternatingLeastSquares(factors=factors, regularization=regularization, alpha=alpha,
                                        iterations=13, random_state=1)
        model.fit(matrix, show_progress=False)
        scores = model.user_factors @ model.item_factors.T
        peer(f"implicit ALS, {factors} factors, alpha {alpha:g}", p.top(scores, seen, 50), scores)
    model = CosineRecommender(K=50)
    model.fit(matrix.astype(np.float64), show_progress=False)
    scores = np.asarray((matrix @ model.similarity).todense())
    peer("implicit item cosine, K=50", p.top(scores, seen, 50), scores)


def lenskit_peers():
    import pandas
    from lenskit import knn
    from lenskit.batch import recommend
    from lenskit.data import from_interactions_df
    from lenskit.knn.ease import EASEScorer
    from lenskit.pipeline import topn_pipeline

    data = from_interactions_df(pandas.DataFrame(train[:, :2], columns=["user_id", "item_id"]))
    model = EASEScorer(regularization=500.0)
    model.train(data)
    ids = model.items.ids()
    scores = np.full((users, items), -np.inf, np.float32)
    scores[:, ids] = seen[:, ids].astype(np.float32) @ model.weights
    peer("LensKit EASE, 500", p.top(scores, seen, 50), scores)
    if not chosen.slow:
        return
    pipeline = topn_pipeline(knn.UserKNNScorer(max_nbrs=50, feedback="implicit"), n=50)
    pipeline.train(data)
    lists = np.full((users, 50), -1)
    for key, row in recommend(pipeline, list(range(users)), 50, n_jobs=1).items():
        found = row.ids()[:50]
        lists[int(key.user_id), : len(found)] = found
    peer("LensKit user neighbours, 50", lists, None)


marquee_alone()
if chosen.deep:
    deep = {"hybrid__methods": "deep", "hybrid__blended": "deep"}
    systems = p.Marquee(chosen, train=train, test=newest).evaluate("--measure", "lists", **deep)
    p.show_systems("full", [s for s in systems if s["name"] == "deep"], FULL)
for measure in () if chosen.no_peers else (implicit_peers, lenskit_peers):
    try:
        measure()
    except ImportError as error:
        print(f"(no peer: {error})")
