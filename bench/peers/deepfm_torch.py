"""DeepFM in PyTorch on the rows of deepfm_rows.py.

    python3 deepfm_torch.py train|predict|quality ROWS [--threads 2] [--runs 3] …

One JSON line a run, as bench_deepfm prints. Dense fields are multiplied by their vectors without a
look-up, categories are looked up by feature id, a bag is a mean: the leanest form that plain
PyTorch allows. `quality` keeps the epoch with the best validation log-loss and measures the test
rows.
"""
import argparse
import copy
import json
import time

import numpy as np
import torch
from torch import nn
from torch.nn import functional

import deepfm_rows


class DeepFM(nn.Module):
    def __init__(self, rows, dim, layers, dropout):
        super().__init__()
        self.dense = rows["dense"].shape[1] if "dense" in rows else 0
        sizes = [size for _, size, _ in rows["category"]]
        self.register_buffer("first", torch.tensor(np.r_[0, np.cumsum(sizes)][:-1] if sizes else [],
                                                   dtype=torch.long))
        self.bias = nn.Parameter(torch.zeros(1))
        self.dense_w = nn.Parameter(torch.zeros(self.dense))
        self.dense_v = nn.Parameter(torch.randn(self.dense, dim) * 0.01)
        self.w, self.v = nn.Embedding(sum(sizes), 1), nn.Embedding(sum(sizes), dim)
        nn.init.zeros_(self.w.weight)
        nn.init.normal_(self.v.weight, 0, 0.01)
        self.bag_w = nn.ModuleList(nn.EmbeddingBag(b[1], 1, mode="mean") for b in rows["bag"])
        self.bag_v = nn.ModuleList(nn.EmbeddingBag(b[1], dim, mode="mean") for b in rows["bag"])
        for w, v in zip(self.bag_w, self.bag_v):
            nn.init.zeros_(w.weight)
            nn.init.normal_(v.weight, 0, 0.01)
        width, steps = (self.dense + len(sizes) + len(rows["bag"])) * dim, []
        for units in layers:
            steps += [nn.Linear(width, units), nn.ReLU()]
            if dropout > 0:
                steps.append(nn.Dropout(dropout))
            width = units
        self.mlp = nn.Sequential(*steps, nn.Linear(width, 1))

    def forward(self, x, ids, bags):
        y, parts = self.bias, []
        if self.dense:
            y = y + x @ self.dense_w
            parts.append(x[:, :, None] * self.dense_v)
        if len(self.first):
            ids = ids + self.first
            y = y + self.w(ids).sum((1, 2))
            parts.append(self.v(ids))
        for w, v, (members, offset) in zip(self.bag_w, self.bag_v, bags):
            y = y + w(members, offset).squeeze(1)
            parts.append(v(members, offset)[:, None])
        e = torch.cat(parts, 1) if len(parts) > 1 else parts[0]
        pairs = 0.5 * (e.sum(1).square().sum(1) - e.square().sum((1, 2)))
        return y + pairs + self.mlp(e.flatten(1)).squeeze(1)


class Part:
    """Rows of one part of the split as tensors, cut into batches."""

    def __init__(self, rows, which, limit=None):
        keep = np.flatnonzero(rows["split"] == which)[:limit]
        self.count = len(keep)
        self.x = torch.from_numpy(rows["dense"][keep]) if "dense" in rows else torch.zeros(len(keep), 0)
        columns = [c[2][keep].astype(np.int64) for c in rows["category"]]
        self.ids = torch.from_numpy(np.stack(columns, 1))
        self.bags = [(b[2][keep], b[3], b[4]) for b in rows["bag"]]
        self.label = torch.from_numpy(rows["label"][keep])

    def batch(self, at):
        bags = []
        for number, offset, members in self.bags:
            chosen = number[at] if isinstance(at, slice) else number[at.numpy()]
            begin, size = offset[chosen], offset[chosen + 1] - offset[chosen]
            starts = np.r_[0, np.cumsum(size)]
            index = np.arange(starts[-1]) + np.repeat(begin - starts[:-1], size)
            bags.append((torch.from_numpy(members[index].astype(np.int64)),
                         torch.from_numpy(starts[:-1])))
        return self.x[at], self.ids[at], bags


