"""Writes ort-*.onnx beside it: graphs of single operators, put together by hand, and what ONNX Runtime answers, as make_onnx.py writes
it. Each file's parts are flattened and put side by side. Needs onnx and onnxruntime; run once:

    python make_operators.py FOLDER
"""

import pathlib
import sys

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

FOLDER = pathlib.Path(sys.argv[1])
rng = np.random.default_rng(7)


class Graph:
    def __init__(self):
        self.nodes, self.constants, self.outputs, self.count = [], [], [], 0

    def constant(self, value, kind="float32"):
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value, kind), name))
        return name

    def integers(self, *value):
        return self.constant(value, "int64")

    def __call__(self, op_type, *inputs, outputs=1, **attributes):
        names = [f"{op_type.lower()}{self.count}_{i}" for i in range(outputs)]
        self.count += 1
        self.nodes.append(helper.make_node(op_type, list(inputs), names, name=f"{op_type}_{self.count}", **attributes))
        return names[0] if outputs == 1 else names

    def give(self, *values):
        self.outputs += [self("Flatten", value) for value in values]

    @staticmethod
    def without_erfc(model):
        """The same in operators that there are: 1 - Erf."""
        known = onnx.ModelProto()
        known.CopyFrom(model)
        del known.graph.node[:]
        for node in model.graph.node:
            if node.op_type == "Erfc":
                rest, one = node.output[0] + "_rest", node.output[0] + "_one"
                known.graph.initializer.append(numpy_helper.from_array(np.float32(1), one))
                known.graph.node.append(helper.make_node("Erf", node.input, [rest]))
                known.graph.node.append(helper.make_node("Sub", [one, rest], node.output))
            else:
                known.graph.node.append(node)
        return known

    def write(self, name, opset=20, samples=2, batch="n", late=()):
        """late: operators whose nodes come last in the file, behind those that read them, as some tools write them."""
        y = self("Concat", *self.outputs, axis=1) if len(self.outputs) > 1 else self.outputs[0]
        self.nodes[-1].output[0] = "y"
        graph = helper.make_graph(
            self.nodes,
            name,
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, 3, 16, 16])],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, [batch, "features"])],
            self.constants,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)
        known = self.without_erfc(model)
        onnx.checker.check_model(known, full_check=True)
        nodes = sorted(model.graph.node, key=lambda node: node.op_type in late)
        del model.graph.node[:]
        model.graph.node.extend(nodes)
        onnx.save(model, FOLDER / f"{name}.onnx")
        x = (rng.random((samples, 3, 16, 16)) - 0.5).astype("float32")
        (y,) = onnxruntime.InferenceSession(known.SerializeToString()).run(None, {"x": x})
        with open(FOLDER / f"{name}.f32", "wb") as file:
            file.write(x.transpose(0, 2, 3, 1).astype("<f4").tobytes())
            file.write(y.astype("<f4").tobytes())
        print(name, y.shape)


def small(g, x="x", channels=2):
    """A few numbers of either sign."""
    kernel = g.constant(rng.normal(0, 0.4, (channels, 3, 4, 4)))
    return g("Conv", x, kernel, strides=[4, 4])


# GELU by tanh, as an operator and in so many words; thresholds
g = Graph()
a = small(g)
cube = g("Pow", a, g.constant(3))
inner = g("Mul", g("Add", a, g("Mul", cube, g.constant(0.044715))), g.constant(0.7978845608))
spelt = g("Mul", g("Mul", g.constant(0.5), a), g("Add", g("Tanh", inner), g.constant(1)))
below = g("Mul", g("Sub", a, g.constant(0.2)), g.constant(0.1))
rectified = g("Where", g("GreaterOrEqual", a, g.constant(0.2)), g("Min", a, g.constant(0.5)), below)
turned = g("Where", g("Less", a, g.constant(0.3)), g.constant(0), a)
swish = g("Mul", a, g("Div", g("Clip", g("Add", a, g.constant(3)), g.constant(0), g.constant(6)), g.constant(6)))
six = g("Min", g("Max", a, g.constant(0)), g.constant(0.4))
g.give(g("Gelu", a, approximate="tanh"), spelt, g("ThresholdedRelu", a, alpha=0.25), rectified, turned)
g.give(g("Mish", a), swish, six)
g.write("ort-activations")

