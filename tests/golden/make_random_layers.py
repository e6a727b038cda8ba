"""Writes augment/layers.txt beside this script: what Keras' Random… layers make of small pictures in training, their
ranges being of one value, so that nothing is left to chance. tests/unit/model/test_random_layers.c does the same.

    scripts/python-env && .venv/bin/python tests/golden/make_random_layers.py

A record is three lines: Keras' major version, class, height, width, channels, output height and width, and the arguments;
the input; the output.
"""

import os
import pathlib

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = ""

import keras
import numpy as np
import tf_keras

HERE = pathlib.Path(__file__).parent
MODES = ("reflect", "wrap", "constant", "nearest")


def numbers(array):
    return " ".join(repr(float(f"{v:.8g}")) for v in np.asarray(array, "float32").ravel())


def record(out, version, picture, name, **arguments):
    library = {2: tf_keras, 3: keras}[version]
    layer = getattr(library.layers, name)(**arguments)
    result = np.asarray(layer(picture[None], training=True))[0]
    config = "{" + ", ".join(f"'{k}': {v!r}" for k, v in arguments.items()) + "}"
    config = config.replace("(", "[").replace(")", "]")
    out.write(" ".join(map(str, (version, name, *picture.shape, *result.shape[:2], config))) + "\n")
    out.write(numbers(picture) + "\n" + numbers(result) + "\n")


def main():
    rng = np.random.default_rng(3)
    pictures = [np.arange(16, dtype="float32").reshape(4, 4, 1), rng.uniform(0, 255, (5, 7, 3)).astype("float32"),
                rng.uniform(0, 255, (8, 6, 2)).astype("float32"), rng.uniform(0, 255, (1, 6, 1)).astype("float32")]
    with open(HERE / "augment" / "layers.txt", "w") as out:
        for version in (2, 3):
            for i, picture in enumerate(pictures):
                for mode in MODES:
                    for interpolation in ("bilinear", "nearest"):
                        how = dict(fill_mode=mode, interpolation=interpolation, fill_value=7.5 if i % 2 else 0.0)
                        # No angle or shift lands on the middle between two pixels, where rounding is chance.
                        for turns in ((0.23 if mode == "wrap" else 0.25, 0.07) if i == 0 else (-0.137, 0.41)):
                            record(out, version, picture, "RandomRotation", factor=(turns, turns), **how)
                        record(out, version, picture, "RandomTranslation", height_factor=(0.31, 0.31),
                               width_factor=(-0.57, -0.57), **how)
                        record(out, version, picture, "RandomTranslation", height_factor=(-0.93, -0.93),
                               width_factor=(0.77, 0.77), **how)
                        record(out, version, picture, "RandomZoom", height_factor=(0.37, 0.37), **how)
                        record(out, version, picture, "RandomZoom", height_factor=(-0.41, -0.41),
                               width_factor=(0.83, 0.83), **how)
                record(out, version, picture, "RandomBrightness", factor=(0.3, 0.3))
                record(out, version, picture, "RandomBrightness", factor=(-0.6, -0.6))
                record(out, version, picture / 255, "RandomBrightness", factor=(0.3, 0.3), value_range=(0.0, 1.0))
                if version == 3:  # tf-keras wants a range of some width
                    record(out, version, picture, "RandomContrast", factor=(-0.7, 0.7))
                    record(out, version, picture / 255, "RandomContrast", factor=(-0.7, 0.7), value_range=(0.0, 1.0))
                # Crops without a choice: pictures that just fit, or are too small.
                height, width, _ = picture.shape
                if version == 2 and height == 1:  # it makes a box of no height
                    continue
                for size in ((height, width), (height + 3, width + 1), (height + 2, width), (2 * height, 3 * width)):
                    record(out, version, picture, "RandomCrop", height=size[0], width=size[1])


if __name__ == "__main__":
    main()
