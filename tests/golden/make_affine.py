"""Writes augment/affine.txt beside this script: what keras.ops.image.affine_transform, which Keras' RandomRotation,
RandomZoom, RandomTranslation and RandomShear end in, makes of small pictures in every fill mode (TensorFlow backend).
tests/kernels/test_warp.c compares the sampler with it.

    scripts/python-env && .venv/bin/python tests/golden/make_affine.py

A record is three lines: height, width, channels, fill mode and the map (a0 a1 a2 b0 b1 b2: output (x, y) is read at
(a0 x + a1 y + a2, b0 x + b1 y + b2)); the picture; the result.
"""

import os
import pathlib

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = ""
os.environ["KERAS_BACKEND"] = "tensorflow"

import keras
import numpy as np

FILL = 40.0


def record(out, rng, mode, transform):
    shape = (int(rng.integers(4, 9)), int(rng.integers(4, 21)), int(rng.integers(1, 5)))
    picture = rng.integers(0, 256, shape).astype("float32")
    result = keras.ops.image.affine_transform(
        picture[None], np.array([*transform, 0, 0], "float32")[None], interpolation="bilinear", fill_mode=mode,
        fill_value=FILL, data_format="channels_last")
    out.write(" ".join(map(str, shape)) + f" {mode} " + " ".join(repr(float(np.float32(v))) for v in transform) + "\n")
    out.write(" ".join(str(int(v)) for v in picture.ravel()) + "\n")
    out.write(" ".join(f"{v:.4f}" for v in np.asarray(result).ravel()) + "\n")


def main():
    rng = np.random.default_rng(3)
    with open(pathlib.Path(__file__).parent / "augment" / "affine.txt", "w") as out:
        for mode in ("nearest", "constant", "reflect", "wrap"):
            for dx, dy in ((2, 0), (0, -2), (0.5, 0), (-0.5, 0.25), (7.25, -9.5)):
                # TensorFlow does not blend over the seam of "wrap", and misses pixels more than one turn away.
                if mode != "wrap" or (dx % 1 == 0 and abs(dx) < 3):
                    record(out, rng, mode, (1, 0, dx, 0, 1, dy))
            for _ in range(12 if mode != "wrap" else 0):
                angle, size = rng.uniform(-np.pi, np.pi), rng.uniform(0.5, 2)
                c, s = np.cos(angle) * size, np.sin(angle) * size
                record(out, rng, mode, (c, -s, rng.uniform(-9, 9), s, c, rng.uniform(-9, 9)))


main()
