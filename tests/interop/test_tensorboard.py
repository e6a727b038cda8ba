"""What hone train --tensorboard writes, read by TensorBoard's own loader."""

import io
import json

import numpy as np
from common import FOLDER, driver, expect, expect_close, finish
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.compat.proto import summary_pb2
from tensorboard.plugins.graph.keras_util import keras_model_to_graph_def
from tensorboard.util import tensor_util

EPOCHS, SAMPLES, BATCH = 3, 60, 8


def load(run):
    events = EventAccumulator(str(FOLDER / "board" / run), size_guidance={"tensors": 0})
    events.Reload()
    return events


def numbers(events, tag):
    return [(e.step, float(tensor_util.make_ndarray(e.tensor_proto))) for e in events.Tensors(tag)]


def strings(events, tag):
    return list(tensor_util.make_ndarray(events.Tensors(tag)[0].tensor_proto).flatten())


history = driver("tensorboard", FOLDER / "board", SAMPLES, BATCH, EPOCHS)
train, validation = load("train"), load("validation")

# each epoch, as Keras' callback names it
for run, prefix in ((train, ""), (validation, "val_")):
    for key in ("loss", "accuracy"):
        found = numbers(run, f"epoch_{key}")
        what = f"{prefix}{key}"
        expect(f"{what}: steps", [step for step, _ in found] == list(range(EPOCHS)), found)
        expect_close(f"{what}: values", [v for _, v in found], history[what], 1e-6)
expect_close("learning rate", [v for _, v in numbers(train, "epoch_learning_rate")], [0.001] * EPOCHS, 1e-9)
expect("the validation run has nothing else", set(validation.Tags()["tensors"]) == {"epoch_loss", "epoch_accuracy"})

# every second batch
steps = EPOCHS * (SAMPLES * 3 // 4 // BATCH + 1)
found = numbers(train, "batch_loss")
expect("batches", [step for step, _ in found] == list(range(2, steps + 1, 2)), [step for step, _ in found])

# plugins and classes, by which TensorBoard's pages find them
kinds = {
    "epoch_loss": ("scalars", summary_pb2.DATA_CLASS_SCALAR),
    "samples": ("images", summary_pb2.DATA_CLASS_BLOB_SEQUENCE),
    "model": ("text", summary_pb2.DATA_CLASS_TENSOR),
    "keras": ("graph_keras_model", summary_pb2.DATA_CLASS_TENSOR),
    "dense/kernel/histogram": ("histograms", summary_pb2.DATA_CLASS_TENSOR),
}
for tag, (plugin, data_class) in kinds.items():
    metadata = train.SummaryMetadata(tag)
    expect(f"{tag}: {plugin}", (metadata.plugin_data.plugin_name, metadata.data_class) == (plugin, data_class))

# pictures, text, graph, histograms
width, height, *pictures = strings(train, "samples")
expect("samples: size and number", (width, height, len(pictures)) == (b"28", b"28", 3))
expect("samples: PNG", all(Image.open(io.BytesIO(p)).size == (28, 28) for p in pictures))
expect("the table of layers", b"| dense | Dense |" in strings(train, "model")[0])
graph = keras_model_to_graph_def(json.loads(strings(train, "keras")[0]))
expect("the graph", any(node.name.endswith("dense_1") for node in graph.node), [node.name for node in graph.node])
bins = tensor_util.make_ndarray(train.Tensors("dense/kernel/histogram")[-1].tensor_proto)
expect("a histogram's bins", bins.shape == (30, 3) and np.allclose(bins[1:, 0], bins[:-1, 1]))
expect("a histogram counts all", bins[:, 2].sum() == history["kernel"]["count"], bins[:, 2].sum())
expect_close("a histogram's ends", [bins[0, 0], bins[-1, 1]], [history["kernel"]["least"], history["kernel"]["most"]], 1e-6)

# a file that a crash cut in its last record, and a training that goes on beside it
first = next((FOLDER / "board" / "train").iterdir())
first.write_bytes(first.read_bytes()[:-5])
driver("tensorboard", FOLDER / "board", SAMPLES, BATCH, EPOCHS)
train = load("train")
expect("after a crash both are read", len(numbers(train, "epoch_loss")) >= EPOCHS)
finish()