def epoch(model, optimiser, part, batch, shuffle):
    model.train()
    order = torch.randperm(part.count) if shuffle else None
    for begin in range(0, part.count, batch):
        at = order[begin:begin + batch] if shuffle else slice(begin, begin + batch)
        optimiser.zero_grad(set_to_none=True)
        loss = functional.binary_cross_entropy_with_logits(model(*part.batch(at)), part.label[at])
        loss.backward()
        optimiser.step()


def predict(model, part, batch):
    model.eval()
    with torch.inference_mode():
        return torch.cat([torch.sigmoid(model(*part.batch(slice(b, b + batch))))
                          for b in range(0, part.count, batch)]).numpy()


def log_loss(label, prob):
    prob = np.clip(prob.astype(np.float64), 1e-7, 1 - 1e-7)
    return float(-np.mean(np.where(label > 0.5, np.log(prob), np.log1p(-prob))))


def emit(work, threads, seconds, count, quality=None):
    line = {"peer": "torch-deepfm", "version": torch.__version__, "work": work, "threads": threads,
            "seconds": round(seconds, 6), "rate": count / seconds, "unit": "samples/s"}
    if quality:
        line["quality"] = quality
    print(json.dumps(line), flush=True)


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("mode", choices=("train", "predict", "quality"))
    p.add_argument("rows")
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--runs", type=int, default=3)
    p.add_argument("--limit", type=int, default=400000)
    p.add_argument("--batch", type=int, default=4096)
    p.add_argument("--epochs", type=int, default=20)
    p.add_argument("--patience", type=int, default=1)
    p.add_argument("--dim", type=int, default=32)
    p.add_argument("--layers", default="128-64")
    p.add_argument("--dropout", type=float, default=0)
    p.add_argument("--rate", type=float, default=1e-3)
    p.add_argument("--l2", type=float, default=0)
    p.add_argument("--seed", type=int, default=1)
    a = p.parse_args()
    torch.set_num_threads(a.threads)
    rows = deepfm_rows.load(a.rows)
    layers = [int(w) for w in a.layers.split("-")]
    train = Part(rows, 0, None if a.mode == "quality" else a.limit)
    test = Part(rows, 2)
    valid = Part(rows, 1) if a.mode == "quality" else None
    for _ in range(1 if a.mode == "quality" else a.runs):
        torch.manual_seed(a.seed)
        model = DeepFM(rows, a.dim, layers, a.dropout)
        optimiser = torch.optim.Adam(model.parameters(), a.rate, weight_decay=a.l2, fused=True)
        if a.mode == "predict":
            predict(model, train, 1024)
            begin = time.perf_counter()
            predict(model, train, 1024)
            emit("predict", a.threads, time.perf_counter() - begin, train.count)
        elif a.mode == "train":
            begin = time.perf_counter()
            epoch(model, optimiser, train, a.batch, False)
            seconds = time.perf_counter() - begin
            prob = predict(model, test, 8192)
            emit("train", a.threads, seconds, train.count,
                 {"auc": round(deepfm_rows.auc(test.label.numpy(), prob), 5)})
        else:
            best, kept, worse, begin = None, None, 0, time.perf_counter()
            for number in range(a.epochs):
                epoch(model, optimiser, train, a.batch, True)
                held = predict(model, valid, 8192)
                loss = log_loss(valid.label.numpy(), held)
                worse = 0 if best is None or loss < best else worse + 1
                if worse == 0:
                    best, kept = loss, copy.deepcopy(model.state_dict())
                elif worse >= a.patience:
                    break
            seconds = time.perf_counter() - begin
            model.load_state_dict(kept)
            prob, label = predict(model, test, 8192), test.label.numpy()
            emit("quality", a.threads, seconds, train.count * (number + 1),
                 {"auc": round(deepfm_rows.auc(label, prob), 5),
                  "log_loss": round(log_loss(label, prob), 5), "epochs": number + 1})


if __name__ == "__main__":
    main()
