"""YoutubeDNN in PyTorch: user embedding 16, mean of 50 items (embedding_bag), 48-128-64-32, softmax
over shared uniform negatives with their log-correction, fused Adam.

    python3 youtubednn_torch.py SEQUENCES [--batch 512] [--negatives 100] [--epochs 1]
"""
import time

from peerlib import emit, options


def more(parser):
    parser.add_argument("sequences")
    parser.add_argument("--batch", type=int, default=512)
    parser.add_argument("--negatives", type=int, default=100)
    parser.add_argument("--epochs", type=int, default=1)


chosen = options(more)
import numpy as np  # noqa: E402  (thread counts are set first)
import torch  # noqa: E402
from torch import nn  # noqa: E402
from torch.nn import functional  # noqa: E402

import sequences  # noqa: E402

torch.set_num_threads(chosen.threads)
torch.manual_seed(1)
user, history, length, target, users, items, last = sequences.load_samples(chosen.sequences)
train = np.delete(np.arange(len(user)), last)
user_t, history_t, target_t = (torch.from_numpy(a).long() for a in (user, history, target))


class Tower(nn.Module):
    def __init__(self):
        super().__init__()
        self.user, self.item = nn.Embedding(users, 16), nn.Embedding(items, 32)
        for table in self.user, self.item:
            nn.init.normal_(table.weight, 0, 0.01)
        self.layers = nn.Sequential(nn.Linear(48, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(),
                                    nn.Linear(64, 32))

    def vectors(self, at):
        pooled = functional.embedding_bag(history_t[at], self.item.weight, mode="mean",
                                          padding_idx=0)
        return self.layers(torch.cat([self.user(user_t[at]), pooled], 1))

    def loss(self, at, negative):
        x, own = self.vectors(at), target_t[at]
        rows = self.item(torch.cat([own, negative]))
        positive = (x * rows[:len(own)]).sum(1, keepdim=True)
        scores = (x @ rows[len(own):].T).masked_fill(own[:, None] == negative, -1e9)
        # Uniform: one correction for all, which the softmax does not see.
        return functional.cross_entropy(torch.cat([positive, scores], 1),
                                        torch.zeros(len(own), dtype=torch.long))


model = Tower()
optimiser = torch.optim.Adam(model.parameters(), 1e-3, fused=True)


def epoch(limit=None):
    order = torch.from_numpy(np.random.default_rng(1).permutation(train)[:limit])
    for begin in range(0, len(order), chosen.batch):
        negative = torch.randint(1, items, (chosen.negatives,))
        optimiser.zero_grad(set_to_none=True)
        model.loss(order[begin:begin + chosen.batch], negative).backward()
        optimiser.step()


epoch(100 * chosen.batch)
seconds = []
for _ in range(chosen.epochs):
    started = time.perf_counter()
    epoch()
    seconds.append(time.perf_counter() - started)
with torch.inference_mode():
    vectors = model.vectors(torch.from_numpy(last)).numpy()
quality = sequences.hit_rates(vectors, model.item.weight.detach().numpy(), history[last],
                              target[last])
emit("torch-youtubednn", torch.__version__,
     f"train mean batch {chosen.batch} negatives {chosen.negatives}", chosen.threads, seconds,
     len(train), "samples", dict(quality, epochs=chosen.epochs))
