"""YoutubeDNN of DeepMatch on TensorFlow: the same model and samples as youtubednn_torch.py, by
Keras' fit.

    python3 youtubednn_deepmatch.py SEQUENCES [--batch 512] [--negatives 100] [--limit SAMPLES]
"""
import os
import time

from peerlib import emit, options


def more(parser):
    parser.add_argument("sequences")
    parser.add_argument("--batch", type=int, default=512)
    parser.add_argument("--negatives", type=int, default=100)
    parser.add_argument("--limit", type=int)


chosen = options(more)
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402
from deepctr.feature_column import SparseFeat, VarLenSparseFeat  # noqa: E402
from deepmatch.models import YoutubeDNN  # noqa: E402
from deepmatch.utils import NegativeSampler, sampledsoftmaxloss  # noqa: E402

import sequences  # noqa: E402

tf.config.threading.set_intra_op_parallelism_threads(chosen.threads)
tf.config.threading.set_inter_op_parallelism_threads(chosen.threads)
tf.compat.v1.disable_eager_execution()
user, history, length, target, users, items, last = sequences.load_samples(chosen.sequences)
train = np.random.default_rng(1).permutation(np.delete(np.arange(len(user)), last))
train = train[:chosen.limit]
item = SparseFeat("movie_id", items, 32)
model = YoutubeDNN(
    [SparseFeat("user_id", users, 16),
     VarLenSparseFeat(SparseFeat("hist_movie_id", items, 32, embedding_name="movie_id"),
                      sequences.HISTORY, "mean", "hist_len")],
    [item], user_dnn_hidden_units=(128, 64, 32),
    sampler_config=NegativeSampler("uniform", num_sampled=chosen.negatives, item_name="movie_id"))
model.compile(optimizer="adam", loss=sampledsoftmaxloss)


def fit(at):
    inputs = {"user_id": user[at], "hist_movie_id": history[at], "hist_len": length[at],
              "movie_id": target[at]}
    started = time.perf_counter()
    model.fit(inputs, np.ones(len(at)), batch_size=chosen.batch, epochs=1, verbose=0)
    return time.perf_counter() - started


fit(train[:100 * chosen.batch])
emit("deepmatch-youtubednn", tf.__version__,
     f"train mean batch {chosen.batch} negatives {chosen.negatives}", chosen.threads, [fit(train)],
     len(train), "samples")
