"""ONNX models, both ways.

make OUT        write OUT/onnx-small.onnx with the onnx package (committed in tests/golden/data)
check DIR       check and run with onnxruntime what write_onnx wrote into DIR, compare with NumPy;
                compare Marquee's summaries with what onnx itself says
"""
import collections
import pathlib
import sys

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

FEATURES, FIELDS, DIM, HIDDEN = 60, 6, 4, 8
DATA = pathlib.Path(__file__).parent / "data"


def value(t, *shape):
    k = np.arange(np.prod(shape))
    return (((k * 37 + t * 101 + (k // 7) * 13) % 257 - 128) / 256).astype(np.float32).reshape(shape)


def expect(what, condition):
    if not condition:
        sys.exit(f"onnx: {what}")


def make(out):
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 3])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 2])
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["xw"]),
        helper.make_node("Add", ["xw", "b"], ["z"]),
        helper.make_node("Relu", ["z"], ["r"]),
        helper.make_node("Add", ["r", "b"], ["y"]),
    ]
    tensors = [numpy_helper.from_array(value(0, 3, 2), "w"), numpy_helper.from_array(value(1, 2), "b")]
    model = helper.make_model(helper.make_graph(nodes, "small", [x], [y], tensors), opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 7
    onnx.save(model, str(out / "onnx-small.onnx"))


def deepfm(ids, values):
    v = value(0, FEATURES, DIM).astype(np.float64)[ids] * values[..., None]
    first = (value(1, FEATURES)[ids] * values).sum(1)
    second = 0.5 * (v.sum(1) ** 2 - (v**2).sum(1)).sum(1)
    hidden = np.maximum(v.reshape(len(ids), -1) @ value(2, FIELDS * DIM, HIDDEN) + value(3, HIDDEN), 0)
    return 1 / (1 + np.exp(-(first + second + hidden @ value(4, HIDDEN) + 0.125)))


def summary(model):
    graph = model.graph
    lines = [f"graph {graph.name} opset {model.opset_import[0].version} ir {model.ir_version}"]
    for what, values in ("input", graph.input), ("output", graph.output):
        for v in values:
            dims = [str(d.dim_value) if d.HasField("dim_value") else "-1" for d in v.type.tensor_type.shape.dim]
            lines.append(" ".join([what, v.name, str(v.type.tensor_type.elem_type), *dims]))
    for t in graph.initializer:
        lines.append(" ".join(["tensor", t.name, str(t.data_type), *map(str, t.dims)]))
    for op, n in collections.Counter(n.op_type for n in graph.node).items():
        lines.append(f"op {op} {n}")
    lines.append(f"parameters {sum(int(np.prod(t.dims)) for t in graph.initializer)}")
    return "\n".join(lines) + "\n"


def run(model, ids, values):
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(["prob", "twice"], {"feat_ids": ids, "feat_vals": values})


def check(folder):
    model = onnx.load(str(folder / "marquee-deepfm.onnx"))
    onnx.checker.check_model(model, full_check=True)
    expect("metadata", {p.key: p.value for p in model.metadata_props} == {"fields": "six"})
    rng = np.random.default_rng(3)
    for n in 1, 5, 257:  # the batch dimension is free
        ids = rng.integers(0, FEATURES, (n, FIELDS)).astype(np.int32)
        values = rng.normal(size=(n, FIELDS)).astype(np.float32)
        prob, twice = run(model, ids, values)
        error = np.abs(prob - deepfm(ids, values)).max()
        expect(f"probability differs by {error:.2g}", prob.shape == (n,) and error < 1e-5)
        expect("concatenation", np.array_equal(twice, np.concatenate([values, values], 1)))
    # A wrong weight must show.
    for t in model.graph.initializer:
        if t.name == "bias1":
            t.raw_data = np.float32([0.126]).tobytes()
    prob, _ = run(model, ids, values)
    expect("a planted error went unseen", np.abs(prob - deepfm(ids, values)).max() > 1e-5)
    for path in DATA / "onnx-small.onnx", folder / "marquee-deepfm.onnx":
        text = (folder / (path.name + ".txt")).read_text()
        expect(f"summary of {path.name}", text == summary(onnx.load(str(path))))


if __name__ == "__main__":
    {"make": make, "check": check}[sys.argv[1]](pathlib.Path(sys.argv[2]))
