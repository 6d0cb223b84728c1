"""iALS, EASE and biased matrix factorisation against NumPy.

make OUT        write OUT/ials-step.npy, ease-weights.npy, biased-mf-step.npy: objective, solutions
                and posteriors, in float64, of a small matrix of ratings and parameters that come
                from formulas which the unit test test_factors_golden.c knows too
check DIR       open what write_factors.c wrote into DIR (models trained by Marquee on that matrix):
                users solve their normal equations, B is the inverse's, predictions are the formula's
"""
import pathlib
import sys

import numpy as np

USERS, ITEMS, FACTORS = 7, 9, 6
ALPHA, LAMBDA, EXPONENT = 0.3, 0.05, 0.7
EASE_LAMBDA, EASE_DROPOUT = 0.7, 0.4
MEAN, SCALE, NOISE = 3.1, 1.2, 0.4
RIDGE = 0.6


def value(t, *shape):
    k = np.arange(np.prod(shape))
    return ((((k * 37 + t * 101 + (k // 7) * 13) % 257 - 128) / 256)).reshape(shape)


def single(x):
    return np.asarray(x, np.float32).astype(np.float64)


def expect(what, condition):
    if not condition:
        sys.exit(f"factors: {what}")


def ratings():
    """rated [USERS,ITEMS], rating; the last user and item have none."""
    u, i = np.meshgrid(np.arange(USERS), np.arange(ITEMS), indexing="ij")
    rated = ((u * 5 + i * 3 + u * i) % 4 != 0) & (u < USERS - 1) & (i < ITEMS - 1)
    return rated, np.where(rated, 1.0 + u % 3 + i % 3, 0)


def confidences(rated):
    """By position in user order: 1, 1.5, 2, 1, …"""
    c = np.zeros(rated.shape)
    c[rated] = 1 + (np.arange(rated.sum()) % 3) / 2
    return c


# ---- iALS ----


def row_lambda(count, others):
    return LAMBDA * (count + ALPHA * others) ** EXPONENT


def ials_solve(rated, c, table, instead):
    gram = ALPHA * table.T @ table
    out = np.zeros((len(rated), table.shape[1]))
    for r in np.flatnonzero(rated.any(1)):
        y, own = table[rated[r]], c[r][rated[r]]
        w = own - ALPHA if instead else own
        a = gram + (y * w[:, None]).T @ y
        a += row_lambda(rated[r].sum(), len(table)) * np.eye(table.shape[1])
        out[r] = np.linalg.solve(a, y.T @ own)
    return out


def ials_objective(rated, c, user, item, instead):
    s = user @ item.T
    total = (c * (s - 1) ** 2)[rated].sum()
    total += ALPHA * (s**2)[~rated if instead else np.ones_like(rated)].sum()
    total += (row_lambda(rated.sum(1), len(item)) * (user**2).sum(1)).sum()
    return total + (row_lambda(rated.sum(0), len(user)) * (item**2).sum(1)).sum()


def ials_step(rated, c):
    user = single(value(0, USERS, FACTORS) * 0.5)
    item = single(value(1, ITEMS, FACTORS) * 0.5)
    parts = []
    for instead in False, True:
        parts.append([ials_objective(rated, c, user, item, instead)])
        parts.append(ials_solve(rated, c, item, instead))
        parts.append(ials_solve(rated.T, c.T, user, instead))
    return np.concatenate([np.ravel(p) for p in parts])


# ---- EASE ----


def ease_weights(x, regularization, dropout):
    g = x.T @ x
    p = np.linalg.inv(g + np.diag(regularization + dropout * np.diag(g)))
    b = -p / np.diag(p)
    np.fill_diagonal(b, 0)
    return b


# ---- biased matrix factorisation ----


def covariance(t, d):
    m = value(t, d, d)
    return single(0.3 * m @ m.T + 0.1 * np.eye(d))


def posterior(items, t, rows, covariances, precision, prior):
    """Mean, covariance and expected squares of a user from the items' rows (bias, factors)."""
    d = rows.shape[1]
    a, b = NOISE * np.diag(precision), NOISE * precision * prior
    for i, r in zip(items, t):
        y, c, k = np.r_[1, rows[i, 1:]], rows[i, 0], covariances[i].copy()
        with_bias = np.r_[0, k[0, 1:]]
        k[0, :] = k[:, 0] = 0
        a = a + np.outer(y, y) + k
        b = b + (r - c) * y - with_bias
    x, cov = np.linalg.solve(a, b), NOISE * np.linalg.inv(a)
    squares = 0
    for i, r in zip(items, t):
        y, c, k = np.r_[1, rows[i, 1:]], rows[i, 0], covariances[i].copy()
        variance_c, with_bias = k[0, 0], np.r_[0, k[0, 1:]]
        k[0, :] = k[:, 0] = 0
        squares += (r - c - x @ y) ** 2 + variance_c + x @ k @ x + y @ cov @ y
        squares += np.trace(cov @ k) + 2 * with_bias @ x
    return x, cov, squares


def ridge(rated, x):
    n = rated / np.sqrt(np.maximum(rated.sum(1, keepdims=True), 1))
    return np.linalg.solve(n.T @ n + RIDGE * np.eye(rated.shape[1]), n.T @ x)


def mf_step(rated, rating):
    d = FACTORS + 1
    rows = single(value(2, ITEMS, d))
    covariances = [covariance(10 + i, d) for i in range(ITEMS)]
    precision = single(2 + 3 * (value(3, d) + 0.5))
    prior = single(value(4, d) * 0.3)
    parts = []
    for u in range(USERS - 1):
        items = np.flatnonzero(rated[u])
        t = (rating[u, items] - MEAN) / SCALE
        parts += posterior(items, t, rows, covariances, precision, prior)
    parts.append(ridge(rated, single(value(5, USERS, d))))
    return np.concatenate([np.ravel(p) for p in parts])


def make(out):
    rated, rating = ratings()
    c = confidences(rated)
    np.save(out / "ials-step.npy", ials_step(rated, c))
    weights = [ease_weights(x, EASE_LAMBDA, EASE_DROPOUT) for x in (1.0 * rated, single(rating / 5))]
    np.save(out / "ease-weights.npy", np.concatenate(weights))
    np.save(out / "biased-mf-step.npy", mf_step(rated, rating))


def check(folder):
    rated, rating = ratings()
    c = confidences(rated)

    def load(name):
        return np.load(folder / f"{name}.npy").astype(np.float64)

    user, item = load("ials-user"), load("ials-item")
    want = ials_solve(rated, c, item, False)
    expect("iALS users do not solve their equations", np.allclose(user, want, atol=2e-5))
    objective = load("ials-objective")
    mine = ials_objective(rated, c, user, item, False)
    expect(f"iALS: L is {mine}, not {objective}", np.allclose(objective, mine, rtol=1e-5))
    better = ials_solve(rated.T, c.T, user, False)
    expect("iALS items are far from their equations", np.abs(better - item).max() < 0.05)

    b = ease_weights(1.0 * rated, EASE_LAMBDA, EASE_DROPOUT)
    expect("EASE's weights are others", np.allclose(load("ease"), b, atol=2e-5))
    expect("a planted error is not seen", not np.allclose(load("ease") + 1e-3 * (b != 0), b, atol=2e-5))

    user, item, model = load("mf-user"), load("mf-item"), load("mf-numbers")
    mean, scale, low, high, noise = model
    expect("the mean is another", np.isclose(mean, rating[rated].mean()))
    expect("the scale is another", np.isclose(scale, rating[rated].std()))
    predicted = mean + scale * (user[:, :1] + item[:, 0] + user[:, 1:] @ item[:, 1:].T)
    predicted = np.clip(predicted, low, high)
    expect("predictions are others", np.allclose(load("mf-predicted"), predicted, atol=2e-5))
    error = np.sqrt(np.mean((predicted - rating)[rated] ** 2))
    expect(f"the fit is no better than the mean ({error})", error < 0.6 * scale)
    moments, precision, implicit = load("mf-moments"), load("mf-precision"), load("mf-implicit")
    d = user.shape[1]
    upper = np.triu_indices(d)
    for u in range(USERS - 1):
        items = np.flatnonzero(rated[u])
        sums = moments[items].sum(0)
        a = np.zeros((d, d))
        a[upper] = sums[: len(upper[0])]
        a = a + np.triu(a, 1).T + noise * np.diag(precision)
        t = (rating[u, items] - mean) / scale
        right = t @ moments[items][:, :d] - sums[len(upper[0]) : -1]
        right += noise * precision * implicit[items].sum(0) / np.sqrt(len(items))
        expect(f"user {u} is no posterior mean", np.allclose(a @ user[u], right, atol=1e-4))
    print("factors: ok")


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] not in ("make", "check"):
        sys.exit(__doc__)
    {"make": make, "check": check}[sys.argv[1]](pathlib.Path(sys.argv[2]))
