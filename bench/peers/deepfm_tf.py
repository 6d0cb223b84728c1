"""DeepFM in TensorFlow on the rows of deepfm_rows.py, in two forms:

    python3 deepfm_tf.py deepctr|graph train|predict ROWS [--threads 2] [--runs 3] …

deepctr   the library's DeepFM: dense fields go to the layers as plain numbers, without a vector
graph     the plain TF1 graph of a feature-id and feature-value estimator: every field, dense or not,
          is looked up by its id and multiplied by its value; dropout 0.5 and L2 on all tables in
          training
One JSON line a run, as bench_deepfm prints.
"""
import argparse
import json
import os
import time

import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import tensorflow as tf  # noqa: E402

import deepfm_rows  # noqa: E402


def emit(peer, work, threads, seconds, count, auc=None):
    line = {"peer": peer, "version": "tf " + tf.__version__, "work": work, "threads": threads,
            "seconds": round(seconds, 6), "rate": count / seconds, "unit": "samples/s"}
    if auc is not None:
        line["quality"] = {"auc": round(auc, 5)}
    print(json.dumps(line), flush=True)


def timed(work):
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def run_deepctr(a, rows, part, test):
    from deepctr.feature_column import DenseFeat, SparseFeat
    from deepctr.models import DeepFM

    columns = [DenseFeat(f"d{k}", 1) for k in range(rows["dense"].shape[1])]
    columns += [SparseFeat(name, size, a.dim) for name, size, _ in rows["category"]]

    def inputs(keep):
        out = {f"d{k}": rows["dense"][keep, k] for k in range(rows["dense"].shape[1])}
        return out | {name: ids[keep] for name, _, ids in rows["category"]}

    x, y = inputs(part), rows["label"][part]
    for _ in range(a.runs):
        model = DeepFM(columns, columns, dnn_hidden_units=a.layers)
        model.compile("adam", "binary_crossentropy")
        few = {k: v[:3 * a.batch] for k, v in x.items()}
        if a.mode == "train":
            model.fit(few, y[:3 * a.batch], batch_size=a.batch, verbose=0)
            seconds = timed(lambda: model.fit(x, y, batch_size=a.batch, epochs=1, verbose=0))
            prob = model.predict(inputs(test), batch_size=8192).ravel()
            emit("deepctr-deepfm", "train", a.threads, seconds, len(part),
                 deepfm_rows.auc(rows["label"][test], prob))
        else:
            model.predict(few, batch_size=1024)
            seconds = timed(lambda: model.predict(x, batch_size=1024))
            emit("deepctr-deepfm", "predict", a.threads, seconds, len(part))


def build_graph(features, fields, dim, layers):
    v1 = tf.compat.v1
    ids = v1.placeholder(tf.int64, [None, fields])
    vals = v1.placeholder(tf.float32, [None, fields])
    label = v1.placeholder(tf.float32, [None])
    keep = v1.placeholder_with_default(1.0, [])
    normal = v1.glorot_normal_initializer()
    bias = v1.get_variable("bias", [1], initializer=v1.zeros_initializer())
    w = v1.get_variable("w", [features], initializer=normal)
    v = v1.get_variable("v", [features, dim], initializer=normal)
    e = tf.nn.embedding_lookup(v, ids) * tf.expand_dims(vals, 2)
    linear = tf.reduce_sum(tf.nn.embedding_lookup(w, ids) * vals, 1)
    pairs = 0.5 * tf.reduce_sum(tf.square(tf.reduce_sum(e, 1)) - tf.reduce_sum(tf.square(e), 1), 1)
    x = tf.reshape(e, [-1, fields * dim])
    for units in layers:
        x = v1.layers.dense(x, units, activation=tf.nn.relu, kernel_initializer=normal)
        x = tf.nn.dropout(x, rate=1 - keep)
    logit = bias + linear + pairs + tf.squeeze(v1.layers.dense(x, 1), 1)
    loss = tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(labels=label, logits=logit))
    loss += 1e-4 * (tf.nn.l2_loss(w) + tf.nn.l2_loss(v))
    return ids, vals, label, keep, tf.sigmoid(logit), v1.train.AdamOptimizer(5e-4).minimize(loss)


def run_graph(a, rows, part, test):
    v1 = tf.compat.v1
    v1.disable_eager_execution()
    dense = rows["dense"].shape[1]
    sizes = [size for _, size, _ in rows["category"]]
    first = np.r_[0, np.cumsum(sizes)][:-1] + dense

    def inputs(keep):
        ids = np.empty((len(keep), dense + len(sizes)), np.int64)
        vals = np.ones(ids.shape, np.float32)
        ids[:, :dense], vals[:, :dense] = np.arange(dense), rows["dense"][keep]
        for k, (_, _, column) in enumerate(rows["category"]):
            ids[:, dense + k] = column[keep] + first[k]
        return ids, vals

    ids, vals, label, keep, prob, step = build_graph(dense + sum(sizes), dense + len(sizes), a.dim,
                                                     a.layers)
    config = v1.ConfigProto(intra_op_parallelism_threads=a.threads,
                            inter_op_parallelism_threads=a.threads)
    x_ids, x_vals = inputs(part)
    y, count = rows["label"][part], len(part)
    with v1.Session(config=config) as session:
        session.run(v1.global_variables_initializer())
        train = session.make_callable([step], feed_list=[ids, vals, label, keep])
        predict = session.make_callable(prob, feed_list=[ids, vals])

        def epoch(most):
            for b in range(0, most, a.batch):
                at = slice(b, min(b + a.batch, count))
                train(x_ids[at], x_vals[at], y[at], np.float32(0.5))

        def all_rows():
            for b in range(0, count, 1024):
                predict(x_ids[b:b + 1024], x_vals[b:b + 1024])

        epoch(3 * a.batch) if a.mode == "train" else predict(x_ids[:1024], x_vals[:1024])
        for _ in range(a.runs):
            seconds = timed(all_rows if a.mode == "predict" else lambda: epoch(count))
            auc = None
            if a.mode == "train":
                auc = deepfm_rows.auc(rows["label"][test], predict(*inputs(test)))
            emit("tf-graph-deepfm", a.mode, a.threads, seconds, count, auc)


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("form", choices=("deepctr", "graph"))
    p.add_argument("mode", choices=("train", "predict"))
    p.add_argument("rows")
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--runs", type=int, default=3)
    p.add_argument("--limit", type=int, default=400000)
    p.add_argument("--batch", type=int, default=4096)
    p.add_argument("--dim", type=int, default=32)
    p.add_argument("--layers", default="128-64")
    a = p.parse_args()
    a.layers = tuple(int(w) for w in a.layers.split("-"))
    tf.config.threading.set_intra_op_parallelism_threads(a.threads)
    tf.config.threading.set_inter_op_parallelism_threads(a.threads)
    rows = deepfm_rows.load(a.rows)
    part = np.flatnonzero(rows["split"] == 0)[:a.limit]
    test = np.flatnonzero(rows["split"] == 2)
    (run_deepctr if a.form == "deepctr" else run_graph)(a, rows, part, test)


if __name__ == "__main__":
    main()
