# SPDX-License-Identifier: Apache-2.0
"""PyTorch. Settings: channels_last, compile (torch.compile); wait policies of OpenMP come through the environment."""
import common

task = common.arguments()
setting = task["setting"]
import torch  # noqa: E402
from torch import nn  # noqa: E402

torch.set_num_threads(task["threads"])


def build(path, logits):
    """The Keras description as modules on (n, c, h, w), initialised as Keras does."""
    (height, width, channels), found = common.layers(path)
    modules = []
    activations = {"relu": nn.ReLU, "linear": nn.Identity, "softmax": lambda: nn.Identity() if logits else nn.Softmax(1)}
    for kind, config in found:
        if kind == "Conv2D":
            same = config["padding"] == "same"
            layer = nn.Conv2d(channels, config["filters"], config["kernel_size"], padding="same" if same else 0,
                              bias=config["use_bias"])
            nn.init.xavier_uniform_(layer.weight)
            modules += [layer, activations[config["activation"]]()]
            channels = config["filters"]
            if not same:
                height, width = height - config["kernel_size"][0] + 1, width - config["kernel_size"][1] + 1
        elif kind == "BatchNormalization":
            modules.append(nn.BatchNorm2d(channels, eps=config["epsilon"], momentum=1 - config["momentum"]))
        elif kind == "Activation":
            modules.append(activations[config["activation"]]())
        elif kind == "MaxPooling2D":
            modules.append(nn.MaxPool2d(config["pool_size"], config["strides"]))
            height, width = height // config["pool_size"][0], width // config["pool_size"][1]
        elif kind == "Flatten":
            modules.append(nn.Flatten())
            channels = channels * height * width
        elif kind == "Dense":
            layer = nn.Linear(channels, config["units"], bias=config["use_bias"])
            nn.init.xavier_uniform_(layer.weight)
            modules += [layer, activations[config["activation"]]()]
            channels = config["units"]
        else:
            raise SystemExit(f"worker_torch: no translation of {kind}")
    return nn.Sequential(*modules)


training = task["mode"] == "train"
shape, _ = common.layers(task["model"])
batch = task["batch"]
x, y = common.samples(shape, batch, task["data"])
model = build(task["model"], logits=training)
layout = torch.channels_last if setting.get("channels_last") else torch.contiguous_format
model = model.to(memory_format=layout).train(training)
images = torch.from_numpy(x).permute(0, 3, 1, 2).contiguous(memory_format=layout)
labels = torch.from_numpy(y)
batches = [(images[i : i + batch], labels[i : i + batch]) for i in range(0, len(x), batch)]
run = torch.compile(model) if setting.get("compile") else model

if training:
    optimizer = torch.optim.Adam(model.parameters(), eps=1e-7, fused=setting.get("fused", False))
    loss = nn.CrossEntropyLoss()

    def step(i):
        some, truth = batches[i % len(batches)]
        optimizer.zero_grad(set_to_none=True)
        value = loss(run(some), truth)
        value.backward()
        optimizer.step()
        return value.item()

    common.serve(step, batch, 10)
else:
    with torch.inference_mode():
        common.serve(lambda i: run(batches[i % len(batches)][0]).numpy(), batch, 20)
