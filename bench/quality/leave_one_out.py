#!/usr/bin/env python3
"""iALS and EASE where each user's newest rating of ml-1m is held out.

sampled   He et al. 2017 (NCF): the held-out item among 99 that the user never rated, drawn by the
          seed; HR@10 and NDCG@10
full      all items ranked, those of the training part left out; HR@10, HR@50, NDCG@10

    MARQUEE_TEST_DATA=FOLDER python3 leave_one_out.py [--seed 1] [--trainings 3] [--no-peers]

Peers (implicit's ALS) are measured where they can be imported. Settings of iALS are those of
Rendle et al. 2022 for this protocol; they were not tuned here.
"""
import numpy as np

import protocols as p

chosen = p.options(__doc__, lambda a: a.add_argument("--trainings", type=int, default=3))
train, newest = p.newest_apart(p.movielens(chosen.data))
users, items = int(newest[:, 0].max()) + 1, int(max(train[:, 1].max(), newest[:, 1].max())) + 1
target = newest[:, 1]
seen = p.dense_seen(train, users, items)
rated = p.dense_seen(np.r_[train, newest], users, items)
rng = np.random.default_rng(chosen.seed)
negatives = np.array([rng.choice(np.flatnonzero(~rated[u]), 99, replace=False) for u in range(users)])
candidates = np.c_[target, negatives]
pairs = np.c_[np.repeat(np.arange(users), 100), candidates.ravel()]
marquee = p.Marquee(chosen, train, users, items)


def mean(rows):
    return {key: np.mean([row[key] for row in rows]) for key in rows[0]}


def both(name, model, trainings=1, **keys):
    sampled, full = [], []
    for seed in range(1, trainings + 1):
        scores = marquee.scores(model, pairs, seed=seed, **keys).reshape(users, 100)
        sampled.append(p.sampled_measures(scores))
        full.append(p.hit_measures(marquee.lists(model, 50, seed=seed, **keys), target))
    p.show(f"sampled  {name}", mean(sampled))
    p.show(f"full     {name}", mean(full))


both("iALS, 192 factors", "ials", chosen.trainings)
both("iALS, 64 factors", "ials", chosen.trainings, factors=64)
both("EASE, λ 500", "ease", **{"lambda": 500, "dropout": 0})
both("EASE", "ease")
both("iALS, 192 factors, recency 1", "ials", chosen.trainings, recency=1)
both("EASE, recency 0.7", "ease", recency=0.7)

if not chosen.no_peers:
    try:
        import os

        os.environ["OPENBLAS_NUM_THREADS"] = "1"
        import scipy.sparse as sp
        from implicit.als import AlternatingLeastSquares
    except ImportError as error:
        print(f"(no peers: {error})")
    else:
        matrix = sp.csr_matrix(seen.astype(np.float32))
        for factors, alpha, regularization in ((64, 1.0, 0.05), (192, 1.0, 0.05), (64, 4.0, 1.0)):
            model = AlternatingLeastSquares(factors=factors, regularization=regularization,
                                            alpha=alpha, iterations=13, random_state=1)
            model.fit(matrix, show_progress=False)
            scores = model.user_factors @ model.item_factors.T
            name = f"implicit ALS, {factors} factors, alpha {alpha:g}"
            p.show(f"sampled  {name}", p.sampled_measures(np.take_along_axis(scores, candidates, 1)))
            p.show(f"full     {name}", p.hit_measures(p.top(scores, seen, 50), target))
