# SPDX-License-Identifier: Apache-2.0
"""The package as its users meet it: arrays in and out, training, files, errors."""

import _thread
import copy as copies
import gc
import os
import pathlib
import pickle
import subprocess
import sys
import threading

import hone
import numpy as np
import pytest
from conftest import ROOT, stripes

GOLDEN = ROOT / "tests" / "golden"


# ---- predicting -----------------------------------------------------------------------------------------------------


def test_predicts_pictures_and_inputs(trained, data):
    x, y = data
    p = trained.predict_proba(x)
    assert p.shape == (400, 4) and p.dtype == np.float32
    assert np.allclose(p.sum(axis=1), 1, atol=1e-5)
    assert (trained.predict(x) == y).mean() > 0.95
    assert trained.input == "unit"
    assert np.allclose(trained.predict_proba(x.astype("float32") / 255), p, atol=1e-5)
    assert np.array_equal(trained.predict_proba(x[..., 0]), p)  # the channel of grey pictures may be left out
    assert np.array_equal(trained.predict_proba(x[::-1]), p[::-1])  # an array that is not contiguous
    assert trained.predict_proba(x[:0]).shape == (0, 4)
    assert np.array_equal(trained.predict(x), p.argmax(axis=1))


def test_says_what_it_is(trained):
    assert trained.input_shape == (12, 12, 1) and trained.output_shape == (4,)
    assert trained.class_names == ["a", "b", "c", "d"]
    assert trained.count_params == sum(w.size for w in trained.weights.values())
    assert f"{trained.count_params:,} parameters" in trained.summary()
    assert "12 x 12 x 1 -> 4" in repr(trained)


def test_every_type_and_layout(trained, data):
    """Pictures are uint8 and nothing else, inputs any floating point; where the numbers lie does not matter."""
    x = np.ascontiguousarray(data[0][:9])
    pixels, inputs = trained.predict_proba(x), trained.predict_proba(x.astype("float32") / 255)
    frozen = x.copy()
    frozen.setflags(write=False)
    wide = np.zeros((9, 12, 24, 1), "uint8")
    wide[:, :, ::2] = x
    for same in (np.asfortranarray(x), frozen, wide[:, :, ::2], x[::-1][::-1], memoryview(x), list(x), x[..., 0]):
        assert np.array_equal(trained.predict_proba(same), pixels)
    for kind in ("float32", "float64", ">f4", ">f8", "longdouble"):
        assert np.allclose(trained.predict_proba((x / np.float64(255)).astype(kind)), inputs, atol=1e-5)
    assert np.allclose(trained.predict_proba((x / 255).astype("float16")), inputs, atol=1e-2)
    for kind in ("bool", "int8", "uint16", ">u2", "int64", "complex64", "object", "S1"):
        with pytest.raises(hone.HoneArgumentError, match="pictures are uint8"):
            trained.predict(x.astype(kind))
    for nothing in (None, "picture.png", [], {}):
        with pytest.raises(hone.HoneArgumentError):
            trained.predict(nothing)


def test_labels_of_every_type(data):
    x, y = data
    losses = set()
    for kind in ("int8", "uint8", "int64", "uint64", ">i4", "float32", "float64", "object"):
        losses.add(hone.train("mlp", x, y.astype(kind), seed=1).history["loss"][0])
    losses.add(hone.train("mlp", x, y[:, None].tolist(), seed=1).history["loss"][0])
    assert len(losses) == 1
    model = hone.preset("mlp", (12, 12, 1), 4)
    for words, wrong in {
        "-1, which is none of the classes": y - 1,
        "which is none of the classes": y.astype("int64") + 2**40,
        "nan, which is none": np.full(400, np.nan),
        "np.unique": np.array(["cat"] * 400),
        "None, which is none": np.array([None] * 400),
    }.items():
        with pytest.raises(hone.HoneArgumentError, match=words):
            model.fit(x, wrong)


def test_models_are_pickled_and_copied(trained, data):
    x, _ = data
    for copy in (pickle.loads(pickle.dumps(trained)), copies.deepcopy(trained)):
        assert np.array_equal(copy.predict_proba(x), trained.predict_proba(x))
        assert copy.class_names == trained.class_names and copy.history == trained.history
        next(iter(copy.weights.values()))[...] = 0
        assert not np.array_equal(copy.predict_proba(x), trained.predict_proba(x))


