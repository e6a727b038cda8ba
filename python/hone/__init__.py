# SPDX-License-Identifier: Apache-2.0
"""hone from Python: image classifiers loaded, asked and trained on NumPy arrays, by the C library.

    import hone

    model = hone.train("mnist-cnn", x, y, epochs=3, validation_split=0.1)   # uint8 pictures, whole-number labels
    model.save("mnist.h5")                                                  # Keras reads it
    model = hone.load("mnist.h5")
    model.predict(x[:5])         # classes
    model.predict_proba(x[:5])   # probabilities
"""

from . import _library
from .errors import HoneArgumentError, HoneError, HoneFileError, HoneFormatError, HoneMemoryError, HoneNumericError
from .model import Model, from_json, load, preset, presets, set_sandbox, train

__version__ = _library.library.hone_version().decode()

__all__ = [
    "HoneArgumentError",
    "HoneError",
    "HoneFileError",
    "HoneFormatError",
    "HoneMemoryError",
    "HoneNumericError",
    "Model",
    "from_json",
    "load",
    "preset",
    "presets",
    "set_sandbox",
    "train",
]
