"""Factor models of implicit, LensKit and NumPy on the sequences that bench_factors reads.

    python3 factors.py SEQUENCES --what als|ease|lenskit [--factors 64]

als      implicit's ALS by conjugate gradient: seconds an iteration (both sides) with L after each,
         and `recommend` of 100 for all users, seen left out
lenskit  LensKit's ImplicitMF: batch recommendation of 100 for some users
ease     EASE in NumPy and SciPy: training, and all users' 100

L is what both programs minimise: Σ observed 10 (s-1)² + Σ others s² + 0.05 (|X|² + |Y|²).
"""
import os
import time

import peerlib


def more(parser):
    parser.add_argument("sequences")
    parser.add_argument("--what", required=True, choices=("als", "ease", "lenskit"))
    parser.add_argument("--factors", type=int, default=64)
    parser.add_argument("--users", type=int, default=1000, help="of lenskit's batch")


chosen = peerlib.options(more)
os.environ["LK_NUM_THREADS"] = os.environ["LK_NUM_BACKEND_THREADS"] = str(chosen.threads)
os.environ["LK_NUM_PROCS"] = str(chosen.threads)
if chosen.what == "als":
    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # as implicit asks for
import numpy as np  # noqa: E402  (thread counts are set first)
import scipy.sparse as sp  # noqa: E402

OBSERVED, REGULARIZATION, ITERATIONS, K = 10.0, 0.05, 12, 100


def load(path):
    """Users by items, 1 where rated, each user's last left out."""
    user, item = np.loadtxt(path, dtype=np.int64).T
    kept = np.r_[user[1:] == user[:-1], False]
    shape = (user.max() + 1, item.max() + 1)
    ones = np.ones(kept.sum(), np.float32)
    return sp.csr_matrix((ones, (user[kept], item[kept])), shape=shape), user[kept], item[kept]


def objective(matrix, x, y):
    x, y = x.astype(np.float64), y.astype(np.float64)
    user = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    s = np.einsum("ij,ij->i", x[user], y[matrix.indices])
    total = (OBSERVED * (s - 1) ** 2 - s**2).sum() + ((x.T @ x) * (y.T @ y)).sum()
    return total + REGULARIZATION * ((x**2).sum() + (y**2).sum())


def als(matrix):
    import implicit
    from implicit.als import AlternatingLeastSquares

    def new():
        return AlternatingLeastSquares(factors=chosen.factors, regularization=REGULARIZATION,
                                       alpha=OBSERVED, iterations=ITERATIONS,
                                       num_threads=chosen.threads, random_state=1)

    seconds, objectives = [], []
    for run in range(chosen.runs + 1):
        model, each = new(), []

        def after(iteration, elapsed, loss):
            each.append(elapsed)
            if run == 0:
                objectives.append(round(objective(matrix, model.user_factors, model.item_factors), 1))

        model.fit(matrix, show_progress=False, callback=after)
        if run > 0:
            seconds.append(sum(each) / len(each))
    version = "implicit " + implicit.__version__
    peerlib.emit("implicit", version, f"ALS f={chosen.factors} iteration", chosen.threads, seconds,
                 matrix.nnz, "ratings", {"objective": objectives})
    users = np.arange(matrix.shape[0])
    seconds = peerlib.timed(
        lambda: model.recommend(users, matrix, N=K, filter_already_liked_items=True), chosen.runs)
    peerlib.emit("implicit", version, f"ALS f={chosen.factors} lists of 100, seen left out",
                 chosen.threads, seconds, len(users), "users")


def lenskit(matrix, user, item):
    import warnings

    import lenskit
    import pandas
    from lenskit.als import ImplicitMFScorer
    from lenskit.batch import recommend
    from lenskit.data import from_interactions_df
    from lenskit.pipeline import topn_pipeline

    warnings.simplefilter("ignore")
    data = from_interactions_df(pandas.DataFrame({"user_id": user, "item_id": item}))
    pipeline = topn_pipeline(ImplicitMFScorer(embedding_size=chosen.factors, epochs=3), n=K)
    pipeline.train(data)
    users = list(range(min(chosen.users, matrix.shape[0])))
    for processes in (1, chosen.threads):
        seconds = []
        for _ in range(2):
            begin = time.perf_counter()
            recommend(pipeline, users, K, n_jobs=processes)
            seconds.append(time.perf_counter() - begin)
        peerlib.emit("lenskit", "lenskit " + lenskit.__version__,
                     f"ALS f={chosen.factors} lists of 100, seen left out, {processes} processes",
                     chosen.threads, seconds, len(users), "users")


def ease(matrix):
    import scipy.linalg

    items = matrix.shape[1]

    def train():
        gram = np.asarray((matrix.T @ matrix).todense(), dtype=np.float32)
        gram[np.diag_indices(items)] += 500
        factor = scipy.linalg.cholesky(gram, lower=True, overwrite_a=True, check_finite=False)
        (invert,) = scipy.linalg.lapack.get_lapack_funcs(("potri",), (factor,))
        inverse = invert(factor, lower=1, overwrite_c=1)[0]
        inverse = np.tril(inverse) + np.tril(inverse, -1).T
        weights = inverse / -np.diag(inverse)
        np.fill_diagonal(weights, 0)
        return weights

    weights = train()
    dense = matrix.toarray()

    def lists():
        scores = dense @ weights
        scores[dense > 0] = -np.inf
        best = np.argpartition(-scores, K, axis=1)[:, :K]
        order = np.argsort(-np.take_along_axis(scores, best, 1), axis=1)
        return np.take_along_axis(best, order, 1)

    version = "numpy " + np.__version__
    peerlib.emit("numpy", version, "EASE training", chosen.threads,
                 peerlib.timed(train, chosen.runs), matrix.nnz, "ratings")
    peerlib.emit("numpy", version, "EASE lists of 100, seen left out", chosen.threads,
                 peerlib.timed(lists, chosen.runs), matrix.shape[0], "users")


if __name__ == "__main__":  # LensKit's processes read this file again
    matrix, user, item = load(chosen.sequences)
    if chosen.what == "als":
        als(matrix)
    elif chosen.what == "ease":
        ease(matrix)
    else:
        lenskit(matrix, user, item)