def test_weights_are_views(trained, data):
    x, _ = data
    model = hone.preset("mlp", (12, 12, 1), 4, seed=5)
    before = model.predict_proba(x)
    for name, weight in model.weights.items():
        weight[...] = trained.weights[name]
    assert np.array_equal(model.predict_proba(x), trained.predict_proba(x))
    assert not np.array_equal(model.predict_proba(x), before)
    kept = next(iter(model.weights.values()))
    total = float(kept.sum())
    del model
    gc.collect()
    assert float(kept.sum()) == total  # the array keeps the model's memory


def test_wrong_arrays_are_said(trained):
    with pytest.raises(hone.HoneArgumentError, match=r"shape \(3, 28, 28, 1\), the model takes \(n, 12, 12, 1\)"):
        trained.predict(np.zeros((3, 28, 28, 1), "uint8"))
    with pytest.raises(hone.HoneArgumentError, match=r"x\[None\]"):
        trained.predict(np.zeros((12, 12, 1), "uint8"))
    with pytest.raises(ValueError, match="pictures are uint8"):
        trained.predict(np.zeros((3, 12, 12, 1), "int64"))


def test_threads_of_python_may_share_a_model(trained, data):
    x, _ = data
    expected, found = trained.predict_proba(x), []

    def ask():
        for _ in range(5):
            found.append(np.array_equal(trained.predict_proba(x), expected))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [True] * 20


# ---- training -------------------------------------------------------------------------------------------------------


def test_training_tells_every_epoch(data):
    x, y = data
    told = []
    model = hone.train("mlp", x, y, epochs=3, validation_split=0.25, callbacks=lambda e, logs: told.append((e, logs)))
    assert [epoch for epoch, _ in told] == [0, 1, 2]
    assert set(told[0][1]) >= {"loss", "accuracy", "val_loss", "val_accuracy"}
    assert model.history["val_loss"] == [logs["val_loss"] for _, logs in told]
    assert model.history["loss"][-1] < model.history["loss"][0]


def test_pixels_and_inputs_train_the_same(data):
    x, y = data
    a = hone.train("mlp", x, y, epochs=2, seed=4)
    b = hone.train("mlp", x.astype("float32") / 255, y.astype("float64"), epochs=2, seed=4)
    assert np.allclose(a.history["loss"], b.history["loss"], rtol=1e-4)
    again = hone.train("mlp", x, y, epochs=2, seed=4, threads=3)
    for name, weight in a.weights.items():
        assert np.array_equal(weight, again.weights[name])  # the same bits for any number of threads


def test_what_validates_where_samples_lie_by_class():
    """As in the program: of each class where they lie class by class, else the last, unless somebody says."""
    x, y = np.zeros((40, 8, 8, 1), np.uint8), np.repeat([0, 1], 20)
    x[20:] = 200
    options = dict(epochs=6, learning_rate=0.01, metrics=["accuracy"], batch_size=8)
    history = hone.train("mlp", x, y, validation_split=0.25, **options).history
    stratified = hone.train("mlp", x, y, validation="stratified:0.25", **options).history
    last = hone.train("mlp", x, y, validation="last:0.25", **options).history
    assert history["val_loss"] == stratified["val_loss"] != last["val_loss"]
    mixed = np.arange(40) % 2
    history = hone.train("mlp", x, mixed, validation_split=0.25, **options).history
    last = hone.train("mlp", x, mixed, validation="last:0.25", **options).history
    assert history["val_loss"] == last["val_loss"]


def test_validation_data_and_options(data):
    x, y = data
    more_x, more_y = stripes(50, seed=9)
    model = hone.preset("mlp", (12, 12, 1), 4)
    history = model.fit(
        x,
        y,
        epochs=20,
        batch_size=64,
        validation_data=(more_x, more_y),
        optimizer="sgd",
        learning_rate=np.float32(0.05),
        class_weight={1: 2.0},
        augment="shift=0.1",
        early_stopping={"patience": 1, "min_delta": 10},
        metrics=["accuracy", "auc"],
    )
    assert len(history["val_auc"]) == 2
    result = model.evaluate(more_x, more_y)
    assert result["samples"] == 50 and abs(result["loss"] - history["val_loss"][-1]) < 1e-5
    assert result["accuracy_low"] <= result["accuracy"] <= result["accuracy_high"]


