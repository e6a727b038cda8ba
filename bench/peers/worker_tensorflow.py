# SPDX-License-Identifier: Apache-2.0
"""TensorFlow. Settings: jit (XLA), inter (threads between operations), fit (model.fit of whole epochs instead of one
tf.function per step). The data lies ready as tensors."""
import os
import time

import common

task = common.arguments()
setting = task["setting"]
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = ""
import tensorflow as tf  # noqa: E402
import keras  # noqa: E402

tf.config.threading.set_intra_op_parallelism_threads(task["threads"])
tf.config.threading.set_inter_op_parallelism_threads(setting.get("inter", 1))
with open(task["model"]) as file:
    model = keras.models.model_from_json(file.read())
batch = task["batch"]
x, y = common.samples(model.input_shape[1:], batch, task["data"])
batches = [(tf.constant(x[i : i + batch]), tf.constant(y[i : i + batch])) for i in range(0, len(x), batch)]
jit = setting.get("jit", False)

if task["mode"] == "train":
    optimizer = keras.optimizers.Adam()
    loss = keras.losses.SparseCategoricalCrossentropy()
    if setting.get("fit"):
        model.compile(optimizer, loss, metrics=["accuracy"], jit_compile=jit)
        model.train_on_batch(*batches[0])
        start = time.perf_counter()
        model.train_on_batch(*batches[0])
        steps = min(max(int(0.5 / (time.perf_counter() - start)), 3), 50)  # of one call of fit: half a second
        data = tf.data.Dataset.from_tensors(batches[0]).repeat(steps)

        def step(i):
            model.fit(data, epochs=1, verbose=0)

        common.serve(step, batch * steps, 2)
    else:
        variables = model.trainable_variables
        optimizer.build(variables)

        @tf.function(jit_compile=jit)
        def train(images, labels):
            with tf.GradientTape() as tape:
                value = loss(labels, model(images, training=True))
            optimizer.apply(tape.gradient(value, variables), variables)
            return value

        common.serve(lambda i: train(*batches[i % len(batches)]).numpy(), batch, 10)
else:

    @tf.function(jit_compile=jit)
    def predict(images):
        return model(images, training=False)

    common.serve(lambda i: predict(batches[i % len(batches)][0]).numpy(), batch, 20)
