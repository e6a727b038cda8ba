"""A server among good, bad and slow clients: no wrong answer, no crash, no leak.

    bench/serve/soak.py HONE MODEL [SECONDS]

MODEL takes 28x28x1 pictures. Good clients compare every answer to the first one, to the bit; bad ones send what no
server wants; slow ones drip, stall and go away; now and then the model file is replaced by itself. At the end the
memory is what it was after the first fifth (and a little), and SIGTERM ends in status 0. Needs nothing but Python's own
library.
"""

import atexit
import http.client
import json
import os
import random
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

hone, model = sys.argv[1], sys.argv[2]
seconds = float(sys.argv[3]) if len(sys.argv) > 3 else 600
folder = tempfile.TemporaryDirectory(prefix="hone-soak-")
served = os.path.join(folder.name, "m.h5")
shutil.copy(model, served)
server = subprocess.Popen([hone, "serve", served, "--watch", "0.2", "--max-connections", "200"],
                          stderr=subprocess.PIPE, text=True)
atexit.register(server.kill)  # whatever goes wrong here
port = 0
for line in server.stderr:
    if line.startswith("listening on"):
        port = int(line.rsplit(":", 1)[1])
        break
if not port:
    sys.exit("soak: the server did not start")
threading.Thread(target=server.stderr.read, daemon=True).start()

stop = time.monotonic() + seconds
counts = {"good": 0, "bad": 0, "slow": 0, "replaced": 0}
wrong = []
lock = threading.Lock()


def count(kind):
    with lock:
        counts[kind] += 1


def ask(connection, method, path, body=None, headers={}):
    connection.request(method, path, body, headers)
    answer = connection.getresponse()
    return answer.status, answer.read()


first = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
name = json.loads(ask(first, "GET", "/v2/models/m")[1])["inputs"][0]["name"]
head = json.dumps({"inputs": [{"name": name, "shape": [1, 28, 28, 1], "datatype": "FP32",
                               "parameters": {"binary_data_size": 3136}}],
                   "parameters": {"binary_data_output": True}}).encode()
header = {"Inference-Header-Content-Length": str(len(head))}


def picture(seed):
    generator = random.Random(seed)
    return [generator.randrange(256) / 255 for _ in range(784)]


def good_requests():
    for seed in range(8):
        x = picture(seed)
        yield ("/v2/models/m/infer", head + struct.pack("<784f", *x), header, -40)
        rows = [[[x[28 * i + j]] for j in range(28)] for i in range(28)]
        yield ("/v1/models/m:predict", json.dumps({"instances": [rows]}).encode(), {}, 0)


requests = list(good_requests())
expected = [ask(first, "POST", path, body, headers)[1][tail:] for path, body, headers, tail in requests]
first.close()


def good(seed):
    generator, connection = random.Random(seed), None
    while time.monotonic() < stop:
        if connection is None or generator.random() < 0.01:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        i = generator.randrange(len(requests))
        path, body, headers, tail = requests[i]
        try:
            status, answer = ask(connection, "POST", path, body, headers)
        except OSError as error:
            wrong.append(f"{path}: {error}")
            return
        if status != 200 or answer[tail:] != expected[i]:
            wrong.append(f"{path}: {status} {answer[:200]}")
            return
        count("good")


NASTY = [
    b"\x00\xff\x16\x03\x01" * 50,
    b"GET / HTTP/9.9\r\n\r\n",
    b"GET /healthz HTTP/1.1\r\n" + b"X: " + b"y" * 100000,
    b"POST /v1/models/m:predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n",
    b"POST /v1/models/m:predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n",
    b"POST /v1/models/m:predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 12\r\n\r\n{\"instances\"",
    b"POST /v1/models/m:predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3000\r\n\r\n" + b"[" * 3000,
    b"POST /v2/models/m/infer HTTP/1.1\r\nHost: localhost\r\nInference-Header-Content-Length: 7\r\n"
    b"Content-Length: 8\r\n\r\n{\"a\": 1}",
    b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 24\r\n\r\n"
    b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\x7f\xff\xff\xff\x7f\xff\xff\xff",
    b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Encoding: gzip\r\nContent-Length: 9\r\n\r\nnot gzip!",
    b"POST /v1/models/m:predict HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nffffffff\r\nxx",
    b"GET /v1/models/%00%ff/../../etc/passwd HTTP/1.1\r\nHost: localhost\r\n\r\n",
]


def bad(seed):
    generator = random.Random(seed)
    while time.monotonic() < stop:
        data = bytearray(generator.choice(NASTY))
        if generator.random() < 0.3:
            data[generator.randrange(len(data))] = generator.randrange(256)
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=2) as s:
                s.sendall(data)
                if generator.random() < 0.7:
                    s.recv(65536)
        except OSError:
            pass
        count("bad")
        time.sleep(0.005)


def slow(seed):
    generator = random.Random(seed)
    path, body, headers, _ = requests[1]
    data = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
    while time.monotonic() < stop:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=2) as s:
                for i in range(0, generator.randrange(1, 60)):
                    s.sendall(data[i * 7 : i * 7 + 7])
                    time.sleep(0.05)
                    if time.monotonic() > stop:
                        break
        except OSError:
            pass
        count("slow")


def replace():
    while time.monotonic() + 1 < stop:
        shutil.copy(model, served + ".new")
        os.rename(served + ".new", served)
        count("replaced")
        time.sleep(1)


def resident():
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    text = ask(connection, "GET", "/metrics")[1].decode()
    connection.close()
    return float(text.split("\nprocess_resident_memory_bytes ")[1].split()[0])


kinds = ((good, 3), (bad, 2), (slow, 12))
threads = [threading.Thread(target=work, args=(i,)) for work, n in kinds for i in range(n)]
threads.append(threading.Thread(target=replace))
for thread in threads:
    thread.start()
time.sleep(seconds / 5)
settled, most = resident(), 0.0
while time.monotonic() < stop:
    time.sleep(min(1, seconds / 20))
    most = max(most, resident())
    if server.poll() is not None:
        sys.exit(f"soak: the server ended with {server.returncode}")
for thread in threads:
    thread.join()
at_end = resident()
ended = time.monotonic()
server.send_signal(signal.SIGTERM)
status = server.wait(60)
megabytes = [round(x / 1e6, 1) for x in (settled, most, at_end)]
print(json.dumps({**counts, "seconds": seconds, "resident_mb": megabytes, "status": status,
                  "seconds_to_stop": round(time.monotonic() - ended, 2)}))
if wrong:
    sys.exit(f"soak: {len(wrong)} wrong answers, first: {wrong[0]}")
# A leak of a kilobyte per request or of a model per replacement would be far more.
if at_end > settled * 1.25 + 16e6:
    sys.exit(f"soak: memory grew from {settled / 1e6:.1f} to {at_end / 1e6:.1f} MB")
if status != 0 or counts["good"] == 0:
    sys.exit(f"soak: status {status}, {counts}")