def test_a_callback_may_stop_it(data):
    x, y = data
    model = hone.train("mlp", x, y, epochs=50, callbacks=lambda epoch, logs: epoch == 1)
    assert len(model.history["loss"]) == 2


def test_a_callback_may_ask_the_model(data):
    x, y = data
    model, seen = hone.preset("mlp", (12, 12, 1), 4), []
    model.fit(x, y, epochs=2, callbacks=[lambda epoch, logs: seen.append(model.predict_proba(x[:3]))])
    assert not np.array_equal(seen[0], seen[1])
    assert np.array_equal(seen[1], model.predict_proba(x[:3]))


def test_what_a_callback_raises_arrives(data):
    x, y = data

    def fail(epoch, logs):
        raise RuntimeError("no more")

    model = hone.preset("mlp", (12, 12, 1), 4)
    with pytest.raises(RuntimeError, match="no more"):
        model.fit(x, y, epochs=50, callbacks=fail)
    assert len(model.history["loss"]) == 1
    model.fit(x, y)  # it can be used as before


def test_other_threads_run_while_it_trains(data, trained):
    """The interpreter's lock is free: Python goes on, and another model is asked, also trained, meanwhile."""
    x, y = data
    model, done, counted = hone.preset("mlp", (12, 12, 1), 4), threading.Event(), [0]

    def train():
        model.fit(np.repeat(x, 40, axis=0), np.repeat(y, 40), epochs=5)
        done.set()

    thread = threading.Thread(target=train)
    thread.start()
    while not done.is_set():
        counted[0] += 1
        trained.predict(x[:1])
        hone.train("mlp", x[:32], y[:32])
    thread.join()
    assert counted[0] > 2 and len(model.history["loss"]) == 5


def test_interrupt_stops_within_an_epoch(data):
    x, y = data
    model = hone.preset("mlp", (12, 12, 1), 4)
    timer = threading.Timer(0.5, _thread.interrupt_main)
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        model.fit(np.repeat(x, 100, axis=0), np.repeat(y, 100), epochs=100000)
    timer.join()
    assert model.predict(x).shape == (400,)


def test_wrong_trainings_are_said(data):
    x, y = data
    model = hone.preset("mlp", (12, 12, 1), 4)
    for words, arguments in {
        "label 7": dict(y=np.full(400, 7)),
        "one-hot": dict(y=np.eye(4)[y]),
        r"shape \(3,\) for 400": dict(y=y[:3]),
        "no option 'epoch'": dict(epoch=3),
        "'epochs' is no whole number": dict(epochs=0),
        "'adm'": dict(optimizer="adm"),
        "only one of them": dict(validation_split=0.1, validation_samples=3),
        r"\.5, which is none": dict(y=y + 0.5),
        "option is of": dict(optimizer=object()),
    }.items():
        with pytest.raises(hone.HoneError, match=words):
            model.fit(x, **{"y": y, **arguments})
    with pytest.raises(hone.HoneNumericError, match="epoch 1"):
        model.fit(np.full(x.shape, np.nan, "float32"), y)


# ---- files ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["m.h5", "m.keras"])
def test_models_come_back(trained, data, tmp_path, name):
    x, _ = data
    trained.save(tmp_path / name)
    back = hone.load(tmp_path / name)
    assert np.array_equal(back.predict_proba(x), trained.predict_proba(x))
    assert back.class_names == trained.class_names and back.input == "unit"


@pytest.mark.parametrize("name", ["m.npz", "m.safetensors", "m.weights.h5"])
def test_weights_come_back(trained, data, tmp_path, name):
    x, _ = data
    trained.save(str(tmp_path / name))
    back = hone.preset("mlp", (12, 12, 1), 4)
    back.predict(x[:1])
    back.load_weights(tmp_path / name)
    assert np.array_equal(back.predict_proba(x), trained.predict_proba(x))


def test_architectures_come_back(trained, tmp_path):
    trained.save(tmp_path / "m.json")
    assert hone.from_json((tmp_path / "m.json").read_text()).count_params == trained.count_params


