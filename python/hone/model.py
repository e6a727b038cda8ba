# SPDX-License-Identifier: Apache-2.0
"""Models on NumPy arrays."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import tempfile
import threading
import weakref
from ctypes import POINTER, byref, c_float, c_int32, c_ubyte, c_void_p
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple, Union, cast

import numpy as np

from ._library import CANCELLED, Progress, call, library, raise_error, take_text
from .errors import HoneArgumentError, HoneError

Path = Union[str, "os.PathLike[str]"]
Array = Any  # whatever numpy.asarray takes; results are numpy.ndarray
Logs = Dict[str, float]
Callback = Callable[[int, Logs], Optional[bool]]

# Samples of one call into the library while predicting: between two of them Ctrl-C is heard.
CHUNK = 1024
MOST_IN_A_BATCH = 64
MOST_CLASS = 2**31 - 1


def _pointer(array: Optional[np.ndarray], kind: Any) -> Any:
    return None if array is None else array.ctypes.data_as(POINTER(kind))


@contextlib.contextmanager
def _kept_interrupt(raised: List[BaseException]) -> Iterator[None]:
    """Ctrl-C while the library runs: what the handler raises is kept, since nothing may be raised through C."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGINT)
    if not callable(before):  # ignored, or none of Python's
        yield
        return

    def keep(number: int, frame: Any) -> None:
        try:
            before(number, frame)
        except BaseException as error:
            raised.append(error)

    signal.signal(signal.SIGINT, keep)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


class _Weight:
    """The model's own memory as an array, which keeps the model alive."""

    def __init__(self, model: "Model", address: int, shape: Tuple[int, ...]):
        self.model = model
        self.__array_interface__ = {"shape": shape, "typestr": "<f4", "data": (address, False), "version": 3}


class _Handles:
    """What is freed when a model goes: a plan stands on the threads and on the model, so it goes first."""

    def __init__(self, model: c_void_p):
        self.model = model
        self.plan = c_void_p()
        self.threads = c_void_p()
        self.pid = os.getpid()

    def drop_plan(self) -> None:
        if self.pid == os.getpid():
            library.hone_plan_free(self.plan)
        self.plan = c_void_p()

    def free(self) -> None:
        if self.pid != os.getpid():
            return  # a fork's copy: the threads are not here to be joined
        library.hone_plan_free(self.plan)
        library.hone_threads_free(self.threads)
        library.hone_model_free(self.model)


