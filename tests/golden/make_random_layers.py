"""Writes augment/layers.txt beside this script: what Keras' Random… layers make of small pictures in training, their
ranges being of one value, so that nothing is left to chance. tests/unit/model/test_random_layers.c does the same.

    scripts/python-env && .venv/bin/python tests/golden/make_random_layers.py

Layers of Keras 3.8 and later are in augment/new_layers.txt ("new" behind the script makes that file alone). Where chance has a few ways only, all of them are there;
where it has many, mean and deviation of every value over many draws.

A record is three lines: Keras' major version, class, height, width, channels, output height and width, and the arguments;
the input; the output.
"""

import os
import pathlib
import sys

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


COPIES, DRAWS = 24, 8192


def ways(out, picture, name, **arguments):
    """All that the layer makes of the picture, called again and again."""
    layer = getattr(keras.layers, name)(**arguments)
    results = [np.asarray(layer(picture[None], training=True))[0] for _ in range(COPIES)]
    met = []
    for result in results:
        if not any(np.allclose(result, other, atol=1e-3) for other in met):
            met.append(result)
    write(out, name, picture, len(met), met, arguments)


def statistics(out, picture, name, draws=DRAWS, **arguments):
    layer = getattr(keras.layers, name)(**arguments)
    results = np.asarray(layer(np.repeat(picture[None], draws, axis=0), training=True), "float64")
    write(out, name, picture, -draws, [results.mean(axis=0), results.std(axis=0)], arguments)


def write(out, name, picture, count, arrays, arguments):
    config = "{" + ", ".join(f"'{k}': {v!r}" for k, v in arguments.items()) + "}"
    config = config.replace("(", "[").replace(")", "]")
    out.write(" ".join(map(str, (3, name, *picture.shape, count, config))) + "\n")
    out.write("".join(numbers(array) + "\n" for array in (picture, *arrays)))


def make_new(out, pictures):
    for picture in pictures:
        unit = (picture / 255).astype("float32")
        for mode in MODES:
            ways(out, picture, "RandomShear", x_factor=(0.23, 0.23), y_factor=(0.11, 0.11), fill_mode=mode, fill_value=7.5)
        ways(out, picture, "RandomHue", factor=(0.4, 0.4))
        ways(out, unit, "RandomHue", factor=(0.7, 0.7), value_range=(0.0, 1.0))
        ways(out, picture, "RandomSaturation", factor=(0.3, 0.3))
        ways(out, unit, "RandomSaturation", factor=(0.8, 0.8), value_range=(0.0, 1.0))
        ways(out, picture, "RandomColorDegeneration", factor=(0.4, 0.4))
        ways(out, picture, "RandomGrayscale", factor=0.5)
        ways(out, picture, "RandomInvert", factor=(0.5, 0.5))
        for bits in (1, 3, 8):
            ways(out, picture, "RandomPosterization", factor=(bits, bits))
        ways(out, unit, "RandomPosterization", factor=(2, 5), value_range=(0.0, 1.0))
        ways(out, picture, "RandomSharpness", factor=(0.2, 0.2))
        ways(out, picture, "RandomSharpness", factor=(0.9, 0.9))
        ways(out, picture, "Solarization")
        ways(out, picture, "RandomErasing", scale=(1.0, 1.0), fill_value=(3.0, 300.0, -5.0), factor=(0.5, 0.5))
        ways(out, picture, "RandomGaussianBlur", factor=(1.0, 1.0), kernel_size=(3, 3), sigma=(0.8, 0.8))
        ways(out, picture, "RandomGaussianBlur", factor=(1.0, 1.0), kernel_size=(5, 3), sigma=(0.6, 0.6))
        ways(out, picture, "Equalization")
        ways(out, unit, "Equalization", value_range=(0.0, 1.0), bins=16)
        ways(out, picture, "AutoContrast")
        ways(out, unit, "AutoContrast", value_range=(0.0, 1.0))
        ways(out, picture, "RandomColorJitter", brightness_factor=(0.1, 0.1), saturation_factor=(0.3, 0.3), hue_factor=(0.2, 0.2))
    ways(out, np.full((3, 4, 3), 20, "float32"), "AutoContrast")
    ways(out, np.full((3, 4, 3), 20, "float32"), "Equalization")
    picture = pictures[0]
    statistics(out, picture, "RandomShear", x_factor=0.4, y_factor=0.2)
    statistics(out, picture, "RandomHue", factor=0.6)
    statistics(out, picture, "RandomSaturation", factor=0.6)
    statistics(out, picture, "RandomColorDegeneration", factor=0.8)
    statistics(out, picture, "RandomInvert", factor=0.7)
    statistics(out, picture, "RandomPosterization", factor=6)
    statistics(out, picture, "RandomSharpness", factor=0.8)
    statistics(out, picture, "Solarization", addition_factor=0.3, threshold_factor=(0.1, 0.7))
    statistics(out, picture, "RandomErasing", fill_value=9.0)
    statistics(out, picture, "RandomErasing", scale=(0.3, 0.6), factor=(0.8, 0.8))
    statistics(out, picture, "RandomGaussianBlur", factor=0.6, sigma=(0.7, 0.7))
    statistics(out, picture, "RandomPerspective", scale=0.6)
    statistics(out, picture, "RandomPerspective", factor=(1.0, 1.0), scale=0.9, interpolation="nearest", fill_value=50.0)
    statistics(out, picture, "RandomElasticTransform", draws=1024, factor=(1.0, 1.0), scale=(0.9, 0.9))
    statistics(out, picture, "RandomColorJitter", brightness_factor=0.2, contrast_factor=0.4, saturation_factor=0.5, hue_factor=0.3)


def make_first():
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


def main():
    if sys.argv[1:] != ["new"]:
        make_first()
    rng = np.random.default_rng(5)
    with open(HERE / "augment" / "new_layers.txt", "w") as out:
        make_new(out, [rng.uniform(0, 255, (6, 7, 3)).astype("float32"), rng.uniform(0, 255, (9, 5, 3)).astype("float32")])


if __name__ == "__main__":
    main()
