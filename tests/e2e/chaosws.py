"""A websocket server that breaks the protocol: on a connection's first number it shakes hands and sends what it is told
to, raw; later connections pass through to the simulator. It keeps what the client said at the end: its close code."""
import base64
import hashlib
import socket
import struct
import threading

from tunnel import pump, shut

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def frame(payload=b"", opcode=1, fin=True, rsv=0, mask=False, length=None):
    """length: says another one than the payload's, as 64 bits."""
    head = bytes([(0x80 if fin else 0) | rsv << 4 | opcode])
    bit = 0x80 if mask else 0
    if length is not None:
        head += bytes([bit | 127]) + struct.pack(">Q", length)
    elif len(payload) < 126:
        head += bytes([bit | len(payload)])
    elif len(payload) < 65536:
        head += bytes([bit | 126]) + struct.pack(">H", len(payload))
    else:
        head += bytes([bit | 127]) + struct.pack(">Q", len(payload))
    return head + (b"\0\0\0\0" if mask else b"") + payload


def close(code, reason=b""):
    return frame(struct.pack(">H", code) + reason, opcode=8)


class ChaosWs:
    def __init__(self, target_port, script, headers=b""):
        """script: bytes, or an iterable of them, for the first connection."""
        self.target_port, self.script, self.headers = target_port, script, headers
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.connections, self.close_code, self.pongs, self.sockets, self.ended = 0, None, 0, [], threading.Event()
        threading.Thread(target=self.accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shut(self.listener, *self.sockets)

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.sockets.append(client)
            serve = self.break_it if self.connections == 0 else self.pass_through
            self.connections += 1
            threading.Thread(target=serve, args=(client,), daemon=True).start()

    def break_it(self, client):
        try:
            request = b""
            while b"\r\n\r\n" not in request:
                request += client.recv(4096)
            key = next(line.split(b":", 1)[1].strip() for line in request.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key:"))
            accept = base64.b64encode(hashlib.sha1(key + GUID).digest())
            client.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                           b"Sec-WebSocket-Accept: " + accept + b"\r\n" + self.headers + b"\r\n")
            threading.Thread(target=self.listen, args=(client,), daemon=True).start()
            for data in [self.script] if isinstance(self.script, bytes) else self.script:
                client.sendall(data)
        except (OSError, StopIteration):
            self.ended.set()

    def listen(self, client):
        """Reads the client's frames to the end; they are masked and small."""
        data = b""
        try:
            while more := client.recv(65536):
                data += more
                while len(data) >= 6:
                    cnt = data[1] & 0x7F
                    at = 4 if cnt == 126 else 2
                    cnt = struct.unpack(">H", data[2:4])[0] if cnt == 126 else cnt
                    if len(data) < at + 4 + cnt:
                        break
                    mask, payload = data[at:at + 4], data[at + 4:at + 4 + cnt]
                    payload = bytes(b ^ mask[i % 4] for i, b in enumerate(payload))
                    if data[0] & 15 == 8 and cnt >= 2:
                        self.close_code = struct.unpack(">H", payload[:2])[0]
                    self.pongs += data[0] & 15 == 10
                    data = data[at + 4 + cnt:]
        except OSError:
            pass
        self.ended.set()

    def pass_through(self, client):
        try:
            server = socket.create_connection(("127.0.0.1", self.target_port))
        except OSError:
            client.close()
            return
        self.sockets.append(server)
        threading.Thread(target=pump, args=(client, server), daemon=True).start()
        pump(server, client)