class Model:
    """A network with its weights. Made by :func:`load`, :func:`preset`, :func:`from_json` or :func:`train`.

    Calls on one model from several threads wait for each other; different models run side by side.
    """

    def __init__(self, handle: c_void_p, threads: int = 0):
        self._handles = _Handles(handle)
        self._thread_count = threads
        self._lock = threading.RLock()
        self._stale = False
        self._options: Optional[Dict[str, Any]] = None
        self.history: Dict[str, List[float]] = {}
        weakref.finalize(self, self._handles.free)
        self._shapes = self._describe()  # which never change

    # ---- looking ----------------------------------------------------------------------------------------------------

    def _describe(self) -> Dict[str, Any]:
        text = c_void_p()
        with self._lock:
            call("hone_bind_describe", self._handles.model, byref(text))
        return cast(Dict[str, Any], json.loads(take_text(text)))

    @property
    def name(self) -> str:
        return str(self._shapes["name"])

    @property
    def input_shape(self) -> Tuple[int, ...]:
        """Of one sample: (height, width, channels)."""
        return tuple(self._shapes["input_shape"])

    @property
    def output_shape(self) -> Tuple[int, ...]:
        """Of one sample."""
        return tuple(self._shapes["output_shape"])

    @property
    def class_names(self) -> List[str]:
        """In the order of the outputs; [] where the model does not know them. May be set."""
        return list(self._describe()["class_names"])

    @class_names.setter
    def class_names(self, names: Sequence[str]) -> None:
        count = max(2, int(self._shapes["output_size"]))  # one sigmoid tells two
        if len(names) not in (0, count):
            raise HoneArgumentError(f"there are {len(names)} names for {count} classes", "ARGUMENT")
        with self._lock:
            call("hone_bind_set_class_names", self._handles.model, json.dumps([str(n) for n in names]).encode())

    @property
    def input(self) -> str:
        """How uint8 pixels become the network's input: "unit" (0 … 1), "raw" (0 … 255), "signed" (-1 … 1), or
        "MEAN,STD". May be set."""
        return str(self._describe()["preprocessing"])

    @input.setter
    def input(self, text: str) -> None:
        with self._lock:
            call("hone_bind_set_input", self._handles.model, text.encode())
            self._handles.drop_plan()

    @property
    def layers(self) -> List[Dict[str, Any]]:
        """{"name", "class_name", "output_shape", "parameters", "trainable"} of each."""
        return cast(List[Dict[str, Any]], self._describe()["layers"])

    @property
    def count_params(self) -> int:
        return int(self._shapes["parameters"])

    @property
    def weights(self) -> Dict[str, np.ndarray]:
        """"LAYER/WEIGHT": the array. These are the model's own numbers, not copies: writing into them changes it."""
        found = {}
        with self._lock:
            self._stale = True
            for index, weight in enumerate(self._describe()["weights"]):
                address = ctypes.cast(library.hone_bind_weight(self._handles.model, index), c_void_p).value or 0
                view = np.asarray(_Weight(self, address, tuple(weight["shape"])))
                found[f"{weight['layer']}/{weight['name']}"] = view
        return found

    def summary(self) -> str:
        """A table of the layers, as text."""
        about = self._describe()
        rows = [("layer", "class", "output", "parameters")]
        for layer in about["layers"]:
            shape = "x".join(str(n) for n in layer["output_shape"]) or "-"
            frozen = "" if layer["trainable"] or layer["parameters"] == 0 else " (frozen)"
            rows.append((layer["name"], layer["class_name"], shape, f"{layer['parameters']:,}{frozen}"))
        widths = [max(len(row[i]) for row in rows) for i in range(4)]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]
        trainable = about["trainable_parameters"]
        lines.append(f"{about['parameters']:,} parameters, {trainable:,} of them trainable")
        return "\n".join([about["name"]] + lines)

    def __repr__(self) -> str:
        about = self._describe()
        shapes = (" x ".join(str(n) for n in about[key]) for key in ("input_shape", "output_shape"))
        return f"<hone.Model '{about['name']}': {' -> '.join(shapes)}, {about['parameters']:,} parameters>"

    # ---- arrays -----------------------------------------------------------------------------------------------------

    def _inputs(self, x: Any, about: Mapping[str, Any]) -> Tuple[Optional[np.ndarray], Optional[np.ndarray]]:
        """x as pixels or as inputs; copied only where its type or layout asks for it."""
        x = np.asarray(x)
        shape = tuple(about["input_shape"]) if about["input_count"] == 1 else (about["input_size"],)
        is_pixels = x.dtype == np.uint8 and len(shape) in (2, 3) and about["input_count"] == 1
        if not is_pixels and not np.issubdtype(x.dtype, np.floating):
            raise HoneArgumentError(
                f"x is of {x.dtype}: pictures are uint8 (0 … 255), what the network itself takes is float32",
                "ARGUMENT",
                "x.astype('uint8') for pictures, x.astype('float32') for inputs",
            )
        fits = x.shape[1:] == shape or (len(shape) == 3 and shape[2] == 1 and x.shape[1:] == shape[:2])
        fits = fits or (len(shape) == 2 and x.shape[1:] == (*shape, 1))
        if x.ndim == 0 or not fits:
            alone = x.shape == shape
            raise HoneArgumentError(
                f"x has the shape {x.shape}, the model takes {('n', *shape)}".replace("'n'", "n"),
                "SHAPE",
                "one picture is x[None]" if alone else None,
            )
        x = np.ascontiguousarray(x, np.uint8 if is_pixels else np.float32)
        return (x, None) if is_pixels else (None, x)

    @staticmethod
    def _labels(y: Any, samples: int) -> np.ndarray:
        y = np.asarray(y)
        if y.ndim == 2 and y.shape[1] == 1:
            y = y[:, 0]
        elif y.ndim == 2:
            raise HoneArgumentError("y is one-hot", "ARGUMENT", "y.argmax(axis=1) are the classes that hone takes")
        if y.shape != (samples,):
            raise HoneArgumentError(f"y has the shape {y.shape} for {samples} samples", "SHAPE")
        try:
            numbers = y.astype(np.float64) if y.dtype.kind in "fO" else y
        except (TypeError, ValueError):
            numbers = y.astype(str)
        if numbers.dtype.kind not in "biuf":
            raise HoneArgumentError(
                f"y holds {y[0]!r}: classes are whole numbers",
                "ARGUMENT",
                "names, y = np.unique(y, return_inverse=True) makes numbers of names; class_names=names keeps them",
            )
        wrong = (numbers < 0) | (numbers > MOST_CLASS)
        if numbers.dtype.kind == "f":
            wrong |= ~np.isfinite(numbers) | (np.floor(numbers) != numbers)
        if wrong.any():
            raise HoneArgumentError(f"y holds {y[wrong][0]}, which is none of the classes 0, 1, 2, …", "ARGUMENT")
        return np.ascontiguousarray(numbers, np.int32)

    def _plan(self, samples: int) -> c_void_p:
        """A plan that sees the weights as they are. Called with the lock held."""
        h = self._handles
        if h.pid != os.getpid():  # forked: a plan's threads stay behind
            h.plan, h.threads, h.pid = c_void_p(), c_void_p(), os.getpid()
        if not h.plan:
            batch = MOST_IN_A_BATCH
            call("hone_bind_plan", byref(h.plan), h.model, batch, self._threads())
        elif self._stale:
            library.hone_plan_refresh(h.plan)
        self._stale = False
        return h.plan

    def _threads(self) -> c_void_p:
        if not self._handles.threads:
            call("hone_bind_threads", byref(self._handles.threads), self._thread_count)
        return self._handles.threads

    # ---- asking -----------------------------------------------------------------------------------------------------

    def predict_proba(self, x: Any) -> np.ndarray:
        """The network's outputs, float32 of (n, classes): probabilities where it ends with softmax or sigmoid.

        x: uint8 pictures (n, height, width, channels), which are scaled as the model says (:attr:`input`), or float32 of
        the same shape, which the network takes as it is.
        """
        about = self._shapes
        pixels, inputs = self._inputs(x, about)
        samples = len(x)
        shape = about["output_shape"] if about["output_count"] == 1 else [about["output_size"]]
        out = np.empty((samples, *shape), np.float32)
        with self._lock:
            plan = self._plan(samples)
            for first in range(0, samples, CHUNK):
                n, to = min(CHUNK, samples - first), _pointer(out[first:], c_float)
                if pixels is not None:
                    library.hone_plan_predict_pixels(plan, _pointer(pixels[first:], c_ubyte), n, to)
                elif inputs is not None:
                    library.hone_plan_predict(plan, _pointer(inputs[first:], c_float), n, to)
        return out

    def predict(self, x: Any) -> np.ndarray:
        """The class of each sample, as whole numbers; ``model.class_names[i]`` is its name."""
        y = self.predict_proba(x)
        y = y.reshape(len(y), -1)
        return (y[:, 0] > 0.5).astype(np.int64) if y.shape[1] == 1 else y.argmax(axis=1)

    def evaluate(self, x: Any, y: Any, loss: Optional[str] = None, metrics: Optional[Sequence[str]] = None) -> Logs:
        """{"loss", "accuracy", …} on x and the classes y, with the accuracy's 95 % interval ("accuracy_low", …).

        loss: as in :func:`train`; what the model was trained with, or sparse_categorical_crossentropy.
        """
        pixels, inputs = self._inputs(x, self._shapes)
        labels = self._labels(y, len(x))
        options = {k: v for k, v in (self._options or {}).items() if k in ("loss", "metrics")}
        options.update({k: v for k, v in (("loss", loss), ("metrics", metrics)) if v is not None})
        result = c_void_p()
        with self._lock:
            call(
                "hone_bind_evaluate",
                self._handles.model,
                _pointer(pixels, c_ubyte),
                _pointer(inputs, c_float),
                _pointer(labels, c_int32),
                len(labels),
                json.dumps(options).encode(),
                self._threads(),
                byref(result),
            )
        return cast(Logs, json.loads(take_text(result)))

    # ---- training ---------------------------------------------------------------------------------------------------

    def fit(
        self,
        x: Any,
        y: Any,
        epochs: int = 1,
        batch_size: int = 32,
        validation_split: float = 0.0,
        validation_data: Optional[Tuple[Any, Any]] = None,
        callbacks: Union[Callback, Sequence[Callback], None] = None,
        **options: Any,
    ) -> Dict[str, List[float]]:
        """Trains the model in place and returns the history, {"loss": […], "accuracy": […], "val_loss": […], …}.

        x as in :meth:`predict_proba`, y the classes as whole numbers. validation_split: that part of x
        validates: of each class where the samples lie class by class, else the last, as in Keras. callbacks: called as f(epoch, logs) after each epoch, epoch from 0; one that returns True ends the
        training; an exception ends it and is raised here, as Ctrl-C is. The weights are then those of the last step.

        Further options: validation ("stratified:F": F of each class; "last:F": the last, whatever their order), and, in
        Keras' words: optimizer (a name, or Keras' config of one), learning_rate, loss, metrics,
        schedule, seed, shuffle, class_weight (a list or {class: weight}), augment (as ``hone train --augment``, of uint8
        pictures), early_stopping ({"monitor", "patience", "min_delta", "restore_best_weights"}).
        """
        about = self._shapes
        options = {**options, "epochs": epochs, "batch_size": batch_size}
        if validation_data is not None:
            x, y, options["validation_samples"] = self._with_validation(x, y, validation_data)
        elif validation_split:
            options["validation_split"] = validation_split
        if isinstance(options.get("class_weight"), Mapping):
            given = options["class_weight"]
            options["class_weight"] = [float(given.get(i, 1.0)) for i in range(max(2, about["output_size"]))]
        pixels, inputs = self._inputs(x, about)
        labels = self._labels(y, len(x))
        told = [callbacks] if callable(callbacks) else list(callbacks or [])
        if not all(callable(one) for one in told):
            raise HoneArgumentError("callbacks are functions f(epoch, logs)", "ARGUMENT")
        return self._fit(pixels, inputs, labels, options, told)

    @staticmethod
    def _with_validation(x: Any, y: Any, data: Any) -> Tuple[np.ndarray, np.ndarray, int]:
        if not isinstance(data, (tuple, list)) or len(data) != 2:
            raise HoneArgumentError("validation_data is (x, y)", "ARGUMENT")
        more_x, more_y = data
        x, more_x = np.asarray(x), np.asarray(more_x)
        if x.dtype != more_x.dtype or x.shape[1:] != more_x.shape[1:]:
            raise HoneArgumentError("validation_data is of another type or shape than x", "SHAPE")
        return np.concatenate([x, more_x]), np.concatenate([np.asarray(y), np.asarray(more_y)]), len(more_x)

    def _fit(
        self,
        pixels: Optional[np.ndarray],
        inputs: Optional[np.ndarray],
        labels: np.ndarray,
        options: Dict[str, Any],
        callbacks: List[Callback],
    ) -> Dict[str, List[float]]:
        raised: List[BaseException] = []

        def tell(_context: Any, epoch: int, step: int, _steps: int, logs: Optional[bytes]) -> int:
            try:  # nothing may leave through C
                self._stale = True
                if raised or step > 0 or logs is None:
                    return len(raised)
                values = json.loads(logs)
                return int(any([f(epoch, dict(values)) is True for f in callbacks]))
            except BaseException as error:
                raised.append(error)
                return 1

        progress = Progress(tell)
        text = json.dumps(options, default=_plain).encode()
        history = c_void_p()
        with self._lock, _kept_interrupt(raised):
            try:
                status = library.hone_bind_fit(
                    self._handles.model,
                    _pointer(pixels, c_ubyte),
                    _pointer(inputs, c_float),
                    _pointer(labels, c_int32),
                    len(labels),
                    text,
                    self._threads(),
                    progress,
                    None,
                    byref(history),
                )
            finally:
                self._stale = True
        if history:
            self.history = json.loads(take_text(history))
            self._options = {k: v for k, v in json.loads(text).items() if k in _COMPILED}
        if raised:
            raise raised[0]
        if status not in (0, CANCELLED):
            raise_error("hone_bind_fit", status)
        return self.history

    # ---- copies -----------------------------------------------------------------------------------------------------

    def __reduce__(self) -> Tuple[Any, ...]:
        """pickle and copy.deepcopy: the model as its file has it, so that another process can be given one."""
        with tempfile.TemporaryDirectory(prefix="hone-") as folder:
            path = os.path.join(folder, "model.h5")
            self.save(path)
            with open(path, "rb") as file:
                return _from_bytes, (file.read(), self._thread_count, self._options, self.history)

    # ---- files ------------------------------------------------------------------------------------------------------

    def save(self, path: Path) -> None:
        """Writes the model, in the format that the name tells: .h5 and .keras (Keras opens both), .weights.h5, .npz,
        .safetensors (weights alone), .json (the architecture)."""
        options = None if self._options is None else json.dumps(self._options).encode()
        with self._lock:
            call("hone_bind_save", self._handles.model, os.fsencode(path), options)

    def load_weights(self, path: Path, by_name: bool = False, skip_mismatch: bool = False) -> None:
        """Weights of any file that has some: .h5, .keras, .weights.h5, .npz, .safetensors."""
        hint = None if by_name else "by_name=True takes what has the same name, skip_mismatch=True what fits"
        with self._lock:
            call("hone_bind_load_weights", self._handles.model, os.fsencode(path), by_name, skip_mismatch, hint=hint)
            self._stale = True

    def set_trainable(self, layer: str, trainable: bool) -> None:
        """Freezes a layer, or thaws it."""
        names = [one["name"] for one in self.layers]
        if layer not in names:
            raise HoneArgumentError(f"there is no layer '{layer}'", "NOT_FOUND", f"there are {', '.join(names)}")
        with self._lock:
            call("hone_bind_set_trainable", self._handles.model, names.index(layer), trainable)


