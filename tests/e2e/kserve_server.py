"""A model server that speaks KServe v2, scripted: it answers, and misbehaves on purpose, in a turn that the test gives. Python's
standard library alone. Its model: score = tanh of the mean of the newest row; it keeps what it answered."""
import json
import math
import socket
import ssl
import struct
import threading
import time

# What an infer request may meet, and what the engine calls it; None: it is an answer.
SCRIPTS = {"good": None, "nested": None, "chunked": None, "close": None, "double": None, "no_id": None,
           "status": "status", "shape": "shape", "short_data": "shape", "datatype": "shape", "other_output": "shape",
           "words": "shape", "id": "id", "nan": "protocol", "garbage": "protocol", "list": "protocol", "no_http": "protocol",
           "two_lengths": "protocol", "cut": "closed", "cut_head": "closed", "huge": "limit", "huge_chunked": "limit",
           "late": "deadline", "silent": "deadline"}


class Server:
    def __init__(self, width, rows=1, script=("good",), binary=False, outputs=1, late=0.8, metadata=None, certificate=None):
        self.width, self.rows, self.outputs, self.late, self.binary = width, rows, outputs, late, binary
        self.script, self.is_ready, self.metadata = list(script), True, metadata
        self.lock = threading.Lock()
        self.met, self.answers, self.requests, self.headers, self.connections = {}, [], 0, [], 0
        self.context = None
        if certificate:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(*certificate)
        self.listen()

    def listen(self, port=0):
        self.listener = socket.create_server(("127.0.0.1", port))
        self.port = self.listener.getsockname()[1]
        self.open = set()
        threading.Thread(target=self.accept, args=(self.listener,), daemon=True).start()

    def url(self, name="far"):
        return f"http{'s' if self.context else ''}://127.0.0.1:{self.port}/v2/models/{name}"

    def close(self):
        self.listener.close()
        for one in list(self.open):
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def accept(self, listener):
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(sock,), daemon=True).start()

    def serve(self, sock):
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.context:
                sock = self.context.wrap_socket(sock, server_side=True)
            self.open.add(sock)
            self.connections += 1
            stream = sock.makefile("rb")
            while self.one(sock, stream):
                pass
        except (OSError, ssl.SSLError):
            pass
        finally:
            self.open.discard(sock)
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            sock.close()

    def one(self, sock, stream):
        line = stream.readline().decode()
        if not line:
            return False
        method, target, _ = line.split(" ", 2)
        headers = {}
        while (line := stream.readline().decode().strip()):
            name, value = line.split(":", 1)
            headers[name.strip().lower()] = value.strip()
        body = stream.read(int(headers.get("content-length", 0)))
        self.headers.append(headers)
        if method == "GET":
            return self.tell(sock, target)
        assert target.endswith("/infer"), target
        return self.infer(sock, headers, body)

    @staticmethod
    def send(sock, status, body, *headers):
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
        sock.sendall("\r\n".join(head).encode() + b"\r\n\r\n" + body)

    def tell(self, sock, target):
        if target.endswith("/ready"):
            self.send(sock, "200 OK" if self.is_ready else "503 Service Unavailable", {})
        elif target == "/v2":
            extensions = ["classification"] + (["binary_tensor_data"] if self.binary else [])
            self.send(sock, "200 OK", {"name": "scripted", "version": "1", "extensions": extensions})
        else:
            shape = [-1, self.rows, self.width] if self.rows > 1 else [-1, self.width]
            self.send(sock, "200 OK", self.metadata or {
                "name": "far", "versions": ["1"], "platform": "none",
                "inputs": [{"name": "x", "datatype": "FP32", "shape": shape}],
                "outputs": [{"name": "score", "datatype": "FP32", "shape": [-1, self.outputs]}]})
        return True

    def infer(self, sock, headers, body):
        with self.lock:
            script = self.script[self.requests % len(self.script)]
            self.requests += 1
            self.met[script] = self.met.get(script, 0) + 1
        is_binary = "inference-header-content-length" in headers
        cnt = int(headers.get("inference-header-content-length", len(body)))
        request = json.loads(body[:cnt])
        tensor = request["inputs"][0]
        rows = list(struct.unpack(f"<{len(body[cnt:]) // 4}f", body[cnt:])) if is_binary else tensor["data"]
        assert tensor["name"] == "x" and math.prod(tensor["shape"]) == len(rows) == self.rows * self.width, tensor["shape"]
        newest = rows[-self.width:]
        scores = [math.tanh(sum(newest) / self.width)] * self.outputs
        single = struct.unpack("<f", struct.pack("<f", scores[0]))[0]
        if SCRIPTS.get(script.split("=")[0], "status") is None:
            self.answers.append(single)
        return self.answer(sock, script, request["id"], scores, is_binary)

    def answer(self, sock, script, number, scores, is_binary):
        output = {"name": "score", "datatype": "FP32", "shape": [1, self.outputs], "data": scores}
        root = {"model_name": "far", "id": number, "outputs": [output]}
        headers, raw = [], b""
        if script == "late":
            time.sleep(self.late)
        if script == "silent":
            time.sleep(3)
            return False
        if script == "nested":
            output["data"] = [scores]
        if script == "no_id":
            del root["id"]
        if script == "id":
            root["id"] = str(int(number) + 1)
        if script == "shape":
            output["shape"] = [2, self.outputs]
        if script == "short_data":
            output["data"] = scores[1:]
        if script == "datatype":
            output["datatype"] = "INT64"
        if script == "double":
            output["datatype"] = "FP64"
        if script == "other_output":
            output["name"] = "other"
        if script == "words":
            output["data"] = ["1.0"] * self.outputs
        if is_binary and script not in ("nested", "short_data", "words", "nan"):
            kind = "d" if script == "double" else "f"
            raw = struct.pack(f"<{len(scores)}{kind}", *([math.nan] * len(scores) if script == "nan_binary" else scores))
            del output["data"]
            output["parameters"] = {"binary_data_size": len(raw)}
        text = json.dumps(root).encode()
        if script == "nan":
            text = text.replace(json.dumps(scores).encode(), b"[NaN]")
        if script == "list":
            text = b"[" + text + b"]"
        if raw:
            headers.append(f"Inference-Header-Content-Length: {len(text)}")
        whole = text + raw
        if script == "status":
            self.send(sock, "500 Internal Server Error", {"error": "on purpose"})
        elif script.startswith("503="):
            self.send(sock, "503 Service Unavailable", {"error": "busy"}, f"Retry-After: {script[4:]}")
        elif script == "garbage":
            self.send(sock, "200 OK", whole[: len(text) // 2] + b"\0")
        elif script == "no_http":
            sock.sendall(b"* OK IMAP4rev1 ready\r\n")
            return False
        elif script == "two_lengths":
            self.send(sock, "200 OK", whole, "Content-Length: 3")
            return False
        elif script in ("cut", "cut_head"):
            head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(whole)}\r\n\r\n".encode()
            sock.sendall(head[:20] if script == "cut_head" else head + whole[:10])
            return False
        elif script == "huge":
            sock.sendall(f"HTTP/1.1 200 OK\r\nContent-Length: {2 << 20}\r\n\r\n".encode())
            return False
        elif script == "huge_chunked":
            sock.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n200000\r\n" + b" " * 1000)
            return False
        elif script == "chunked":
            half = len(whole) // 2
            head = "\r\n".join(["HTTP/1.1 200 OK", "Transfer-Encoding: chunked", *headers]).encode() + b"\r\n\r\n"
            sock.sendall(head + b"%x\r\n%s\r\n" % (half, whole[:half]))
            sock.sendall(b"%x;x=y\r\n%s\r\n0\r\n\r\n" % (len(whole) - half, whole[half:]))
        elif script == "close":
            self.send(sock, "200 OK", whole, *headers, "Connection: close")
            return False
        else:
            self.send(sock, "200 OK", whole, *headers)
        return True