# tables: rows by numbers that are computed, positions by constant ones
g = Graph()
kernel = g.constant(rng.normal(0, 1, (3 * 256, 4)))
index = g("Cast", g("Clip", g("MatMul", g("Flatten", "x"), kernel), g.constant(0), g.constant(6)), to=TensorProto.INT64)
rows = g("Gather", g.constant(rng.normal(0, 1, (7, 3))), index)
a = g("Transpose", g("Reshape", small(g, channels=6), g.integers(0, 6, 16)), perm=[0, 2, 1])
positions = g("Gather", g.constant(rng.normal(0, 1, (40, 6))), g("Range", *[g.constant(v, "int64") for v in (0, 32, 2)]))
g.give(rows, g("Softmax", g("Add", a, positions)))
g.write("ort-tables")

# windows that Keras has no padding for
g = Graph()
a = g("Conv", "x", g.constant(rng.normal(0, 0.4, (2, 3, 3, 3))))  # 14 x 14, of either sign
g.give(g("MaxPool", a, kernel_shape=[3, 3], dilations=[2, 3], strides=[2, 1], pads=[1, 2, 2, 0]))
g.give(g("MaxPool", a, kernel_shape=[2, 2], strides=[3, 3], pads=[1, 0, 1, 1]))
g.give(g("MaxPool", a, kernel_shape=[4, 2], strides=[3, 3], ceil_mode=1))
g.give(g("AveragePool", a, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]))
g.give(g("AveragePool", a, kernel_shape=[2, 3], dilations=[3, 2], strides=[2, 3], pads=[1, 0, 1, 2]))
g.give(g("AveragePool", a, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1], count_include_pad=1))
g.write("ort-pools")

# parts: in steps, by lists, from the end
g = Graph()
a = g("Conv", "x", g.constant(rng.normal(0, 0.4, (6, 3, 3, 3))))
t = g("Transpose", g("Reshape", a, g.integers(0, 6, 196)), perm=[0, 2, 1])
last = np.iinfo("int64").max
g.give(g("Slice", a, g.integers(1, -3), g.integers(last, last), g.integers(2, 3), g.integers(3, 1)))
g.give(g("Slice", a, g.integers(0), g.integers(6), g.integers(1), g.integers(2)))
g.give(g("Slice", t, g.integers(5), g.integers(-6), g.integers(1), g.integers(40)))
g.give(g("Gather", a, g.integers(1, 3, 5), axis=1), g("Gather", t, g.constant(-2, "int64"), axis=1))
g.give(g("GroupNormalization", a, g.constant(rng.random(6)), g.constant(rng.random(6)), num_groups=3))
turned = g("Slice", g.constant(rng.normal(0, 1, (4, 6))), g.integers(-1, 0), g.integers(-99, 6), g.integers(0, 1), g.integers(-2, 1))
g.give(g("MatMul", g("ReduceMean", t, g.integers(1), keepdims=0), g("Transpose", turned)))
g.write("ort-parts", opset=21)

# products of tensors: windows of a picture, heads within them, biases and masks on the scores; sums and lengths over any axes
g = Graph()
a = g("Transpose", g("Conv", "x", g.constant(rng.normal(0, 0.4, (6, 3, 2, 2))), strides=[2, 2]), perm=[0, 2, 3, 1])  # n, 8, 8, 6
rolled = a
for axis in (1, 2):
    ends = (g.integers(-2), g.integers(last)), (g.integers(0), g.integers(-2))
    rolled = g("Concat", *[g("Slice", rolled, *part, g.integers(axis)) for part in ends], axis=axis)