def _from_bytes(data: bytes, threads: int, options: Optional[Dict[str, Any]], history: Dict[str, List[float]]) -> Model:
    with tempfile.TemporaryDirectory(prefix="hone-") as folder:
        path = os.path.join(folder, "model.h5")
        with open(path, "wb") as file:
            file.write(data)
        model = load(path, threads)
    model._options, model.history = options, history
    return model


_COMPILED = ("loss", "optimizer", "learning_rate", "metrics")


def _plain(value: Any) -> Any:
    """NumPy's numbers and arrays as JSON has them."""
    if isinstance(value, (np.generic, np.ndarray)):
        return value.tolist()
    raise HoneArgumentError(f"an option is of {type(value).__name__}, which is no number, text or list", "ARGUMENT")


def load(path: Path, threads: int = 0) -> Model:
    """A model from a file: Keras' .h5 or .keras, or the JSON of an architecture (with fresh weights).

    threads: how many work on it; 0: HONE_THREADS, or as many as there are processors.
    """
    handle = c_void_p()
    hint = "hone.preset(name, input_shape, classes) makes one of hone's own" if str(path) in presets() else None
    if hint and not os.path.exists(path):
        raise HoneArgumentError(f"'{path}' is a preset, not a file", "ARGUMENT", hint)
    call("hone_bind_load", byref(handle), os.fsencode(path))
    return Model(handle, threads)


