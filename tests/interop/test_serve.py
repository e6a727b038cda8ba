"""hone serve before clients that were written for other servers: Triton's Python client with its default options, and
TensorFlow Serving's REST examples over urllib; the answers are those of the Keras that made the model."""

import atexit
import base64
import gzip
import json
import signal
import subprocess
import urllib.error
import urllib.request

import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

from common import *

HONE = pathlib.Path(DRIVER).resolve().parent.parent.parent / "hone"
if subprocess.run([HONE, "serve", "--help"], capture_output=True).returncode != 0:
    sys.exit(77)


def serve(*arguments):
    process = subprocess.Popen([HONE, "serve", *map(str, arguments)], stderr=subprocess.PIPE, text=True)
    atexit.register(process.kill)  # whatever goes wrong here
    for line in process.stderr:
        if line.startswith("listening on "):
            return process, line.split()[-1]
        if "HONE_WITH_MICROHTTPD" in line:
            sys.exit(77)
    raise SystemExit("hone serve did not start")


def http(url, data=None, headers={}):
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data, headers)) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


layers = keras.layers
one = keras.Sequential([layers.InputLayer((12, 10, 1)), layers.Conv2D(4, 3, activation="relu"), layers.Flatten(),
                        layers.Dense(5, activation="softmax")])
a, b = keras.Input((3,), name="a"), keras.Input((2, 2), name="b")
joined = layers.Concatenate()([a, layers.Flatten()(b)])
two = keras.Model([a, b], [layers.Dense(2, name="p")(joined), layers.Dense(3, activation="tanh", name="q")(joined)])
one.save(FOLDER / "one.keras")
two.save(FOLDER / "two.keras")
subprocess.run([HONE, "train", "digits:400", "--epochs", "1", "--threads", "1", "--no-test", "--quiet", "--output",
                FOLDER / "digits.h5"], check=True, stdout=subprocess.DEVNULL)
process, url = serve(f"one={FOLDER / 'one.keras'}", f"two={FOLDER / 'two.keras'}", FOLDER / "digits.h5")
rng = np.random.default_rng(3)
x = rng.random((4, 12, 10, 1), "float32")
expected = one.predict(x, verbose=0)
pair = {"a": rng.random((3, 3), "float32"), "b": rng.random((3, 2, 2), "float32")}
expected_pair = [np.asarray(y) for y in two.predict([pair["a"], pair["b"]], verbose=0)]


def close(y, wanted, what):
    assert np.asarray(y).shape == wanted.shape, (what, np.asarray(y).shape, wanted.shape)
    assert np.abs(np.asarray(y, "float32") - wanted).max() < 1e-5, what


# ---- Triton's client -------------------------------------------------------------------------------------------------

client = triton.InferenceServerClient(url.removeprefix("http://"))
assert client.is_server_live() and client.is_server_ready() and client.is_model_ready("one")
assert client.is_model_ready("one", "1") and not client.is_model_ready("one", "9") and not client.is_model_ready("none")
assert "binary_tensor_data" in client.get_server_metadata()["extensions"]
metadata = client.get_model_metadata("one")
name, output = metadata["inputs"][0]["name"], metadata["outputs"][0]["name"]
assert metadata["inputs"][0]["shape"] == [-1, 12, 10, 1] and metadata["outputs"][0]["datatype"] == "FP32"


def tensor(name, array, binary=True):
    given = triton.InferInput(name, list(array.shape), "FP32")
    given.set_data_from_numpy(array, binary_data=binary)
    return given


result = client.infer("one", [tensor(name, x)], request_id="42")
close(result.as_numpy(output), expected, "binary")
assert result.get_response()["id"] == "42" and result.get_response()["model_version"] == "1"
result = client.infer("one", [tensor(name, x, False)], outputs=[triton.InferRequestedOutput(output, binary_data=False)])
close(result.as_numpy(output), expected, "JSON")
for coding in ("gzip", "deflate"):
    result = client.infer("one", [tensor(name, x)], request_compression_algorithm=coding,
                          response_compression_algorithm=coding, model_version="1")
    close(result.as_numpy(output), expected, coding)
result = client.infer("one", [tensor(name, x)], outputs=[triton.InferRequestedOutput(output, class_count=2)])
classes = [[item.decode().split(":") for item in row] for row in result.as_numpy(output)]
for row, wanted in zip(classes, expected):
    assert int(row[0][1]) == wanted.argmax() and abs(float(row[0][0]) - wanted.max()) < 1e-5
