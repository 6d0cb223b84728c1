"""Keras models in HDF5, both ways. Needs keras 3 (KERAS_BACKEND=jax or torch) or tensorflow 2.

make OUT        write OUT/keras-*.h5 with Keras (committed in tests/golden/data)
check DIR       open with Keras what write_keras_hdf5 wrote into DIR, predict, compare with NumPy
"""
import os
import pathlib
import sys

os.environ.setdefault("KERAS_BACKEND", "jax")
import h5py
import numpy as np

try:
    import keras

    if not keras.__version__.startswith("3"):
        raise ImportError
except ImportError:
    from tensorflow import keras

USERS, ITEMS, POSITIONS = 40, 30, 50


def value(t, *shape):
    k = np.arange(np.prod(shape))
    return (((k * 37 + t * 101 + (k // 7) * 13) % 257 - 128) / 256).astype(np.float32).reshape(shape)


def expect(what, condition):
    if not condition:
        sys.exit(f"keras_hdf5: {what}")


def make(out):
    """A small model of Keras' own, for Marquee to read: weights by the same formula."""
    layers = keras.layers
    user = keras.Input((1,), dtype="int32", name="user_id")
    x = layers.Embedding(USERS, 16, name="user")(user)
    x = layers.Dense(8, activation="relu", name="dense")(layers.Flatten(name="flat")(x))
    model = keras.Model(user, x, name="small")
    model.get_layer("user").set_weights([value(0, USERS, 16)])
    model.get_layer("dense").set_weights([value(1, 16, 8), value(2, 8)])
    model.save(str(out / "keras-small.h5"))
    # What Keras does not write but HDF5 may hold: chunks, compression, other floats, links.
    with h5py.File(out / "keras-odd.h5", "w") as f:
        f.attrs["layer_names"] = np.array([b"packed", b"double"])
        packed = f.create_group("packed")
        packed.attrs["weight_names"] = ["packed/kernel:0"]
        packed.create_dataset("packed/kernel:0", data=value(3, 64, 32), chunks=(16, 32), compression="gzip", shuffle=True)
        double = f.create_group("double")
        double.attrs["weight_names"] = np.array([b"bias"])
        double.create_dataset("bias", data=value(4, 10).astype(np.float64))
    for name, target in ("external", h5py.ExternalLink("other.h5", "/x")), ("soft", h5py.SoftLink("/real")):
        with h5py.File(out / f"keras-{name}-link.h5", "w") as f:
            f.create_dataset("real", data=value(0, 4))
            f.attrs["layer_names"] = np.array([b"a"])
            f.create_group("a").attrs["weight_names"] = np.array([b"w"])
            f["a/w"] = target


def tower(user_id, history, length):
    """The model of write_keras_hdf5.c in float64."""
    items = value(1, ITEMS, 32).astype(np.float64)[history]
    mask = np.arange(POSITIONS)[None] < length
    inverse = np.where(length > 0, 1 / np.maximum(length, 1), 0)
    mean = (items * mask[..., None]).sum(1) * inverse
    weighted = (items * (mask * value(2, POSITIONS)[None])[..., None]).sum(1) * inverse
    x = np.concatenate([value(0, USERS, 16)[user_id[:, 0]], mean, weighted], 1)
    for t, (rows, columns) in (3, (80, 128)), (4, (128, 64)), (5, (64, 32)):
        x = x @ value(t, rows, columns).astype(np.float64) + value(9, 128)[:columns]
        if t < 5:
            x = np.maximum(x, 0)
    return x


def check(folder):
    path = str(folder / "marquee-tower.h5")
    model = keras.models.load_model(path)
    expect("order of the inputs", [t.name.split(":")[0] for t in model.inputs] == ["user_id", "hist_movie_id", "hist_len"])
    rng = np.random.default_rng(7)
    n = 64
    user_id = rng.integers(0, USERS, (n, 1)).astype(np.int32)
    history = rng.integers(0, ITEMS, (n, POSITIONS)).astype(np.int32)
    length = rng.integers(0, POSITIONS + 1, (n, 1)).astype(np.int32)
    length[:3, 0] = 0, 1, POSITIONS
    got = model.predict([user_id, history, length], verbose=0)
    want = tower(user_id, history, length)
    error = np.abs(got - want).max() / np.abs(want).max()
    expect(f"prediction differs by {error:.2g} of the largest value", error < 1e-5)
    # Padding must not count: other ids behind the end change nothing.
    other = np.where(np.arange(POSITIONS)[None] < length, history, 3).astype(np.int32)
    expect("padding counts", np.array_equal(got, model.predict([user_id, other, length], verbose=0)))
    with h5py.File(path, "r") as f:
        group = f["model_weights"]
        expect("h5py: kernel", np.array_equal(group["dnn0/dnn0/kernel:0"][:], value(3, 80, 128)))
    # A wrong weight must show.
    weights = model.get_layer("dnn2").get_weights()
    weights[1][0] += 0.01
    model.get_layer("dnn2").set_weights(weights)
    got = model.predict([user_id, history, length], verbose=0)
    expect("a planted error went unseen", np.abs(got - want).max() / np.abs(want).max() > 1e-5)


if __name__ == "__main__":
    {"make": make, "check": check}[sys.argv[1]](pathlib.Path(sys.argv[2]))
