#!/usr/bin/env python3
"""Channels and hybrid beside implicit's and LensKit's models: ml-1m, of each user's ratings at random
80 % to train on, 10 % to choose settings by, 10 % to test. recall@20 and NDCG@20.

    MARQUEE_TEST_DATA=FOLDER python3 random_split.py [--seed 1] [--no-peers] [--only NAME…]

Each peer is trained on the 80 % with every setting of its grid; the best recall on the next 10 %
chooses; that setting is trained on both parts and tested, lists without items of either. Marquee is
trained on both parts with one setting: what is held out at random is not what comes next, so recency is
off and the blend is learned from ratings held out at random too, among the best of each method alone.
"""
import os
import warnings

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("LK_NUM_THREADS", "2")
import numpy as np  # noqa: E402

import protocols as p  # noqa: E402

warnings.simplefilter("ignore")
K = 20


def grid(**choices):
    rows = [{}]
    for key, values in choices.items():
        rows = [row | {key: value} for row in rows for value in values]
    return rows


class Split:
    def __init__(self, train, held, users, items):
        self.train, self.held, self.shape = train, held, (users, items)
        self.seen = p.dense_seen(train, users, items)

    def measure(self, lists):
        return p.list_measures(lists, self.held, *self.shape, K)

    def sparse(self):
        import scipy.sparse as sp

        return sp.csr_matrix(self.seen.astype(np.float32))

    def lenskit_data(self):
        import pandas
        from lenskit.data import from_interactions_df

        return from_interactions_df(pandas.DataFrame(self.train[:, :2], columns=["user_id", "item_id"]))


def implicit_als(split, keys):
    from implicit.als import AlternatingLeastSquares

    model = AlternatingLeastSquares(iterations=15, random_state=1, **keys)
    model.fit(split.sparse(), show_progress=False)
    return p.top(model.user_factors @ model.item_factors.T, split.seen, K)


def implicit_neighbours(name):
    def run(split, keys):
        from implicit import nearest_neighbours

        model = getattr(nearest_neighbours, name)(**keys)
        matrix = split.sparse().astype(np.float64)
        model.fit(matrix, show_progress=False)
        return model.recommend(np.arange(split.shape[0]), matrix, N=K)[0]

    return run


def lenskit_als(split, keys):
    from lenskit.als import ImplicitMFScorer

    model = ImplicitMFScorer(epochs=15, **keys)
    model.train(split.lenskit_data())
    scores = np.full(split.shape, -np.inf)
    scores[np.ix_(model.users.ids(), model.items.ids())] = model.user_embeddings @ model.item_embeddings.T
    return p.top(scores, split.seen, K)


def lenskit_ease(split, keys):
    from lenskit.knn.ease import EASEScorer

    model = EASEScorer(**keys)
    model.train(split.lenskit_data())
    ids = model.items.ids()
    scores = np.full(split.shape, -np.inf)
    scores[:, ids] = split.seen[:, ids].astype(np.float32) @ model.weights
    return p.top(scores, split.seen, K)


def lenskit_neighbours(name):
    def run(split, keys):
        from lenskit import knn
        from lenskit.batch import recommend
        from lenskit.pipeline import topn_pipeline

        pipeline = topn_pipeline(getattr(knn, name)(feedback="implicit", **keys), n=K)
        pipeline.train(split.lenskit_data())
        lists = np.full((split.shape[0], K), -1)
        for key, row in recommend(pipeline, list(range(split.shape[0])), K, n_jobs=1).items():
            ids = row.ids()[:K]
            lists[int(key.user_id if hasattr(key, "user_id") else key[0]), : len(ids)] = ids
        return lists

    return run


MARQUEE = {
    "hybrid__recency": 0,
    "hybrid__factors": 192,
    "hybrid__blend_choices": "random",
    "hybrid__blend_users": 6000,
    "hybrid__blend_others": 0,
    "hybrid__blend_worth": 0,
}
MODELS = {
    "implicit ALS": (implicit_als, grid(factors=[64, 128, 192], alpha=[2.0, 4.0, 10.0], regularization=[1.0, 10.0, 30.0, 60.0])),
    "implicit cosine": (implicit_neighbours("CosineRecommender"), grid(K=[20, 50, 100, 200])),
    "implicit BM25": (implicit_neighbours("BM25Recommender"), grid(K=[50, 200], K1=[1.2, 10, 100], B=[0.2, 0.5])),
    "implicit TF-IDF": (implicit_neighbours("TFIDFRecommender"), grid(K=[50, 200])),
    "LensKit ImplicitMF": (lenskit_als, grid(embedding_size=[64, 128], weight=[1.0, 3.0, 10.0, 40.0], regularization=[0.1, 10.0, 30.0])),
    "LensKit EASE": (lenskit_ease, grid(regularization=[100.0, 300.0, 500.0, 1000.0])),
    "LensKit ItemKNN": (lenskit_neighbours("ItemKNNScorer"), grid(max_nbrs=[20, 50, 100])),
    "LensKit UserKNN": (lenskit_neighbours("UserKNNScorer"), grid(max_nbrs=[50, 100, 200])),
}

chosen = p.options(__doc__, lambda a: a.add_argument("--only", nargs="*", default=[]))
table = p.movielens(chosen.data)
users, items = int(table[:, 0].max()) + 1, int(table[:, 1].max()) + 1
train, validation, test = p.random_parts(table, chosen.seed)
tuning = Split(train, validation, users, items)
final = Split(np.r_[train, validation], test, users, items)
if not chosen.only or "Marquee" in chosen.only:
    systems = p.Marquee(chosen, train=np.r_[train, validation], test=test).evaluate(
        "--measure", "lists", "--against", "ease", **MARQUEE)
    p.show_systems("", systems, {"recall_20": "recall@20", "ndcg_20": "NDCG@20"}, "ease")
for name, (run, settings) in MODELS.items():
    if chosen.no_peers or (chosen.only and name not in chosen.only):
        continue
    try:
        rows = [(tuning.measure(run(tuning, keys)), keys) for keys in settings]
    except ImportError as error:
        print(f"({name}: {error})")
        continue
    best = max(rows, key=lambda row: row[0][f"recall@{K}"])
    text = " ".join(f"{key}={value}" for key, value in best[1].items())
    p.show(name, final.measure(run(final, best[1])))
    print(f"    chosen: {text}, recall@{K} {best[0][f'recall@{K}']:.4f} on the validation part")