windows = g("Transpose", g("Reshape", rolled, g.integers(-1, 2, 4, 2, 4, 6)), perm=[0, 1, 3, 2, 4, 5])
tokens = g("Reshape", windows, g.integers(-1, 16, 6))  # 4 n, 16, 6
heads = [
    g("Transpose", g("Reshape", g("MatMul", tokens, g.constant(rng.normal(0, 0.5, (6, 6)))), g.integers(-1, 16, 2, 3)), perm=[0, 2, 1, 3])
    for _ in range(3)
]
length = g("Max", g("ReduceL2", heads[0], g.integers(-1)), g.constant(1e-6))
unit = g("Div", heads[0], g("Expand", length, g("Shape", heads[0])))
scores = g("Add", g("MatMul", unit, g("Transpose", heads[1], perm=[0, 1, 3, 2])), g.constant(rng.normal(0, 1, (1, 2, 16, 16))))
scores = g("Add", g("Reshape", scores, g.integers(-1, 4, 2, 16, 16)), g.constant(np.where(rng.random((1, 4, 1, 16, 16)) < 0.2, -100, 0)))
scores = g("Mul", g("Reshape", scores, g.integers(-1, 2, 16, 16)), g.constant(rng.random((2, 1, 1))))
tokens = g("Transpose", g("MatMul", g("Softmax", scores), heads[2]), perm=[0, 2, 1, 3])
tokens = g("Reshape", g("Transpose", g("Reshape", tokens, g.integers(-1, 2, 2, 4, 4, 6)), perm=[0, 1, 3, 2, 4, 5]), g.integers(-1, 8, 8, 6))
g.give(tokens, g("Add", tokens, a))
g.give(g("ReduceSum", tokens, g.integers(2)))
g.write("ort-windows")

# … of other shapes, with constants on either side
g = Graph()
a = g("Reshape", small(g, channels=6), g.integers(0, 2, 3, 16))  # n, 2, 3, 16
b = g("Reshape", small(g, channels=4), g.integers(0, 1, 16, 4))
product = g("MatMul", a, b)  # n, 2, 3, 4
g.give(product, g("Softmax", product, axis=2), g("Softmax", product, axis=1))
g.give(g("MatMul", g.constant(rng.normal(0, 1, (5, 3))), product), g("MatMul", product, g.constant(rng.normal(0, 1, (1, 2, 4, 3)))))
g.give(g("Einsum", a, g("Squeeze", b, g.integers(1)), equation="n h i d, n d j -> n j h i"))
g.give(g("Pad", product, g.integers(0, 0, 0, 1, 0, 1, 0, 0), g.constant(0.5)), g("Pad", product, g.integers(0, 1, 0, 0, 0, 0, 2, 0)))
g.give(g("ReduceMin", product, g.integers(1, 3)), g("ReduceSumSquare", product, g.integers(2), keepdims=0))
g.give(g("ReduceMax", product, g.integers(-1)), g("Sqrt", g("Exp", product)), g("Div", g.constant(rng.random((3, 1))), g("Exp", product)))
g.give(g("Sub", g.constant(rng.random((2, 1, 4))), product))
g.write("ort-products")

# one of each, few: what fails when memory runs out is tried with these
g = Graph()
a = g("Reshape", g("Conv", "x", g.constant(rng.normal(0, 0.4, (4, 3, 8, 8))), strides=[8, 8]), g.integers(0, 2, 2, 4))
b = g("Pad", a, g.integers(0, 0, 0, 0, 0, 0, 0, 1), g.constant(0.5))
g.give(g("Einsum", a, g("Softmax", a, axis=2), equation="nhid,nhjd->nhij"), g("ReduceL2", g("Add", b, g.constant(rng.normal(0, 1, (2, 1, 5)))), g.integers(1)))
g.write("ort-few")

# what is computed without a picture: masks by places, positions by sums and waves, tables of the size that they have
g = Graph()
a = g("Reshape", small(g, channels=6), g.integers(0, 6, 16))
batch = g("Slice", g("Shape", a), g.integers(0), g.integers(1), g.integers(0))
mask = g("ConstantOfShape", g.integers(6, 16), value=numpy_helper.from_array(np.float32([0.5])))
mask = g("ScatterND", mask, g.integers([1, 2], [5, -1]), g.constant([3, -2]))
mask = g("ScatterND", mask, g.integers([2]), g("Reshape", g("Range", *[g.constant(v) for v in (0, 1.6, 0.1)]), g.integers(1, 16)))
ones = g("Cast", g("Not", g("Cast", g("Expand", g.constant([[[0.0]]]), g("Concat", batch, g.integers(4, 4), axis=0)), to=TensorProto.BOOL)), to=TensorProto.FLOAT)
steps = g("CumSum", ones, g.constant(2, "int64"))  # n, 4, 4
waves = g("Concat", g("Sin", g("Unsqueeze", steps, g.integers(1))), g("Cos", g("Unsqueeze", steps, g.integers(1))), axis=1)
positions = g("Conv", waves, g.constant(rng.normal(0, 1, (6, 2, 1, 1))))
table = g("Resize", g.constant(rng.normal(0, 1, (1, 6, 4, 4))), "", "", g.integers(1, 6, 4, 4), mode="cubic", coordinate_transformation_mode="half_pixel")
picked = g("GatherND", g.constant(rng.normal(0, 1, (7, 16))), g.integers([1], [0], [-1], [3], [3], [2]))
tiled = g("Tile", g("Relu", g("MatMul", g.constant(rng.normal(0, 1, (3, 5))), g.constant(rng.normal(0, 1, (5, 4))))), g.integers(2, 4))
clipped = g("Clip", g("Tanh", g("Sign", picked)), g.constant(-0.5))
for value in (mask, picked, tiled, clipped, g("Reshape", g("Flatten", table, axis=2), g.integers(1, 6, 16))):
    a = g("Add", a, value)