def presets() -> List[str]:
    """The names of the built-in networks."""
    names: List[str] = []
    while True:
        name = library.hone_preset_name(len(names))
        if name is None:
            return names
        names.append(name.decode())


def preset(name: str, input_shape: Sequence[int] = (28, 28, 1), classes: int = 10, seed: int = 0, threads: int = 0) -> Model:
    """One of hone's own networks, with fresh weights from seed."""
    if len(input_shape) != 3:
        raise HoneArgumentError(f"input_shape is {tuple(input_shape)}, expected (height, width, channels)", "SHAPE")
    handle = c_void_p()
    call("hone_bind_preset", byref(handle), name.encode(), *(int(n) for n in input_shape), int(classes), int(seed))
    return Model(handle, threads)


def from_json(text: str, seed: int = 0, threads: int = 0) -> Model:
    """What Keras' ``model.to_json()`` says, with fresh weights from seed."""
    handle = c_void_p()
    call("hone_bind_from_json", byref(handle), text.encode(), int(seed))
    return Model(handle, threads)


def train(model: Union[Model, str], x: Any, y: Any, epochs: int = 1, **options: Any) -> Model:
    """Trains on arrays and returns the model; ``model.history`` has the losses.

    model: a :class:`Model`, which is trained in place, the name of a preset, which is made to fit x and y, or a file.
    The other arguments are :meth:`Model.fit`'s, and class_names and threads.
    """
    names, threads = options.pop("class_names", None), int(options.pop("threads", 0))
    if isinstance(model, str) and model in presets() and not os.path.isfile(model):
        x = np.asarray(x)
        shape = x.shape[1:] if x.ndim == 4 else (*x.shape[1:], 1)
        classes = len(names) if names is not None else int(np.max(y)) + 1 if len(y) else 0
        model = preset(model, shape, classes, int(options.get("seed", 0)), threads)
    elif not isinstance(model, Model):
        model = load(model, threads)
    if names is not None:
        model.class_names = names
    model.fit(x, y, epochs=epochs, **options)
    return model


def set_sandbox(on: bool) -> None:
    """On: HDF5, also in .keras, is read in a process of its own, with little memory and no files: for files of strangers.
    Off at the beginning. For all of the process."""
    library.hone_set_sandbox(on)


__all__ = ["Model", "from_json", "load", "preset", "presets", "set_sandbox", "train", "HoneError"]
