"""DeepFM against NumPy and onnxruntime. make: NumPy alone; check: onnxruntime, safetensors.

make OUT        write OUT/deepfm-step.npy: probabilities, loss, gradients and one step of lazy Adam,
                in float64, of a small model whose parameters come from a formula that the unit test
                test_deepfm_golden.c knows too
check DIR       open what write_deepfm.c wrote into DIR: model.onnx of model.tar.gz gives the same
                probabilities to 1e-5, the safetensors and the JSON hold the same model, and pickle
                loads the frame of item features
"""
import io
import json
import pathlib
import pickle
import sys
import tarfile

import numpy as np

DIM, WIDTH = 4, (5, 3)
SIZES = (1, 1, 5, 4, 7)  # two dense fields, two categories, a bag
FIRST = np.r_[0, np.cumsum(SIZES)][:-1]
MEAN, SCALE = (0.25, -0.5), (1.5, 2.0)
BAGS = ((1, 2), (), (5, 3, 3), (4,))
ROWS = 9
RATE, BETA1, BETA2, EPSILON, L2 = 0.01, 0.9, 0.999, 1e-8, 1e-3


def value(t, *shape):
    k = np.arange(np.prod(shape))
    return ((((k * 37 + t * 101 + (k // 7) * 13) % 257 - 128) / 256)).reshape(shape)


def expect(what, condition):
    if not condition:
        sys.exit(f"deepfm: {what}")


def rows():
    """Per row and field: (feature, share) pairs."""
    dense = value(20, ROWS, 2)
    out = []
    for i in range(ROWS):
        fields = [[(f, (dense[i, f] - MEAN[f]) * SCALE[f])] for f in range(2)]
        fields.append([(FIRST[2] + (i * 2 % 7 if i * 2 % 7 < 5 else 0), 1.0)])  # 5, 6: unknown
        fields.append([(FIRST[3] + i % 4, 1.0)])
        bag = BAGS[i % 4] or (0,)
        fields.append([(FIRST[4] + m, 1.0 / len(bag)) for m in bag])
        out.append((fields, float(i % 3 == 0)))
    return out


def forward_backward(p):
    grads = {k: np.zeros_like(v) for k, v in p.items()}
    probs, loss = [], 0.0
    for fields, label in rows():
        e = np.array([sum(x * p["v"][f] for f, x in pairs) for pairs in fields])
        total = e.sum(0)
        y = p["bias"][0] + sum(x * p["w"][f] for pairs in fields for f, x in pairs)
        y += 0.5 * (total @ total - (e * e).sum())
        a0 = np.maximum(e.ravel() @ p["kernel0"] + p["offset0"], 0)
        a1 = np.maximum(a0 @ p["kernel1"] + p["offset1"], 0)
        y += a1 @ p["kernel2"][:, 0] + p["offset2"][0]
        probs.append(1 / (1 + np.exp(-y)))
        loss += np.logaddexp(0, y) - y * label
        g = (probs[-1] - label) / ROWS
        grads["bias"] += g
        grads["offset2"] += g
        grads["kernel2"][:, 0] += g * a1
        d1 = g * p["kernel2"][:, 0] * (a1 > 0)
        grads["offset1"] += d1
        grads["kernel1"] += np.outer(a0, d1)
        d0 = p["kernel1"] @ d1 * (a0 > 0)
        grads["offset0"] += d0
        grads["kernel0"] += np.outer(e.ravel(), d0)
        de = (p["kernel0"] @ d0).reshape(e.shape) + g * (total - e)
        for k, pairs in enumerate(fields):
            for f, x in pairs:
                grads["w"][f] += g * x
                grads["v"][f] += x * de[k]
    return np.array(probs), loss / ROWS, grads


def adam(p, grads):
    """First step; rows that the batch does not touch stay."""
    touched = np.zeros(sum(SIZES), bool)
    for fields, _ in rows():
        for pairs in fields:
            for f, _ in pairs:
                touched[f] = True
    after = {}
    for name, old in p.items():
        g = grads[name] + (L2 * old if name in ("w", "v") else 0)
        m, v = (1 - BETA1) * g, (1 - BETA2) * g * g
        new = old - RATE * (m / (1 - BETA1)) / (np.sqrt(v / (1 - BETA2)) + EPSILON)
        if name in ("w", "v"):
            expect("some features must stay untouched", not touched.all())
            new[~touched] = old[~touched]
        after[name] = new
    return after


def make(out):
    p = {
        "w": value(1, sum(SIZES)),
        "v": value(2, sum(SIZES), DIM),
        "kernel0": value(3, len(SIZES) * DIM, WIDTH[0]),
        "offset0": value(4, WIDTH[0]),
        "kernel1": value(5, *WIDTH),
        "offset1": value(6, WIDTH[1]),
        "kernel2": value(7, WIDTH[1], 1),
        "offset2": value(8, 1),
        "bias": value(9, 1),
    }
    probs, loss, grads = forward_backward(p)
    after = adam(p, grads)
    parts = [probs, np.array([loss])]
    parts += [a.ravel() for name in p for a in (grads[name], after[name])]
    np.save(out / "deepfm-step.npy", np.concatenate(parts))


def check(folder):
    import onnxruntime
    import safetensors.numpy

    ids, vals = np.load(folder / "ids.npy"), np.load(folder / "vals.npy")
    prob = np.load(folder / "prob.npy")
    with tarfile.open(folder / "model.tar.gz") as tar:
        names = tar.getnames()
        files = {n: tar.extractfile(n).read() for n in names}
    expect(f"members are {names}", sorted(names) == ["model.json", "model.onnx", "weights.safetensors"])
    session = onnxruntime.InferenceSession(files["model.onnx"], providers=["CPUExecutionProvider"])
    expect("inputs", [(i.name, i.type, i.shape[1]) for i in session.get_inputs()]
           == [("feat_ids", "tensor(int64)", 39), ("feat_vals", "tensor(float)", 39)])
    got = session.run(["prob"], {"feat_ids": ids.astype(np.int64), "feat_vals": vals})[0]
    worst = np.abs(got - prob).max()
    expect(f"onnxruntime's probabilities differ by {worst}", got.shape == prob.shape and worst < 1e-5)
    one = session.run(["prob"], {"feat_ids": ids[:1].astype(np.int64), "feat_vals": vals[:1]})[0]
    expect("a single row", abs(one[0] - prob[0]) < 1e-5)
    moved = vals.copy()
    moved[:, 3] += 0.01  # a planted error must be seen
    got = session.run(["prob"], {"feat_ids": ids.astype(np.int64), "feat_vals": moved})[0]
    expect("a planted error is not seen", np.abs(got - prob).max() > 1e-5)
    weights = safetensors.numpy.load(files["weights.safetensors"])
    about = json.loads(files["model.json"])
    features = sum(f["size"] for f in about["fields"])
    expect("shapes", weights["v"].shape == (features, about["dim"]) and weights["w"].shape == (features,)
           and [weights[f"kernel.{l}"].shape[1] for l in range(3)] == about["layers"] + [1])
    firsts = np.r_[0, np.cumsum([f["size"] for f in about["fields"]])][:-1]
    expect("field offsets", [f["first"] for f in about["fields"]] == list(firsts))
    with open(folder / "frame.pickle", "rb") as file:
        frame = pickle.load(file)
    columns = ["programId", *(f"C{k}" for k in range(1, 7)), *(f"I{k}" for k in range(32, 64)),
               "item_feat_mean", "values"]
    expect(f"frame's columns are {list(frame)}", list(frame) == columns)
    count = len(frame["programId"])
    expect("frame's types", frame["C1"].dtype == np.int64 and frame["I32"].dtype == np.float64
           and all(len(frame[c]) == count for c in columns[:-1]))
    expect("frame's texts", frame["values"]["C1"][frame["C1"][0]] == "drama|history"
           and frame["C2"][1] == 0 and frame["values"]["C2"][0] == "")
    mean = np.mean([frame[f"I{k}"] for k in range(32, 64)], axis=0)
    expect("frame's mean", np.allclose(mean, frame["item_feat_mean"], atol=1e-6))
    expect("frame's range", frame["I40"].min() == 0 and frame["I40"].max() == 1)
    print("deepfm: ok")


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] not in ("make", "check"):
        sys.exit(__doc__)
    {"make": make, "check": check}[sys.argv[1]](pathlib.Path(sys.argv[2]))