g.give(a, g("Add", g("Reshape", positions, g.integers(0, 6, 16)), a))
g.write("ort-constants")

# normalisation as tf2onnx spells Keras': the root is divided by first, beta less the mean comes last; statistics by themselves;
# of windows; a mask for every sample
g = Graph()
a = g("Transpose", g("Reshape", small(g, channels=6), g.integers(0, 6, 16)), perm=[0, 2, 1])  # n, 16, 6
mean = g("ReduceMean", a, g.integers(2))
centered = g("Sub", a, mean)
variance = g("ReduceMean", g("Mul", centered, centered), g.integers(2))
scale = g("Mul", g("Reciprocal", g("Sqrt", g("Add", variance, g.constant(0.001)))), g.constant(rng.random(6)))
b = g("Add", g("Mul", a, scale), g("Sub", g.constant(rng.random(6)), g("Mul", mean, scale)))
w = g("Reshape", b, g.integers(-1, 4, 6))  # 4 n, 4, 6
rows = g("BatchNormalization", g("Reshape", w, g.integers(-1, 6)), *[g.constant(rng.random(6) + 0.5) for _ in range(4)])
repeated = g("Expand", g.constant(rng.normal(0, 1, (1, 4, 4, 6))), g("Concat", g("Slice", g("Shape", a), g.integers(0), g.integers(1), g.integers(0)), g.integers(4, 4, 6), axis=0))
masked = g("Add", w, g("Reshape", repeated, g.integers(-1, 4, 6)))
g.give(b, g("Reshape", rows, g.integers(-1, 16, 6)), g("Reshape", masked, g.integers(-1, 16, 6)), g("Sqrt", variance), centered)
g.write("ort-statistics")

# two samples, no more and no fewer: not everything that has two of something is of samples
g = Graph()
a = g("Reshape", small(g, channels=6), g.integers(2, 6, 16))
b = g("Concat", g("Expand", g.constant(rng.normal(0, 1, (1, 1, 16))), g.integers(2, 1, 16)), a, axis=1)
pair = g("Concat", g("ConstantOfShape", g.integers(2, 4)), g.constant(rng.normal(0, 1, (2, 12))), axis=1)
c = g("Add", g("Slice", a, g.integers(0), g.integers(2), g.integers(1)), pair)
g.give(g("Add", b, g("Expand", g.constant(rng.normal(0, 1, (1, 7, 16))), g.integers(2, 7, 16))), c)
g.write("ort-fixed", batch=2)

# of older days: response normalisation of neighbours, BGR, probabilities of what still has a height and a width; casts at the end;
# a GELU by Erfc, as tf2onnx writes it although ONNX has none
g = Graph()
bgr = g("Slice", g("Cast", "x", to=TensorProto.FLOAT), g.integers(-1), g.integers(-4), g.integers(1), g.integers(-1))
a = g("Conv", bgr, g.constant(rng.normal(0, 0.4, (6, 3, 4, 4))), strides=[4, 4])
b = g("LRN", g("Cast", a, to=TensorProto.FLOAT), size=5, alpha=0.5, beta=0.75, bias=1.5)
b = g("LRN", g("Gather", b, g.integers(5, 4, 3, 2, 1), axis=1), size=3, alpha=2.0, beta=0.5)
gelu = g("Mul", g("Mul", a, g.constant(0.5)), g("Erfc", g("Mul", g("Neg", a), g.constant(0.70710678))))
g.give(b, g("Softmax", g("GlobalAveragePool", a), axis=1), g("LRN", a, size=9, alpha=0.1, beta=1.0), gelu)
g.write("ort-old", opset=12, late=("Cast",))
