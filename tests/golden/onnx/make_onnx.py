"""Writes the small ONNX files beside it with PyTorch's exporter, and what they answer: NAME.onnx, NAME.f32 (the input, as hone
has pictures: N, H, W, C; then the output). Random weights, small pictures. Needs torch and onnx; run once:

    python make_onnx.py FOLDER
"""

import pathlib
import sys

import numpy as np
import onnx
import torch
from torch import nn

FOLDER = pathlib.Path(sys.argv[1])


class Plain(nn.Module):
    """Convolutions, a flatten whose order of channels matters, two matrices."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 6, 3, padding=1),
            nn.BatchNorm2d(6),
            nn.ReLU(),
            nn.MaxPool2d(3, 2, 1),
            nn.Conv2d(6, 8, 3, stride=2, padding=1, bias=False),
            nn.LeakyReLU(0.1),
            nn.AvgPool2d(2),
        )
        self.classifier = nn.Sequential(nn.Dropout(0.5), nn.Linear(8 * 2 * 2, 10), nn.Tanh(), nn.Linear(10, 5))

    def forward(self, x):
        return torch.softmax(self.classifier(torch.flatten(self.features(x), 1)), 1)


class Block(nn.Module):
    """What mobile networks are made of: expansion, depthwise, squeeze and excitation, a sum; hard activations."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, 2, 1)
        self.expand = nn.Conv2d(8, 16, 1)
        self.depthwise = nn.Conv2d(16, 16, 5, 1, 2, groups=16)
        self.squeeze = nn.Conv2d(16, 4, 1)
        self.excite = nn.Conv2d(4, 16, 1)
        self.project = nn.Conv2d(16, 8, 1)
        self.grouped = nn.Conv2d(8, 8, 3, padding=1, groups=2)
        self.slopes = nn.PReLU(8)
        self.head = nn.Linear(16, 4)

    def forward(self, x):
        x = nn.functional.hardswish(self.stem(x))
        y = nn.functional.relu6(self.depthwise(nn.functional.silu(self.expand(x))))
        s = nn.functional.hardsigmoid(self.excite(nn.functional.relu(self.squeeze(y.mean((2, 3), keepdim=True)))))
        x = x + self.project(y * s)
        # ShuffleNet's: channels cut in two, put together again, shuffled
        a, b = x.chunk(2, 1)
        x = torch.cat([b, nn.functional.elu(a)], 1)
        n, c, h, w = x.shape
        x = x.view(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w)
        x = self.slopes(self.grouped(x))
        x = torch.cat([x, nn.functional.interpolate(nn.functional.max_pool2d(x, 2), scale_factor=2)], 1)
        return self.head(nn.functional.adaptive_avg_pool2d(x, 1).flatten(1))


class Attention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x):
        n, t, width = x.shape
        q, k, v = self.qkv(x).reshape(n, t, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4).unbind(0)
        scores = (q @ k.transpose(-2, -1)) * (width // self.heads) ** -0.5
        return self.proj((scores.softmax(-1) @ v).transpose(1, 2).reshape(n, t, width))


class Transformer(nn.Module):
    """A small vision transformer: patches, a class token, positions, attention, GELU, layer normalisation."""

    def __init__(self, width=16, heads=2, packed=False):
        super().__init__()
        self.patches = nn.Conv2d(3, width, 4, 4)
        self.token = nn.Parameter(torch.randn(1, 1, width))
        self.positions = nn.Parameter(torch.randn(1, 17, width))
        self.norm1, self.norm2, self.norm3 = nn.LayerNorm(width), nn.LayerNorm(width), nn.LayerNorm(width)
        self.packed = packed
        self.attention = nn.MultiheadAttention(width, heads, batch_first=True) if packed else Attention(width, heads)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))
        self.head = nn.Linear(width, 4)

    def forward(self, x):
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1) + self.positions
        y = self.norm1(x)
        x = x + (self.attention(y, y, y, need_weights=False)[0] if self.packed else self.attention(y))
        x = x + self.mlp(self.norm2(x))
        return self.head(self.norm3(x)[:, 0])


def write(name, model, size, opset, dynamic, dynamo=False, external=False):
    torch.manual_seed(1)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.5, 0.5)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.5, 0.5)
        if isinstance(module, nn.LayerNorm):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.5, 0.5)
    model.eval()
    samples = 2 if dynamic else 1
    x = torch.rand(samples, 3, size, size) - 0.5
    path = FOLDER / f"{name}.onnx"
    more = {"dynamic_axes": {"x": {0: "batch"}, "y": {0: "batch"}} if dynamic else None}
    if dynamo:
        more = {"dynamic_shapes": ({0: torch.export.Dim("batch")},) if dynamic else None, "external_data": external}
    torch.onnx.export(
        model, (x,), str(path), input_names=["x"], output_names=["y"], opset_version=opset, dynamo=dynamo, **more
    )
    if dynamo:  # each node says in length which line of Python it is of
        file = onnx.load(path, load_external_data=False)
        for part in (*file.graph.node, *file.graph.value_info, file.graph, *file.graph.input, *file.graph.output):
            del part.metadata_props[:]
        del file.graph.value_info[:]
        onnx.save(file, path)
    onnx.checker.check_model(str(path))
    with torch.no_grad():
        y = model(x)
    with open(FOLDER / f"{name}.f32", "wb") as file:
        file.write(x.numpy().transpose(0, 2, 3, 1).astype("<f4").tobytes())
        file.write(y.numpy().astype("<f4").tobytes())


if __name__ == "__main__":
    torch.manual_seed(1)
    write("torch-plain", Plain(), 16, 13, True)
    write("torch-plain-fixed", Plain(), 16, 9, False)
    write("torch-block", Block(), 16, 17, True)
    write("torch-transformer", Transformer(), 16, 13, True)  # normalisation and GELU spelt out
    write("torch-transformer-17", Transformer(), 16, 17, False)
    write("torch-transformer-packed", Transformer(packed=True), 16, 17, True)
    # the exporter of PyTorch 2.5 and later; as it comes, it puts the weights into another file
    write("torch-dynamo-plain", Plain(), 16, 20, True, dynamo=True, external=True)
    write("torch-dynamo-block", Block(), 16, 18, True, dynamo=True)
    write("torch-dynamo-transformer", Transformer(packed=True), 16, 20, True, dynamo=True)
