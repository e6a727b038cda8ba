"""Networks of torchvision and timm (random weights, pictures of their own size) as ONNX files of both of PyTorch's exporters, for
test_onnx.py --torch FOLDER. By hand, in an environment that has torch, torchvision, timm, onnxscript and onnxruntime:

    python torch_onnx.py FOLDER [NAME…]

NAME.legacy.onnx is of dynamo=False, NAME.dynamo.onnx of dynamo=True; beside each, in NPZ, a picture and what ONNX Runtime answers.
"""

import pathlib
import sys

import numpy as np
import onnxruntime
import torch
import torchvision

FOLDER = pathlib.Path(sys.argv[1])
NETWORKS = """alexnet convnext_tiny densenet121 efficientnet_b0 googlenet inception_v3 mnasnet1_0 mobilenet_v2
maxvit_t mobilenet_v3_small regnet_x_400mf regnet_y_400mf resnet18 resnet50 shufflenet_v2_x1_0 squeezenet1_1 swin_t swin_v2_t vgg11_bn
vit_b_16 timm/convnextv2_atto timm/deit_tiny_patch16_224 timm/edgenext_xx_small timm/efficientformer_l1 timm/efficientvit_b0
timm/fastvit_t8 timm/ghostnet_100 timm/mixer_s32_224 timm/mobilenetv4_conv_small timm/mobileone_s0 timm/mobilevit_xxs
timm/poolformer_s12 timm/repvgg_a0 timm/resnet18 timm/swin_tiny_patch4_window7_224 timm/tiny_vit_5m_224
timm/vit_tiny_patch16_224""".split()


def build(name):
    """The network, and the height and width of its pictures."""
    torch.manual_seed(7)
    if name.startswith("timm/"):
        import timm

        model = timm.create_model(name[5:], pretrained=False)
        return model, model.default_cfg["input_size"][-1]
    more = {"googlenet": {"init_weights": False, "aux_logits": False}, "inception_v3": {"init_weights": False}}
    model = torchvision.models.get_model(name, weights=None, **more.get(name, {}))
    return model, 299 if name == "inception_v3" else 224


def shake(model, x):
    """Nothing stays neutral: statistics, biases, positions, a head that is zero at first. Statistics are those of x, or
    a deep network's signals fade on their way and it answers the same to everything."""
    numbers = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for name, p in model.named_parameters():
            if p.ndim > 1 and not p.any():
                p.normal_(0, 0.05, generator=numbers)
            if p.ndim == 1:
                p.add_(torch.rand(p.shape, generator=numbers) * 0.2 - 0.1)
            if any(part in name for part in ("pos_embed", "class_token", "cls_token", "layer_scale")):
                p.add_(torch.rand(p.shape, generator=numbers) * 0.5)
        for module in model.modules():
            if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
                module.momentum = 1  # the latest batch's alone
        model.train()(x)
    return model.eval()


for name in sys.argv[2:] or NETWORKS:
    model, size = build(name)
    x = torch.rand((2, 3, size, size), generator=torch.Generator().manual_seed(1))
    shake(model, x)
    for exporter in ("legacy", "dynamo"):
        path = FOLDER / f"{name.replace('/', '-')}.{exporter}.onnx"
        if exporter == "legacy":
            more = {"dynamic_axes": {"x": {0: "n"}, "y": {0: "n"}}}
        else:  # with its weights beside it, as it comes
            more = {"dynamic_shapes": ({0: torch.export.Dim("n")},), "verbose": False}
        torch.onnx.export(model, (x,), str(path), input_names=["x"], output_names=["y"], dynamo=exporter == "dynamo", **more)
        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        (y,) = session.run(None, {"x": x.numpy()})
        spread = np.abs(y[0] - y[1]).max() / np.abs(y).max()
        assert spread > 1e-3 and y.std(axis=1).min() > 0, f"{name}: its answers are all the same ({spread:.1e} apart)"
        np.savez(path.with_suffix(".npz"), x=x.numpy().transpose(0, 2, 3, 1), y=y)
        print(path.name, flush=True)
