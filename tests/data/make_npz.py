#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the small archives of tests/data/npz with NumPy. Run by hand when a case is added; the results are committed.
Image i, row y, column x is 50 i + 10 y + x modulo 256."""
import pathlib

import numpy as np

HERE = pathlib.Path(__file__).parent / "npz"
i, y, x = np.mgrid[0:5, 0:3, 0:4]
X = ((50 * i + 10 * y + x) % 256).astype(np.uint8)
Y = np.array([3, 1, 4, 1, 0])


def main():
    HERE.mkdir(exist_ok=True)
    train = {"x_train": X, "y_train": Y.astype(np.uint8)}
    test = {"x_test": X[3:], "y_test": np.array([5, 0], np.uint8)}
    np.savez(HERE / "stored.npz", **train, **test)
    np.savez_compressed(HERE / "deflated.npz", **train, **test)
    for name, kind in (("i8", "<i8"), ("i4_big", ">i4"), ("u2", "<u2"), ("i1", "i1"), ("u8_big", ">u8")):
        np.savez(HERE / f"labels_{name}.npz", x_train=X, y_train=Y.astype(kind))
    np.savez(HERE / "labels_column.npz", x_train=np.stack([X, X, 255 - X], axis=-1), y_train=Y.reshape(-1, 1))
    np.savez(HERE / "fortran.npz", x_train=np.asfortranarray(X), y_train=Y)
    np.savez(HERE / "floats.npz", x_train=X / 255.0, y_train=Y)
    np.savez(HERE / "float_labels.npz", x_train=X, y_train=Y.astype(np.float32))
    np.savez(HERE / "negative.npz", x_train=X, y_train=np.array([0, 1, -1, 1, 0]))
    np.savez(HERE / "unequal.npz", x_train=X, y_train=Y[:4])
    np.savez(HERE / "flat.npz", x_train=X.reshape(5, 12), y_train=Y)
    np.savez(HERE / "unlabelled.npz", x_test=X)
    np.savez(HERE / "other.npz", a=X, b=Y)


if __name__ == "__main__":
    main()