def test_files_of_keras(tmp_path):
    model = hone.load(GOLDEN / "versions" / "keras-3.15.1" / "graph.keras")
    assert model.predict_proba(np.zeros((2, *model.input_shape), "float32")).shape == (2, *model.output_shape)


def test_wrong_files_are_said(tmp_path):
    (tmp_path / "bad.h5").write_bytes(b"nothing")
    with pytest.raises(hone.HoneFormatError, match="bad.h5.*is no model file"):
        hone.load(tmp_path / "bad.h5")
    with pytest.raises(OSError, match="missing.h5"):
        hone.load(tmp_path / "missing.h5")
    with pytest.raises(hone.HoneError, match="hint: hone.preset"):
        hone.load("mnist-cnn")
    with pytest.raises(hone.HoneFileError):
        hone.preset("mlp").save(tmp_path / "no" / "folder.h5")
    with pytest.raises(hone.HoneArgumentError, match="by_name=True"):
        hone.preset("mlp").load_weights(GOLDEN / "versions" / "keras-3.15.1" / "chain.h5")
    with pytest.raises(hone.HoneError, match="nope"):
        hone.train("nope", np.zeros((1, 2, 2, 1), "uint8"), np.zeros(1, int))


def test_freezing(data):
    x, y = data
    model = hone.preset("mlp", (12, 12, 1), 4)
    first = next(layer["name"] for layer in model.layers if layer["parameters"] > 0)
    model.set_trainable(first, False)
    before = {name: weight.copy() for name, weight in model.weights.items()}
    model.fit(x, y)
    changed = {name for name, weight in model.weights.items() if not np.array_equal(weight, before[name])}
    assert changed and not any(name.startswith(first + "/") for name in changed)
    with pytest.raises(hone.HoneError, match="there are"):
        model.set_trainable("nope", True)


def test_wrong_words_are_said(data):
    x, y = data
    model = hone.preset("mlp", (12, 12, 1), 4)
    with pytest.raises(hone.HoneArgumentError, match="callbacks are functions"):
        model.fit(x, y, callbacks=[3])
    for wrong in (x, (x, y, y), (x,)):
        with pytest.raises(hone.HoneArgumentError, match=r"validation_data is \(x, y\)"):
            model.fit(x, y, validation_data=wrong)
    with pytest.raises(hone.HoneArgumentError, match="1 names for 4 classes"):
        model.class_names = ["a"]


# ---- the package ----------------------------------------------------------------------------------------------------


def python(code, **environment):
    folder = pathlib.Path(hone.__file__).parents[1]
    env = {**os.environ, "PYTHONPATH": str(folder), **environment}
    return subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)


def test_a_missing_library_is_said():
    done = python("import hone", HONE_LIBRARY="/nowhere/libhone.so")
    assert done.returncode != 0 and "HONE_LIBRARY" in done.stderr and "/nowhere/libhone.so" in done.stderr


def test_forked_processes_predict():
    code = (
        "import hone, numpy as np, os, sys\n"
        "m = hone.preset('mlp', threads=2); x = np.zeros((9, 28, 28, 1), 'uint8'); p = m.predict_proba(x)\n"
        "child = os.fork()\n"
        "same = np.array_equal(m.predict_proba(x), p)\n"
        "if child == 0: os._exit(0 if same else 1)\n"
        "sys.exit(0 if same and os.waitpid(child, 0)[1] == 0 else 1)\n"
    )
    done = python(code)
    assert done.returncode == 0, done.stderr


def test_types_are_true():
    """The package says that it is typed (py.typed): mypy agrees."""
    api = pytest.importorskip("mypy.api")
    text, words, status = api.run(["--strict", "--no-incremental", str(pathlib.Path(hone.__file__).parent)])
    assert status == 0, text + words


def test_constants_are_the_libraries():
    """The numbers of status.h, which _library.py repeats because they are part of the ABI."""
    import re

    from hone import _library

    text = (ROOT / "include" / "hone" / "status.h").read_text()
    numbers = {int(n): name for name, n in re.findall(r"X\((\w+), (\d+), ", text)}
    assert _library.STATUS == tuple(numbers[i] for i in range(len(numbers)))
