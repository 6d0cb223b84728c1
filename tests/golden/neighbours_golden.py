"""Neighbours against NumPy: the definitions of src/model/neighbours.h, neighbour_rating.h,
rating_baseline.h and sequence_neighbours.h written out pair by pair, in float64.

make OUT        write OUT/neighbours.npy, which test_neighbours_golden.c compares with; both sides
                make the ratings by the same formula
check DIR       nothing to check: the unit test reads the file

Seed 001's literal form is parts 1 and 3: a user's likeness with every other is the cosine over the
films that both rated; those above a threshold are neighbours; a film's rating is the mean of theirs,
weighted by likeness.
"""
import pathlib
import sys

import numpy as np

USERS, ITEMS = 24, 20
THRESHOLD, NEAREST, SHRINK, POWER = 0.8, 5, 3, 1.5
WINDOW, DECAY, BACKWARD = 4, 2.0, 0.3


def ratings():
    """Rating or 0, and place in time (larger is newer), both [USERS, ITEMS]. User 0 rated nothing,
    user 1 one film, user 2 and 3 have no film in common, film 0 is rated by all others, film 1 by
    none, user 4 rates all alike."""
    rating, time = np.zeros((USERS, ITEMS)), np.zeros((USERS, ITEMS))
    for u in range(1, USERS):
        for i in range(ITEMS):
            has = (u * 7 + i * 11 + u * i) % 10 < 4 and i != 1
            if u == 1:
                has = False
            if u in (2, 3):
                has = has and i % 2 == u % 2
            if i == 0:
                has = u != 3
            if has:
                rating[u, i] = 3 if u == 4 else 1 + (u * 3 + i * 5 + u * i % 7) % 5
                time[u, i] = 1 + (i * 17 + u * 13) % 101
    return rating, time


def likeness(x, has, common, shrink=0):
    """Of rows of x; 0 where there is none."""
    n = len(x)
    s = np.zeros((n, n))
    for a in range(n):
        for b in range(n):
            both = has[a] & has[b]
            over = both if common else slice(None)
            length = np.sqrt((x[a][over] ** 2).sum() * (x[b][over] ** 2).sum())
            if a != b and both.any() and length > 1e-9:
                s[a, b] = (x[a][both] * x[b][both]).sum() / length
                s[a, b] *= both.sum() / (both.sum() + shrink)
    return s


def above(s, threshold):
    return np.where(s > threshold, s, 0)


def weighted(neighbours, values, nearest):
    """neighbours: (likeness, value) of those that count; None where there are none."""
    best = sorted(neighbours, key=lambda n: (-n[0], n[1]))[:nearest]
    if not best:
        return None
    s = np.array([likeness for likeness, _ in best])
    return (s * np.array([values[at] for _, at in best])).sum() / s.sum()


def predict(rating, s, shift, fallback, by_users, nearest, power):
    has, out = rating > 0, np.zeros_like(rating)
    left = np.where(has, rating - shift, 0)
    for u in range(USERS):
        for i in range(ITEMS):
            if by_users:
                who = [(s[u, v] ** power, v) for v in range(USERS) if has[v, i] and s[u, v] > 0]
                mean = weighted(who, left[:, i], nearest)
            else:
                who = [(s[i, j] ** power, j) for j in range(ITEMS) if has[u, j] and s[i, j] > 0]
                mean = weighted(who, left[u], nearest)
            out[u, i] = fallback[u, i] if mean is None else shift[u, i] + mean
    return np.clip(out, rating[has].min(), rating[has].max())


def baseline(rating):
    has = rating > 0
    mean = rating[has].mean()
    user, item = np.zeros(USERS), np.zeros(ITEMS)
    for _ in range(10):
        item = (np.where(has, rating - mean - user[:, None], 0).sum(0)) / (10 + has.sum(0))
        user = (np.where(has, rating - mean - item[None, :], 0).sum(1)) / (15 + has.sum(1))
    return mean + user[:, None] + item[None, :]


def in_time(rating, time):
    s, n = np.zeros((ITEMS, ITEMS)), np.maximum((rating > 0).sum(0), 1)
    for u in range(USERS):
        history = sorted(np.flatnonzero(rating[u]), key=lambda i: (time[u, i], i))
        for p, a in enumerate(history):
            for q, b in enumerate(history):
                d = abs(p - q)
                if 1 <= d <= WINDOW:
                    s[a, b] += np.exp(-(d - 1) / DECAY) * (1 if q > p else BACKWARD)
    return s / np.sqrt(n[:, None] * n[None, :])


def make(out):
    rating, time = ratings()
    has = rating > 0
    user_mean = rating.sum(1) / np.maximum(has.sum(1), 1)
    base = baseline(rating)
    plain = np.zeros_like(rating)
    literal_users = above(likeness(rating, has, True), THRESHOLD)
    literal_items = above(likeness(rating.T, has.T, True), THRESHOLD)
    adjusted = likeness(np.where(has, rating - user_mean[:, None], 0).T, has.T, True)
    centred = np.where(has, rating - base, 0)
    users = above(likeness(centred, has, False, SHRINK), 0)
    items = above(likeness(centred.T, has.T, False, SHRINK), 0)
    parts = [
        literal_users,
        above(adjusted, 0),
        predict(rating, literal_users, plain, base, True, USERS, 1),
        predict(rating, literal_items, plain, base, False, ITEMS, 1),
        base,
        users,
        items,
        predict(rating, users, base, base, True, NEAREST, POWER),
        predict(rating, items, base, base, False, NEAREST, POWER),
        in_time(rating, time),
    ]
    np.save(out / "neighbours.npy", np.concatenate([part.ravel() for part in parts]).astype("f4"))


if __name__ == "__main__":
    {"make": make, "check": lambda folder: None}[sys.argv[1]](pathlib.Path(sys.argv[2]))
