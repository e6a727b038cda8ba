# SPDX-License-Identifier: Apache-2.0
"""ONNX Runtime, inference only. The Keras description becomes an ONNX graph with random weights (n, c, h, w)."""
import common

task = common.arguments()
setting = task["setting"]
import numpy as np  # noqa: E402
import onnx  # noqa: E402
import onnxruntime  # noqa: E402
from onnx import TensorProto, helper, numpy_helper  # noqa: E402

random = np.random.default_rng(0)
nodes, constants = [], []


def constant(*shape):
    name = f"w{len(constants)}"
    fan = max(int(np.prod(shape[1:])), 1)
    values = np.abs(random.normal(0, fan**-0.5, shape)) if len(shape) == 1 else random.normal(0, fan**-0.5, shape)
    constants.append(numpy_helper.from_array(values.astype(np.float32), name))
    return name


def node(kind, inputs, **attributes):
    name = f"t{len(nodes)}"
    nodes.append(helper.make_node(kind, inputs, [name], **attributes))
    return name


def activate(at, name):
    return {"relu": lambda: node("Relu", [at]), "softmax": lambda: node("Softmax", [at], axis=1), "linear": lambda: at}[name]()


(height, width, channels), found = common.layers(task["model"])
shape = (channels, height, width)
at = "x"
for kind, config in found:
    if kind == "Conv2D":
        filters, (kh, kw) = config["filters"], config["kernel_size"]
        same = config["padding"] == "same"
        inputs = [at, constant(filters, channels, kh, kw)] + ([constant(filters)] if config["use_bias"] else [])
        at = node("Conv", inputs, kernel_shape=[kh, kw], auto_pad="SAME_UPPER" if same else "VALID")
        at = activate(at, config["activation"])
        channels = filters
        if not same:
            height, width = height - kh + 1, width - kw + 1
    elif kind == "BatchNormalization":
        at = node("BatchNormalization", [at] + [constant(channels) for _ in range(4)], epsilon=config["epsilon"])
    elif kind == "Activation":
        at = activate(at, config["activation"])
    elif kind == "MaxPooling2D":
        at = node("MaxPool", [at], kernel_shape=config["pool_size"], strides=config["strides"])
        height, width = height // config["pool_size"][0], width // config["pool_size"][1]
    elif kind == "Flatten":
        at = node("Flatten", [at], axis=1)
        channels *= height * width
    elif kind == "Dense":
        at = node("Gemm", [at, constant(config["units"], channels), constant(config["units"])], transB=1)
        at = activate(at, config["activation"])
        channels = config["units"]
    else:
        raise SystemExit(f"worker_onnxruntime: no translation of {kind}")
graph = helper.make_graph(
    nodes, "network", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", *shape])],
    [helper.make_tensor_value_info(at, TensorProto.FLOAT, ["n", channels])], constants)
network = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
onnx.checker.check_model(network)

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = task["threads"]
options.inter_op_num_threads = 1
options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
options.add_session_config_entry("session.intra_op.allow_spinning", "1" if setting.get("spin", True) else "0")
session = onnxruntime.InferenceSession(network.SerializeToString(), options, providers=["CPUExecutionProvider"])
batch = task["batch"]
x, _ = common.samples((shape[1], shape[2], shape[0]), batch, task["data"])
x = np.ascontiguousarray(x.transpose(0, 3, 1, 2))
batches = [x[i : i + batch] for i in range(0, len(x), batch)]
common.serve(lambda i: session.run(None, {"x": batches[i % len(batches)]}), batch, 20)
