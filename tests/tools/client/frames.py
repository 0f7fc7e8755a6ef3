"""A listener that speaks tf/frame.h, written from its text and nothing of ours: unix, tcp, tls and websocket."""
import contextlib
import itertools
import os
import socket
import ssl
import struct
import subprocess
import tempfile
import threading

HELLO, WELCOME, INSTRUMENTS, RECORDS, LOST, HEARTBEAT, END = range(1, 8)
HEADER = struct.Struct("<IBBHIIQQ")
MAGIC = 0x31464654
NEXT = 2**64 - 1


def frame(kind, payload=b"", cnt=0, first_seq=0, prev_seq=0):
    return HEADER.pack(MAGIC, kind, 1, cnt, len(payload), 0, first_seq, prev_seq) + payload


def welcome(next_seq, carries=0, record_bytes=128, policy=2, epoch=7, heartbeat_ms=60000):
    return frame(WELCOME, struct.pack("<QIIBBHI32s", next_seq, epoch, record_bytes, carries, policy, 1, heartbeat_ms, b"test"))


def instruments(*names):
    return frame(INSTRUMENTS, b"".join(struct.pack("<Ii64s", i, -2, name.encode()) for i, name in enumerate(names)))


def labels(*words):
    """As a sink of events names what a text's labels are called."""
    return frame(INSTRUMENTS, b"".join(struct.pack("<Ii64s", 0xFFFFFF00 + i, -128, word.encode()) for i, word in enumerate(words)))


def decision(seq, action=1, instrument=0, book=0, path=0, expiry=0, ts_decision=0):
    """decision_seq, ingest_seq, ts_event, ts_recv, ref_price, instrument, hash, score, p10, p90, exp, strategy, action, book;
    ts_decision, ts_out, expiry, epoch, confidence, hops, path ..."""
    line = struct.pack("<QQQQqIIfffbBBB", seq, seq * 2, 0, 10**18 + seq, 6183700 + seq, instrument, 0, 0.25, 0, 0, -2, 0, action, book)
    return line + struct.pack("<QQQIfIIIIIIBBHBBH", ts_decision, 0, expiry, 7, 1.0, 0, 0, 0, 0, 0, 0, path, 0, 1, 0, 0, 0)


def decisions(first, last, prev=0, **what):
    return frame(RECORDS, b"".join(decision(seq, **what) for seq in range(first, last + 1)), last - first + 1, first, prev)


def lost(first, last, reason=1):
    return frame(LOST, struct.pack("<QQQII", first, last, last - first + 1, reason, 0))


def heartbeat(next_seq):
    return frame(HEARTBEAT, first_seq=next_seq)


def end(reason, text=""):
    return frame(END, struct.pack("<II", reason, len(text)) + text.encode())


def hello(data):
    """(resume_from, carries, token) of a hello's frame."""
    magic, kind, version, _, payload_bytes, _, _, _ = HEADER.unpack(data[:32])
    assert (magic, kind, version) == (MAGIC, HELLO, 1)
    resume_from, _, token_bytes, carries = struct.unpack("<QHHB", data[32:45])
    assert payload_bytes == 16 + token_bytes and len(data) == 32 + payload_bytes
    return resume_from, carries, data[48:].decode()


class Closed(Exception):
    """The client went."""


class Stream:
    """One client over a byte stream."""

    def __init__(self, sock):
        self.sock = sock

    def _take(self, cnt):
        data = b""
        while len(data) < cnt:
            piece = self.sock.recv(cnt - len(data))
            if not piece:
                raise Closed
            data += piece
        return data

    def hello(self):
        head = self._take(32)
        return hello(head + self._take(HEADER.unpack(head)[4]))

    def send(self, *frames):
        self.sock.sendall(b"".join(frames))

    def wait_closed(self):
        """Until the client has gone."""
        while self.sock.recv(4096):
            pass


@contextlib.contextmanager
def stream_listener(serve, path=None, certificate=None):
    """Serves each client in turn: serve(nth, client), nth from 0. Yields its URL. path: a Unix socket's; certificate:
    (cert, key) for TLS."""
    sock = socket.socket(socket.AF_UNIX if path else socket.AF_INET)
    sock.bind(path or ("127.0.0.1", 0))
    sock.listen()
    context = None
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)

    def loop():
        for nth in itertools.count():
            try:
                peer, _ = sock.accept()
            except OSError:
                return  # closed: the test is over
            with contextlib.suppress(OSError, Closed), peer:
                with context.wrap_socket(peer, server_side=True) if context else peer as peer:
                    serve(nth, Stream(peer))

    thread = threading.Thread(target=loop, daemon=True)
    thread.start()
    try:
        yield f"unix:{path}" if path else f"{'tls' if certificate else 'tcp'}://127.0.0.1:{sock.getsockname()[1]}"
    finally:
        sock.shutdown(socket.SHUT_RDWR)
        sock.close()
        thread.join(10)
        if path:
            os.unlink(path)


@contextlib.contextmanager
def websocket_listener(messages, certificate=None):
    """Sends each client what messages(resume_from, carries, token) gives, one frame a message. Yields its URL."""
    import asyncio
    import websockets

    context = None
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
    ready, port, stop = threading.Event(), [0], []

    async def serve(peer, *_):
        for message in messages(*hello(await peer.recv())):
            await peer.send(message)
        await peer.wait_closed()

    async def main():
        done = asyncio.get_running_loop().create_future()
        stop.append((asyncio.get_running_loop(), done))
        async with websockets.serve(serve, "127.0.0.1", 0, ssl=context, compression=None) as server:
            port[0] = server.sockets[0].getsockname()[1]
            ready.set()
            await done

    thread = threading.Thread(target=asyncio.run, args=(main(),), daemon=True)
    thread.start()
    assert ready.wait(60)
    try:
        yield f"{'wss' if certificate else 'ws'}://127.0.0.1:{port[0]}/decisions"
    finally:
        loop, done = stop[0]
        loop.call_soon_threadsafe(done.set_result, None)
        thread.join(60)


@contextlib.contextmanager
def certificate():
    """(cert, key) of 127.0.0.1, signed by itself."""
    with tempfile.TemporaryDirectory() as folder:
        cert, key = f"{folder}/cert.pem", f"{folder}/key.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                        "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", cert],
                       check=True, capture_output=True)
        yield cert, key
