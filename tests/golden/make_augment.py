"""Writes augment/transforms.txt beside this script: what the real ImageDataGenerator.apply_transform makes of small
pictures, for fixed parameters, in both dialects. tests/unit/data/test_augment_keras.c does the same and compares.

    pip install --no-deps --target old Keras-Preprocessing==1.1.2
    PYTHONPATH=old .venv/bin/python tests/golden/make_augment.py

Dialect B is tf-keras (the same code as Keras 3's legacy module), dialect A Keras-Preprocessing 1.1.2, which Keras used
up to 2.8. A record is three lines: "case" and its parameters; the input; the output.
"""

import os
import pathlib

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = ""

import numpy as np
from keras_preprocessing.image import ImageDataGenerator as Old
from tf_keras.preprocessing.image import ImageDataGenerator as New

HERE = pathlib.Path(__file__).parent
FIELDS = "theta tx ty shear zx zy flip_horizontal flip_vertical channel_shift_intensity brightness".split()
DEFAULTS = dict(theta=0, tx=0, ty=0, shear=0, zx=1, zy=1, flip_horizontal=False, flip_vertical=False,
                channel_shift_intensity=None, brightness=None)


def number(value):
    return "none" if value is None else repr(float(value))


def record(out, old, picture, fill_mode, cval, order, parameters):
    generator = (Old if old else New)(fill_mode=fill_mode, cval=cval, interpolation_order=order)
    full = dict(DEFAULTS, **parameters)
    result = generator.apply_transform(picture.copy(), full)
    height, width, channels = picture.shape
    head = ["case", "A" if old else "B", height, width, channels, fill_mode, repr(float(cval)), order]
    out.write(" ".join(map(str, head)) + " " + " ".join(number(full[field]) for field in FIELDS) + "\n")
    for array in (picture, result):
        out.write(" ".join(np.format_float_scientific(v, unique=True) for v in np.asarray(array, "float32").ravel()) + "\n")


def random_parameters(rng):
    choices = dict(
        theta=rng.uniform(-180, 180), tx=rng.uniform(-6, 6), ty=rng.uniform(-6, 6), shear=rng.uniform(-50, 50),
        zx=rng.uniform(0.4, 2.5), zy=rng.uniform(0.4, 2.5), flip_horizontal=True, flip_vertical=True,
        channel_shift_intensity=rng.uniform(-80, 80), brightness=rng.uniform(0.2, 2))
    return {key: value for key, value in choices.items() if rng.random() < 0.45}


def main():
    (HERE / "augment").mkdir(exist_ok=True)
    ramp = np.arange(15, dtype="float32").reshape(3, 5, 1)
    square = np.arange(16, dtype="float32").reshape(4, 4, 1)
    line = np.arange(5, dtype="float32").reshape(1, 5, 1)
    rng = np.random.default_rng(5)
    with open(HERE / "augment" / "transforms.txt", "w") as out:
        for old in (False, True):
            for picture, parameters in (
                (ramp, {}), (ramp, dict(tx=1)), (ramp, dict(ty=1)), (ramp, dict(zx=2)), (ramp, dict(zy=2)),
                (ramp, dict(zx=0.5)), (ramp, dict(theta=180)), (square, dict(theta=90)),
                (square, dict(theta=90, tx=1)), (square, dict(zx=0.5, zy=0.5)), (square, dict(shear=30)),
            ):
                record(out, old, picture, "constant", -1, 1, parameters)
            for fill_mode in ("nearest", "constant", "reflect", "wrap"):
                for shift in (2, -2, 0.5, -0.5, 2.5, 17.25, -31.5):
                    record(out, old, line, fill_mode, 99, 1, dict([("ty" if old else "tx", shift)]))
                    record(out, old, line, fill_mode, 99, 0, dict([("ty" if old else "tx", shift)]))
            for factor, values in ((1.5, [0, 100, 200, 255]), (1 / 3, [0, 100, 200, 255]), (0.55, [0, 100, 200, 255]),
                                   (1.0, [0, 1.9, 254.99, 255]), (1.5, [0, 0.4, 0.8, 1]), (1.5, [-128, -28, 72, 127]),
                                   (1.0, [50, 100, 200, 200])):
                record(out, old, np.array(values, "float32").reshape(2, 2, 1), "nearest", 0, 1, dict(brightness=factor))
            record(out, old, np.array([0, 100, 200, 255], "float32").reshape(2, 2, 1), "nearest", 0, 1,
                   dict(channel_shift_intensity=30))
            for i in range(60):
                shape = (rng.integers(1, 8), rng.integers(1, 8), (1, 3, 4)[i % 3])
                picture = rng.integers(0, 256, shape).astype("float32")
                mode = ("nearest", "constant", "reflect", "wrap")[i % 4]
                record(out, old, picture, mode, (0, 7)[i % 2], int(rng.random() < 0.8), random_parameters(rng))


main()
