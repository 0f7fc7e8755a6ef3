"""A consumer of frames (include/tf/frame.h) as a process of its own: every byte that it is sent is checked, its records go to
a file as they come. It may be slow, stopped or killed from outside.

    frame_consumer.py WHERE OUT [--from N|next|oldest] [--token T] [--bearer T] [--piece BYTES] [--cnt N] [--holes] [--cut] [--ca FILE]

WHERE is unix:PATH, tcp://HOST:PORT, tls://.., ws://.. or wss://... Its last line is JSON: what came."""
import argparse
import asyncio
import json
import socket
import ssl
import struct
import sys

HEADER = struct.Struct("<4sBBHIIQQ")
HELLO, WELCOME, INSTRUMENTS, RECORDS, LOST, HEARTBEAT, END = range(1, 8)
WORDS = {"next": 2**64 - 1, "oldest": 0}
REASONS = "none dropped history closed slow token protocol full timeout user origin".split()
RECORD_BYTES = 128


def hello(resume_from, token=b"", carries=0, version=1):
    payload = struct.pack("<QHHB3x", resume_from, version, len(token), carries) + token
    return HEADER.pack(b"TFF1", HELLO, 1, 0, len(payload), 0, 0, 0) + payload


class Seen:
    """Holds what came against the rules: an unbroken chain, or a LOST that says exactly what is missing."""

    def __init__(self, resume_from, holes, out):
        self.next, self.prev, self.holes, self.out = resume_from if resume_from < 2**64 - 1 else 0, 0, holes, out
        self.records, self.lost, self.beats, self.welcome, self.end = 0, [], 0, None, None
        self.instruments = set()

    def frame(self, header, payload):
        magic, kind, version, cnt, size, crc, first, prev = HEADER.unpack(header)
        assert magic == b"TFF1" and version == 1 and crc == 0 and size == len(payload), header
        assert self.end is None, "something behind END"
        assert self.welcome or kind in (WELCOME, END), f"kind {kind} before WELCOME"
        if kind == WELCOME:
            next_seq, epoch, record_bytes, carries, policy, _, heartbeat_ms, name = struct.unpack("<QIIBBHI32s", payload)
            assert record_bytes == RECORD_BYTES and carries == 0 and heartbeat_ms == 1000
            self.welcome = {"next_seq": next_seq, "epoch": epoch, "policy": policy, "stream": name.rstrip(b"\0").decode()}
        elif kind == INSTRUMENTS:
            self.instruments |= {struct.unpack_from("<I", payload, at)[0] for at in range(0, size, 72)}
        elif kind == RECORDS:
            self.take(cnt, first, prev, payload)
        elif kind == LOST:
            first, last, cnt, reason, _ = struct.unpack("<QQQII", payload)
            assert (not self.next or first == self.next) and cnt == last - first + 1, (first, last, cnt, self.next)
            self.lost.append([first, last, REASONS[reason]])
            self.next = last + 1
        elif kind == HEARTBEAT:
            assert not self.next or first == self.next, (first, self.next)
            self.beats += 1
        elif kind == END:
            reason, text = struct.unpack_from("<II", payload)
            self.end = {"reason": REASONS[reason], "text": payload[8:8 + text].decode(), "next_seq": first}
        else:
            raise AssertionError(f"kind {kind}")

    def take(self, cnt, first, prev, payload):
        assert len(payload) == cnt * RECORD_BYTES and cnt and prev == self.prev, (cnt, prev, self.prev)
        for i in range(cnt):
            seq, = struct.unpack_from("<Q", payload, i * RECORD_BYTES)
            instrument, = struct.unpack_from("<I", payload, i * RECORD_BYTES + 40)
            assert i or seq == first
            assert seq > self.prev and (not self.next or seq == self.next or self.holes), (seq, self.prev, self.next)
            assert instrument in self.instruments, f"instrument {instrument} has no name"
            self.prev, self.next = seq, seq + 1
        self.records += cnt
        self.out.write(payload)
        self.out.flush()

    def summary(self):
        return {k: getattr(self, k) for k in ("records", "lost", "beats", "welcome", "end", "next", "prev")}


def connect(where, ca):
    if where.startswith("unix:"):
        s = socket.socket(socket.AF_UNIX)
        s.connect(where[5:])
        return s
    host, port = where.split("/")[2].rsplit(":", 1)
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    s.connect((host, int(port)))
    return ssl.create_default_context(cafile=ca).wrap_socket(s, server_hostname=host) if where.startswith("tls") else s


def over_stream(args, seen, said):
    s, held = connect(args.where, args.ca), b""
    s.sendall(said)
    while seen.records < args.cnt:
        piece = s.recv(args.piece)
        if not piece:
            assert args.cut or not held, "cut inside a frame"
            return
        held += piece
        while len(held) >= HEADER.size and len(held) >= HEADER.size + HEADER.unpack_from(held)[4]:
            size = HEADER.size + HEADER.unpack_from(held)[4]
            seen.frame(held[:HEADER.size], held[HEADER.size:size])
            held = held[size:]


async def over_websocket(args, seen, said):
    import websockets
    headers = {"Authorization": f"Bearer {args.bearer}"} if args.bearer else {}
    tls = ssl.create_default_context(cafile=args.ca) if args.where.startswith("wss") else None
    tls = {"ssl": tls, "server_hostname": "127.0.0.1"} if tls else {}
    ws = await websockets.connect(args.where, extra_headers=headers, **tls, compression=None, max_queue=4,
                                  sock=connect("tcp://" + args.where.split("/")[2], None))
    try:
        await ws.send(said)
        while seen.records < args.cnt:
            message = await ws.recv()
            seen.frame(message[:HEADER.size], message[HEADER.size:])
    except websockets.ConnectionClosed:
        pass
    ws.transport.abort()  # closing in order would read on to the other side's answer


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("where")
    parser.add_argument("out")
    parser.add_argument("--from", dest="resume_from", default="oldest")
    parser.add_argument("--token", default="")
    parser.add_argument("--bearer")
    parser.add_argument("--piece", type=int, default=65536)
    parser.add_argument("--cnt", type=int, default=2**63)
    parser.add_argument("--holes", action="store_true")
    parser.add_argument("--cut", action="store_true", help="the listener may give up on us inside a frame")
    parser.add_argument("--ca")
    args = parser.parse_args()
    resume_from = WORDS.get(args.resume_from) if args.resume_from in WORDS else int(args.resume_from)
    with open(args.out, "ab") as out:
        seen = Seen(resume_from, args.holes, out)
        said = hello(resume_from, args.token.encode())
        if args.where.startswith("ws"):
            asyncio.run(over_websocket(args, seen, said))
        else:
            over_stream(args, seen, said)
    print(json.dumps(seen.summary()))


if __name__ == "__main__":
    sys.exit(main())
