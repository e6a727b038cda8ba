# SPDX-License-Identifier: Apache-2.0
"""What the tests of the Python package share: the package of the checkout, and pictures that can be learned."""

import pathlib
import sys

import numpy as np
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "python"))


def stripes(samples, seed=1, side=12, classes=4):
    """8-bit pictures: a bright stripe, whose place is the class, in noise."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, samples)
    images = rng.integers(0, 90, (samples, side, side, 1)).astype("uint8")
    height = side // classes
    for image, label in zip(images, labels):
        image[label * height : (label + 1) * height] += 120
    return images, labels


@pytest.fixture(scope="session")
def data():
    return stripes(400)


@pytest.fixture(scope="session")
def trained(data):
    import hone

    x, y = data
    return hone.train("mlp", x, y, epochs=4, validation_split=0.2, class_names=["a", "b", "c", "d"], seed=3, threads=2)
