#!/usr/bin/env python3
"""RMSE of predicted ratings: ml-1m, 90 % to train on and 10 % to test, at random, five seeds.

    MARQUEE_TEST_DATA=FOLDER python3 rating_error.py [--folds 5] [--no-peers] [--surprise PYTHON]

The AutoRec paper (Sedhain et al. 2015) reports 0.845 for biased matrix factorisation and 0.831 for
item autoencoders. Peers on the same folds: LensKit's BiasedMF where it can be imported, and, with
--surprise (a Python that has it), scikit-surprise's neighbours, minutes a fold. The folds are those of
bench/peers/neighbours_surprise.py and of bench_neighbour_quality.
"""
import json
import pathlib
import subprocess

import numpy as np

import protocols as p


def more(parser):
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--surprise", metavar="PYTHON")


# Of 200 nearest users, the default, too few have rated a film; the peers keep all pairs.
SETTINGS = {"hybrid__neighbours": 1000}
chosen = p.options(__doc__, more)
table = p.movielens(chosen.data)
errors = {}


def note(name, error):
    errors.setdefault(name, []).append(error)
    print(f"fold {fold}: {name:<40} RMSE {error:.4f}", flush=True)


def lenskit_error(train, test):
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
    return np.sqrt(np.mean((np.clip(predicted, 1, 5) - test[:, 2]) ** 2))


for fold in range(chosen.folds):
    order = np.random.default_rng(fold).permutation(len(table))
    test, train = table[order[: len(table) // 10]], table[order[len(table) // 10 :]]
    marquee = p.Marquee(chosen, train=train, test=test)
    for system in marquee.evaluate("--measure", "ratings", eval__resamples=0, **SETTINGS):
        if "rmse" in system["figures"]:
            note(f"Marquee {system['name']}", system["figures"]["rmse"]["value"])
    if not chosen.no_peers:
        try:
            note("LensKit BiasedMF, 50 factors", lenskit_error(train, test))
        except ImportError as error:
            print(f"(no peers: {error})")
            chosen.no_peers = True
    if chosen.surprise:
        script = pathlib.Path(__file__).with_name("surprise_errors.py")
        command = [chosen.surprise, script, marquee.path / "train", marquee.path / "test"]
        lines = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
        for name, error in json.loads(lines).items():
            note(f"scikit-surprise {name}", error)
for name, of in errors.items():
    folds = " ".join(f"{e:.4f}" for e in of)
    print(f"{name:<40} RMSE {np.mean(of):.4f}  (folds {folds})")
