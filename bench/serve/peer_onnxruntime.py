"""The peer: ONNX Runtime behind FastAPI and uvicorn, as such servers are usually written. One model, two routes: JSON
as TensorFlow Serving has it, and the picture's floats as they are.

    peer_onnxruntime.py MODEL.onnx PORT
"""

import sys

import numpy as np
import onnxruntime
import uvicorn
from fastapi import FastAPI, Request, Response

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession(sys.argv[1], options)
name, shape = session.get_inputs()[0].name, [28, 28, 1]
app = FastAPI()


@app.get("/healthz")
def health():
    return {"status": "ok"}


@app.post("/v1/models/{model}:predict")
async def predict(model: str, request: Request):
    instances = np.asarray((await request.json())["instances"], "float32")
    return {"predictions": session.run(None, {name: instances})[0].tolist()}


@app.post("/v2/models/{model}/infer")
async def infer(model: str, request: Request):
    """The body's last 4 * 784 bytes are the floats; enough of the protocol for a load generator."""
    body = await request.body()
    x = np.frombuffer(body[-4 * 784 :], "<f4").reshape(1, *shape)
    return Response(session.run(None, {name: x})[0].tobytes(), media_type="application/octet-stream")


uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[2]), log_level="error", access_log=False)
