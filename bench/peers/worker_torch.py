# SPDX-License-Identifier: Apache-2.0
"""PyTorch. Settings: channels_last, compile (torch.compile); wait policies of OpenMP come through the environment."""
import common

task = common.arguments()
setting = task["setting"]
import torch  # noqa: E402
from torch import nn  # noqa: E402

torch.set_num_threads(task["threads"])


ACTIVATIONS = {"relu": nn.ReLU, "linear": nn.Identity, "softmax": lambda: nn.Softmax(1), "silu": nn.SiLU,
               "swish": nn.SiLU, "sigmoid": nn.Sigmoid}


class Add(nn.Module):
    def forward(self, a, b):
        return a + b


class Multiply(nn.Module):
    def forward(self, a, b):
        return a * b


class Scale(nn.Module):
    def __init__(self, scale, offset):
        super().__init__()
        self.scale, self.offset = scale, offset

    def forward(self, x):
        return x * self.scale + self.offset


class Maps(nn.Module):
    """Channels as maps of one pixel."""

    def forward(self, x):
        return x[:, :, None, None]


class GlobalAverage(nn.Module):
    def forward(self, x):
        return x.mean((2, 3))


class Network(nn.Module):
    """The Keras description as modules on (n, c, h, w), initialised as Keras does."""

    def __init__(self, path, logits):
        super().__init__()
        shape, found = common.graph(path)
        self.steps = nn.ModuleList()
        self.reads = []
        shapes = {found[0][3][0]: shape}
        pads = {}  # what a ZeroPadding2D adds, left to the layer behind it: no copy first
        self.place = {found[0][3][0]: 0}  # what was computed when
        for name, kind, config, before in found:
            if kind == "ZeroPadding2D":
                pads[name] = sum(config["padding"][0])
            module, shapes[name] = self.translate(kind, config, shapes[before[0]], logits, pads.get(before[0], 0))
            self.steps.append(module)
            self.reads.append([self.place[other] for other in before])
            self.place[name] = len(self.steps)
        # A value is let go behind its last reader.
        self.last = [max((i for i, reads in enumerate(self.reads) if at in reads), default=-1) for at in range(len(found) + 1)]

    @staticmethod
    def translate(kind, config, shape, logits, padded):
        """A module and (height, width, channels) behind it."""
        if kind in ("Conv2D", "DepthwiseConv2D"):
            height, width, channels = shape
            depthwise = kind == "DepthwiseConv2D"
            filters = channels if depthwise else config["filters"]
            size, stride, same = config["kernel_size"], config["strides"], config["padding"] == "same"
            # Keras pads a strided convolution at the far sides alone. On both sides it is as much work, and no copy first.
            layer = nn.Conv2d(channels, filters, size, stride=stride, bias=config["use_bias"],
                              groups=channels if depthwise else 1, padding=[k // 2 for k in size] if same or padded else 0)
            nn.init.xavier_uniform_(layer.weight)
            sides = [-(-n // s) if same else (n + padded - k) // s + 1 for n, k, s in zip((height, width), size, stride)]
            return nn.Sequential(layer, ACTIVATIONS[config["activation"]]()), (*sides, filters)
        if kind in ("ZeroPadding2D", "Normalization"):
            return nn.Identity(), shape
        if kind == "Rescaling":
            scale = config["scale"] if isinstance(config["scale"], float) else 1.0
            return Scale(scale, config["offset"] if isinstance(config["offset"], float) else 0.0), shape
        if kind == "Multiply":
            return Multiply(), shape
        if kind == "Dropout":
            return nn.Dropout(config["rate"]), shape
        if kind == "Reshape":
            return Maps(), (1, 1, shape[-1])
        if kind == "BatchNormalization":
            return nn.BatchNorm2d(shape[-1], eps=config["epsilon"], momentum=1 - config["momentum"]), shape
        if kind == "Activation":
            return ACTIVATIONS[config["activation"]](), shape
        if kind == "ReLU":
            return (nn.ReLU6() if config["max_value"] == 6 else nn.ReLU()), shape
        if kind == "Add":
            return Add(), shape
        if kind == "MaxPooling2D":
            size, stride = config["pool_size"], config["strides"]
            sides = [(n + padded - k) // s + 1 for n, k, s in zip(shape, size, stride)]
            return nn.MaxPool2d(size, stride, padding=padded // 2), (*sides, shape[2])
        if kind == "GlobalAveragePooling2D":
            return GlobalAverage(), shape[-1:]
        if kind == "Flatten":
            elements = 1
            for side in shape:
                elements *= side
            return nn.Flatten(), (elements,)
        if kind == "Dense":
            layer = nn.Linear(shape[-1], config["units"], bias=config["use_bias"])
            nn.init.xavier_uniform_(layer.weight)
            linear = logits and config["activation"] == "softmax"
            return nn.Sequential(layer, nn.Identity() if linear else ACTIVATIONS[config["activation"]]()), (config["units"],)
        raise SystemExit(f"worker_torch: no translation of {kind}")

    def forward(self, x):
        values = [x] + [None] * len(self.steps)
        for i, (module, reads) in enumerate(zip(self.steps, self.reads)):
            values[i + 1] = module(*(values[at] for at in reads))
            for at in reads:
                if self.last[at] == i:
                    values[at] = None
        return values[-1]


training = task["mode"] == "train"
shape, _ = common.graph(task["model"])
batch = task["batch"]
x, y = common.samples(shape, batch, task["data"])
model = Network(task["model"], logits=training)
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