names = client.get_model_metadata("two")
result = client.infer("two", [tensor("b", pair["b"], False), tensor("a", pair["a"])])
for name_of, wanted in zip([o["name"] for o in names["outputs"]], expected_pair):
    close(result.as_numpy(name_of), wanted, "two outputs")
pixels = np.arange(240, dtype="uint8").reshape(2, 12, 10, 1)[:1]
given = triton.InferInput(name, [1, 12, 10, 1], "UINT8")
given.set_data_from_numpy(pixels)
close(client.infer("one", [given]).as_numpy(output), one.predict(pixels / np.float32(255), verbose=0), "pixels")
assert metadata["parameters"]["precision"] == "float32" and len(metadata["outputs"]) == 1  # nothing says "unknown" there
digits = client.get_model_metadata("digits")
assert digits["outputs"][-1] == {"name": "unknown", "datatype": "BOOL", "shape": [-1]}
given = triton.InferInput(digits["inputs"][0]["name"], [8, 28, 28, 1], "UINT8")
given.set_data_from_numpy(rng.integers(0, 256, (8, 28, 28, 1), "uint8"))
probabilities = client.infer("digits", [given]).as_numpy(digits["outputs"][0]["name"])
for binary in (True, False):
    result = client.infer("digits", [given], outputs=[triton.InferRequestedOutput(o["name"], binary_data=binary)
                                                      for o in digits["outputs"]])
    assert result.as_numpy("unknown").dtype == bool and result.as_numpy("unknown").shape == (8,)
    assert (result.as_numpy(digits["outputs"][0]["name"]) == probabilities).all()
for bad in (tensor("nothing", x), tensor(name, x[:, :11])):
    try:
        client.infer("one", [bad])
        raise SystemExit("a wrong request was answered")
    except InferenceServerException as error:
        assert error.status() == "400" and error.message(), error
client.close()

# ---- TensorFlow Serving's REST ---------------------------------------------------------------------------------------

base = f"{url}/v1/models"
status, body = http(f"{base}/one")
assert json.loads(body)["model_version_status"][0]["state"] == "AVAILABLE"
status, body = http(f"{base}/one:predict", json.dumps({"instances": x.tolist()}).encode())
close(json.loads(body)["predictions"], expected, "rows")
assert (np.asarray(json.loads(body)["predictions"], "float32") == np.asarray(
    json.loads(http(f"{base}/one:predict", json.dumps({"inputs": {name: x.tolist()}}).encode())[1])["outputs"],
    "float32")).all()
packed = gzip.compress(json.dumps({"instances": x.tolist()}).encode())
assert http(f"{base}/one/versions/1:predict", packed, {"Content-Encoding": "gzip"})[0] == 200
rows = [{"a": pa.tolist(), "b": pb.tolist()} for pa, pb in zip(pair["a"], pair["b"])]
answers = json.loads(http(f"{base}/two:predict", json.dumps({"instances": rows}).encode())[1])["predictions"]
outputs = [o["name"] for o in names["outputs"]]
for i, row in enumerate(answers):
    for key, wanted in zip(outputs, expected_pair):
        close(row[key], wanted[i], "named rows")
answers = json.loads(http(f"{base}/two:predict", json.dumps(
    {"inputs": {key: value.tolist() for key, value in pair.items()}}).encode())[1])["outputs"]
for key, wanted in zip(outputs, expected_pair):
    close(answers[key], wanted, "columns")
status, body = http(f"{base}/digits:predict", json.dumps(
    {"signature_name": "with_unknown", "instances": np.zeros((2, 28, 28, 1)).tolist()}).encode())
assert [type(row["unknown"]) for row in json.loads(body)["predictions"]] == [bool, bool], body
image = {"b64": base64.b64encode(b"no floats").decode()}
for path, document, code in (("one:predict", {"instances": [image]}, 400), ("none:predict", {"instances": [1]}, 404),
                             ("one/versions/7:predict", {"instances": [1]}, 404),
                             ("two:predict", {"instances": [1]}, 400)):
    status, body = http(f"{base}/{path}", json.dumps(document).encode())
    assert status == code and json.loads(body)["error"], (path, status, body)

process.send_signal(signal.SIGTERM)
assert process.wait(120) == 0
print("serve: Triton's client and TensorFlow Serving's REST agree with Keras")
