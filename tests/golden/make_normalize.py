"""Writes augment/normalize.txt beside this script: what ImageDataGenerator.fit and standardize of the real Keras make of
small pictures. tests/unit/train/test_normalize.c does the same and compares.

    pip install --no-deps --target old Keras-Preprocessing==1.1.2 scipy
    PYTHONPATH=old .venv/bin/python tests/golden/make_normalize.py

A record is four lines: dialect (A: Keras up to 2.8, B: from 2.9), how many pictures fit is given, height, width, channels;
the arguments; all pictures, of which fit is given the first; what becomes of the last three.
"""

import os
import pathlib

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = ""

import numpy as np
from keras_preprocessing.image import ImageDataGenerator as Old
from tf_keras.preprocessing.image import ImageDataGenerator as New

HERE = pathlib.Path(__file__).parent
SHOWN = 3


def record(out, dialect, pictures, fitted, arguments):
    values = {k: eval(str(v)) for k, v in arguments.items()}
    generator = (Old if dialect == "A" else New)(**values)
    if any(name.startswith(("featurewise", "zca")) for name in arguments):
        generator.fit(pictures[:fitted].astype("float32"))
    out.write(" ".join(map(str, (dialect, fitted, *pictures.shape[1:]))) + "\n")
    out.write(("keras-a:" if dialect == "A" else "keras:") + ",".join(f"{k}={v}" for k, v in arguments.items()) + "\n")
    out.write(" ".join(map(str, pictures.ravel())) + "\n")
    shown = [generator.standardize(picture.astype("float32")) for picture in pictures[-SHOWN:]]
    out.write(" ".join(repr(float(f"{v:.8g}")) for v in np.asarray(shown).ravel()) + "\n")


def main():
    rng = np.random.default_rng(9)
    with open(HERE / "augment" / "normalize.txt", "w") as out:
        for dialect in "AB":
            for shape in ((4, 5, 1), (3, 3, 3)):
                size = int(np.prod(shape))
                # Neighbours depend on each other, and there are more pictures than values: nothing is left to rounding.
                mix = rng.normal(size=(size, size)) / 4 + np.eye(size)
                raw = 128 + 30 * rng.normal(size=(2 * size + 7, size)) @ mix
                pictures = np.clip(raw, 0, 255).astype("uint8").reshape(-1, *shape)
                fitted = len(pictures) - SHOWN + 1
                for arguments in (
                    dict(rescale="1/255"), dict(rescale="0.01"), dict(featurewise_center=True),
                    dict(featurewise_center=True, rescale="1/255"), dict(featurewise_std_normalization=True),
                    dict(featurewise_std_normalization=True, rescale="1/255"), dict(samplewise_center=True),
                    dict(samplewise_std_normalization=True), dict(samplewise_std_normalization=True, rescale="1/255"),
                    dict(samplewise_center=True, featurewise_std_normalization=True, rescale="1/255"),
                    dict(samplewise_std_normalization=True, featurewise_center=True, rescale="1/255"),
                    dict(zca_whitening=True), dict(zca_whitening=True, rescale="1/255", zca_epsilon="0.01"),
                ):
                    record(out, dialect, pictures, fitted, arguments)


if __name__ == "__main__":
    main()
