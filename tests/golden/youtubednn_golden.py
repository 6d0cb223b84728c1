"""YoutubeDNN against NumPy and Keras. make: NumPy alone; check: keras 3 or tensorflow 2, faiss.

make OUT        write OUT/youtubednn-step.npy: vectors, loss, gradients and one step of Adam, in
                float64, of a small tower whose parameters come from a formula that the unit test
                test_youtubednn_golden.c knows too
check DIR       open what write_youtubednn.c wrote into DIR: Keras predicts the same user vectors
                to 1e-5, faiss finds the same 50 items, row i is code i in all of them
"""
import os
import pathlib
import sys

import numpy as np

HEADS, USERS, ITEMS, HISTORY = 2, 5, 12, 50
NEGATIVES = [3, 7, 1, 9, 4]
RUNS = [(0, 1, 1, 4), (USERS, 40, 30, 6), (2, 80, 60, 5)]  # user row, first target, before, count
STRIDE = 13
RATE, BETA1, BETA2, EPSILON, L2, STEP = 0.01, 0.9, 0.999, 1e-8, 1e-3, 3


def value(t, *shape):
    k = np.arange(np.prod(shape))
    return ((((k * 37 + t * 101 + (k // 7) * 13) % 257 - 128) / 256)).reshape(shape)


def expect(what, condition):
    if not condition:
        sys.exit(f"youtubednn: {what}")


def forward_backward(p):
    """Sample by sample; returns vectors, loss, gradients like p."""
    item = np.array([(i * 5 + i // 7) % ITEMS for i in range(100)])
    weight = np.array([(i % 4 + 1) / 4 for i in range(100)])
    correction, log_expected = value(20, len(NEGATIVES)), value(21, ITEMS)
    scale = value(22, HISTORY + 1, HEADS) + 0.75
    total = sum(weight[first : first + count].sum() for _, first, _, count in RUNS)
    grads = {k: np.zeros_like(v) for k, v in p.items()}
    vectors, loss = [], 0.0
    for user, first, before, count in RUNS:
        for j in range(count):
            at, length = first + j, min(before + j, HISTORY)
            newest = item[at - length : at][::-1]
            w = p["position"][:, :length] * scale[length][:, None]
            x = np.concatenate([p["user"][user], (w @ p["item"][newest]).ravel()])
            a1 = np.maximum(x @ p["kernel0"] + p["bias0"], 0)
            a2 = np.maximum(a1 @ p["kernel1"] + p["bias1"], 0)
            v = a2 @ p["kernel2"] + p["bias2"]
            vectors.append(v)
            target = item[at]
            kept = [i for i, n in enumerate(NEGATIVES) if n != target]
            rows = np.array([NEGATIVES[i] for i in kept] + [target])
            scores = p["item"][rows] @ v + np.append(correction[kept], -log_expected[target])
            share = np.exp(scores - scores.max())
            share /= share.sum()
            factor = weight[at] / total
            loss -= factor * np.log(share[-1])
            d_scores = factor * (share - np.eye(len(rows))[-1])
            np.add.at(grads["item"], rows, d_scores[:, None] * v)
            d_v = d_scores @ p["item"][rows]
            d_a2 = p["kernel2"] @ d_v * (a2 > 0)
            d_a1 = p["kernel1"] @ d_a2 * (a1 > 0)
            d_x = p["kernel0"] @ d_a1
            for layer, (a, d) in enumerate(((x, d_a1), (a1, d_a2), (a2, d_v))):
                grads[f"kernel{layer}"] += np.outer(a, d)
                grads[f"bias{layer}"] += d
            grads["user"][user] += d_x[:16]
            d_pooled = d_x[16:].reshape(HEADS, 32)
            np.add.at(grads["item"], newest, w.T @ d_pooled)
            grads["position"][:, :length] += (d_pooled @ p["item"][newest].T) * scale[length][:, None]
    return np.array(vectors), loss, grads


def adam(p, g, tables):
    """One step with moments that are not zero; rows of tables without gradient stay."""
    after = {}
    for t, (name, old) in enumerate(p.items()):
        l2 = L2 if name in tables else 0
        gradient = g[name] + l2 * old
        m = BETA1 * value(30 + t, *old.shape) * 0.01 + (1 - BETA1) * gradient
        v = BETA2 * (value(40 + t, *old.shape) ** 2 + 0.05) * 0.001 + (1 - BETA2) * gradient**2
        new = old - RATE * (m / (1 - BETA1**STEP)) / (np.sqrt(v / (1 - BETA2**STEP)) + EPSILON)
        if name in tables:
            new = np.where(np.isin(np.arange(len(old)), tables[name])[:, None], new, old)
        after[name] = new
    return after


def make(out):
    p = {
        "user": value(0, USERS + 1, 16),
        "item": value(1, ITEMS, 32),
        "position": value(2, HEADS, HISTORY) * 0.2,
        "kernel0": value(3, 16 + 32 * HEADS, 128) * 0.5,
        "bias0": value(4, 128),
        "kernel1": value(5, 128, 64) * 0.25,
        "bias1": value(6, 64),
        "kernel2": value(7, 64, 32) * 0.25,
        "bias2": value(8, 32),
    }
    p = {k: v.astype(np.float32).astype(np.float64) for k, v in p.items()}
    vectors, loss, grads = forward_backward(p)
    touched = {name: np.flatnonzero(grads[name].any(1)) for name in ("user", "item")}
    expect("some rows must stay untouched", all(len(touched[n]) < len(p[n]) for n in touched))
    after = adam(p, grads, touched)
    parts = [vectors, np.array([loss])]
    for name in p:
        parts += [grads[name].ravel()[::STRIDE], after[name].ravel()[::STRIDE]]
    np.save(out / "youtubednn-step.npy", np.concatenate([x.ravel() for x in parts]))


def check(folder):
    os.environ.setdefault("KERAS_BACKEND", "jax")
    import faiss

    try:
        import keras

        if not keras.__version__.startswith("3"):
            raise ImportError
    except ImportError:
        from tensorflow import keras
    for form in "mean", "position":
        model = keras.models.load_model(str(folder / f"{form}.h5"))
        names = [t.name.split(":")[0] for t in model.inputs]
        expect(f"{form}: inputs are {names}", names == ["user_id", "hist_movie_id", "hist_len"])
        got = np.load(folder / f"{form}-vectors.npy")
        codes = np.load(folder / f"{form}-inputs.npy")  # user, length, 50 items newest first
        keras_vectors = model.predict([codes[:, :1], codes[:, 2:], codes[:, 1:2]], verbose=0)
        worst = np.abs(keras_vectors - got).max()
        expect(f"{form}: Keras' vectors differ by {worst}", worst < 1e-5 * max(1, np.abs(got).max()))
        items = np.load(folder / f"{form}-items.npy")
        table = model.get_layer("sparse_seq_emb_hist_movie_id").get_weights()[0]
        expect(f"{form}: row i is not code i", np.array_equal(table, items))
        index = faiss.read_index(str(folder / f"{form}.index"))
        expect(f"{form}: index holds {index.ntotal} items", index.ntotal == len(items))
        scores, ids = index.search(got.astype(np.float32), 50)
        exact = got @ items.T
        best = np.sort(exact, axis=1)[:, ::-1][:, :50]
        expect(f"{form}: faiss' top 50 is another", np.allclose(scores, best, rtol=1e-4, atol=1e-4))
        ranked = np.take_along_axis(exact, ids, axis=1)
        expect(f"{form}: ids of faiss' top 50 are others", np.allclose(ranked, best, rtol=1e-4, atol=1e-4))
        # A planted error must be seen: one weight moved.
        layer = model.get_layer("dnn_2")
        kernel, bias = layer.get_weights()
        layer.set_weights([kernel, bias + 1e-3])
        moved = model.predict([codes[:, :1], codes[:, 2:], codes[:, 1:2]], verbose=0)
        expect(f"{form}: a planted error is not seen", np.abs(moved - got).max() > 5e-4)
    print("youtubednn: ok")


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] not in ("make", "check"):
        sys.exit(__doc__)
    {"make": make, "check": check}[sys.argv[1]](pathlib.Path(sys.argv[2]))
