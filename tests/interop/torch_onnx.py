"""Networks of torchvision (random weights, small pictures) as ONNX files for test_onnx.py --torch FOLDER. By hand, in an environment
that has torch and torchvision:

    python torch_onnx.py FOLDER [NAME…]
"""

import pathlib
import sys

import numpy as np
import torch
import torchvision

FOLDER = pathlib.Path(sys.argv[1])
NETWORKS = {  # and the height and width of their pictures
    "resnet18": 64,
    "resnet50": 64,
    "mobilenet_v2": 64,
    "mobilenet_v3_small": 64,
    "vgg11_bn": 224,
    "densenet121": 64,
    "squeezenet1_1": 64,
    "shufflenet_v2_x1_0": 64,
    "efficientnet_b0": 64,
    "googlenet": 96,
    "mnasnet1_0": 64,
    "regnet_y_400mf": 64,
    "convnext_tiny": 64,
    "vit_b_16": 224,
}

for name in sys.argv[2:] or NETWORKS:
    torch.manual_seed(1)
    more = {"init_weights": True, "aux_logits": False} if name == "googlenet" else {}
    model = torchvision.models.get_model(name, weights=None, num_classes=10, **more)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.running_mean, -0.1, 0.1)
            torch.nn.init.uniform_(module.running_var, 0.5, 1.5)
        if isinstance(module, torch.nn.Linear) and not module.weight.any():
            torch.nn.init.normal_(module.weight, 0, 0.1)  # a vision transformer's head is zero at first
    model.eval()
    x = torch.rand(2, 3, NETWORKS[name], NETWORKS[name])
    with torch.no_grad():
        y = model(x)
    axes = {"x": {0: "batch"}, "y": {0: "batch"}}
    torch.onnx.export(
        model, (x,), str(FOLDER / f"{name}.onnx"), input_names=["x"], output_names=["y"], opset_version=17,
        dynamic_axes=axes, dynamo=False,
    )
    np.savez(FOLDER / f"{name}.npz", x=x.numpy().transpose(0, 2, 3, 1), y=y.numpy())
    print(name, flush=True)
