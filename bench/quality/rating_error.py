#!/usr/bin/env python3
"""RMSE of predicted ratings: ml-1m, 90 % to train on and 10 % to test, at random, five seeds.

    MARQUEE_TEST_DATA=FOLDER python3 rating_error.py [--folds 5] [--no-peers]

The AutoRec paper (Sedhain et al. 2015) reports 0.845 for biased matrix factorisation and 0.831 for
item autoencoders. The peer, where it can be imported, is LensKit's BiasedMF on the same folds.
"""
import numpy as np

import protocols as p

chosen = p.options(__doc__, lambda a: a.add_argument("--folds", type=int, default=5))
table = p.movielens(chosen.data)
users, items = int(table[:, 0].max()) + 1, int(table[:, 1].max()) + 1
errors = {}


def note(name, predicted, test):
    error = np.sqrt(np.mean((predicted - test[:, 2]) ** 2))
    errors.setdefault(name, []).append(error)


def lenskit_ratings(train, test):
    import pandas
    from lenskit.als import BiasedMFScorer
    from lenskit.data import ItemList, from_interactions_df

    columns = ["user_id", "item_id", "rating"]
    data = from_interactions_df(pandas.DataFrame(train[:, :3], columns=columns))
    model = BiasedMFScorer(embedding_size=50, epochs=20, regularization=0.1)
    model.train(data)
    predicted = np.full(len(test), train[:, 2].mean())
    for u in np.unique(test[:, 0]):
        at = np.flatnonzero(test[:, 0] == u)
        scores = model(u, ItemList(item_ids=test[at, 1])).scores()
        predicted[at] = np.where(np.isnan(scores), predicted[at], scores)
    return np.clip(predicted, 1, 5)


for fold in range(1, chosen.folds + 1):
    order = np.random.default_rng(fold).permutation(len(table))
    test, train = table[order[: len(table) // 10]], table[order[len(table) // 10 :]]
    marquee = p.Marquee(chosen, train, users, items)
    for name, keys in (
        ("biased MF, 23 factors", {}),
        ("biased MF, 15 factors", {"factors": 15}),
        ("biased MF, 15 factors, ratings alone", {"factors": 15, "implicit": 0}),
        ("biases alone", {"factors": 0, "implicit": 0}),
    ):
        note(name, marquee.scores("biased-mf", test[:, :2], **keys), test)
    if not chosen.no_peers:
        try:
            note("LensKit BiasedMF, 50 factors", lenskit_ratings(train, test), test)
        except ImportError as error:
            print(f"(no peers: {error})")
            chosen.no_peers = True
for name, of in errors.items():
    folds = " ".join(f"{e:.4f}" for e in of)
    print(f"{name:<40} RMSE {np.mean(of):.4f}  (folds {folds})")
