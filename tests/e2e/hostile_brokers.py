"""Brokers that lie: each connection plays one scene. What a scene yields goes out; what it gets from yield is all that came
in since."""
import threading

from ports import listener
from tunnel import shut

INFO = b'INFO {"server_id":"X","version":"2.9.10","proto":1,"headers":true,"max_payload":1048576,"jetstream":true}\r\n'


class LyingServer:
    scheme = None

    def __init__(self, type_, scenes):
        self.type = self.scheme = type_
        self.scenes, self.played, self.sockets = scenes, 0, set()
        self.listener = listener()
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shut(self.listener, *self.sockets)

    def accept(self):
        for scene in self.scenes:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            self.sockets.add(client)
            client.settimeout(10)
            try:
                self.play(client, scene)
            except OSError:
                pass
            self.played += 1
            shut(client)

    @staticmethod
    def play(client, scene):
        """Sends what the scene yields; a scene ends when the peer has hung up, or says nothing more."""
        for part in scene:
            if isinstance(part, bytes):
                client.sendall(part)
                continue
            heard = b""
            while part.tobytes() not in heard and (data := client.recv(65536)):
                heard += data
        while client.recv(65536):
            pass


# ---- Redis: bytes go out, a Wait waits for a command ----

def bulk(text):
    return b"$%d\r\n%s\r\n" % (len(text), text)


def xinfo(last_id, field=b"record"):
    entry = b"*2\r\n" + bulk(last_id) + b"*2\r\n" + bulk(field) + bulk(b"x")
    return b"*4\r\n" + bulk(b"last-generated-id") + bulk(last_id) + bulk(b"last-entry") + entry


def redis_scenes():
    hears = memoryview(b"XINFO")  # a part to wait for
    adds = memoryview(b"XADD")
    greetings = [
        b"*1\r\n" * 1_000_000, b"$-2\r\n", b"$99999999999999999999\r\n", b"$2147483647\r\n" + b"x" * 3_000_000, b"*2147483648\r\n",
        b"*1000000000\r\n", b"*-2\r\n", b"-NOAUTH Authentication required.\r\n", b"-MOVED 1 :\r\n", b"-MOVED 99999999999 a:b\r\n",
        b"-MOVED 1 127.0.0.1:99999\r\n", b":5\r\n", b"+OK\r\n", b"$-1\r\n", b"*-1\r\n", b"*0\r\n", b"\0" * 100, b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"-" + b"e" * 200_000 + b"\r\n", b"-LOADING Redis is loading\r\n", b"%1\r\n+a\r\n+b\r\n", b"\r\n\r\n", b":\r\n", b"$5\r\nabc",
        xinfo(b"18446744073709551616-0"), xinfo(b"abc"), xinfo(b"5"), xinfo(b"-0"), xinfo(b"5-7"), xinfo(b"1700000000000-0", b"hello"),
        xinfo(b"5-0", b"f" * 100), b"*3\r\n" + bulk(b"last-generated-id") + b"*1\r\n" * 6 + b":1\r\n" + b":1\r\n",
        xinfo(b"0-0") + b"+OK\r\n" * 10]
    answers = [b"+OK\r\n", b"-ERR\r\n", b"-ERR wrong\r\n" * 100, b"+OK\r\n" * 100, b"$-1\r\n", b"*1\r\n$-1\r\n", b"+OK\r\n+QUEUED\r\n*100000\r\n",
               b"-EXECABORT Transaction discarded because of previous errors.\r\n" * 70, b"-OOM command not allowed\r\n" * 70,
               b"-READONLY You can't write against a read only replica.\r\n" * 70]
    return [[hears, g] for g in greetings] + [[hears, xinfo(b"0-0"), adds, a] for a in answers]


# ---- NATS ----

def nats_scenes():
    asks, publishes = memoryview(b"STREAM.INFO.D"), memoryview(b"Nats-Msg-Id")
    first = [b"INFO {bad json\r\n", b"INFO \r\n", b"INFO []\r\n", b'INFO {"max_payload":"x","port":{}}\r\n', b"INFO " + b"x" * 300_000 + b"\r\n",
             b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\0" * 1000, b"-ERR 'no'\r\n", b"+OK\r\n", b"INFO " + b'{"a":' * 5000 + b"\r\n"]
    login = [b"-ERR 'Authorization Violation'\r\n", b"+OK\r\n", b"PING\r\n" * 1000, b"\xff" * 4096, b"MSG\r\n", b"-ERR '" + b"e" * 10_000 + b"'\r\n"]
    later = [b"MSG x 1 99999999999\r\nhello\r\n", b"MSG x 1 -1\r\n\r\n", b"MSG x 1 5\r\nhello world\r\n", b"HMSG x 1 50 10\r\n0123456789\r\n",
             b"HMSG x 1 0 0\r\n\r\n", b"HMSG x 1 5 5\r\nhello\r\n", b"MSG\r\n", b"MSG " + b"x" * 5000 + b" 1 1\r\na\r\n", b"INFO {\r\n", b"\0" * 5000,
             b"MSG x 1 2147483647\r\n" + b"x" * 100_000, b"PONG\r\n" * 10_000, b"-ERR 'Stale Connection'\r\n", b"-ERR 'Permissions Violation'\r\n"]
    bodies = [b"", b"{", b"[]", b"[" * 50_000, b'{"error":5}', b'{"error":{}}', b'{"error":{"code":"x","description":[1]}}', b'{"seq":"x"}',
              b'{"config":{},"state":{}}', b'{"config":{"retention":"limits"},"state":{"last_seq":-1}}',
              b'{"config":{"retention":"limits"},"state":{"last_seq":99999999999999999999}}', b'{"config":5,"state":6}',
              b'"' + b"x" * 900_000 + b'"', b'{"config":{"retention":"limits"},"state":{"last_seq":0}}' + b" " * 300_000]
    good = b'{"config":{"retention":"limits"},"state":{"last_seq":0}}'
    acks = [b"", b"{}", b'{"seq":-5}', b'{"stream":"D","duplicate":true}', b'{"error":{"code":400,"err_code":10071}}', b"x" * 500_000]
    return ([[f] for f in first] + [[INFO, memoryview(b"PING"), a] for a in login] + [[INFO, Pong(), asks, a] for a in later]
            + [[INFO, Pong(), asks, Answer(b)] for b in bodies] + [[INFO, Pong(), asks, Answer(good), publishes, Answer(a)] for a in acks])


class Pong:
    """Answers the PING behind CONNECT."""


class Answer:
    """To the last reply subject that was heard."""

    def __init__(self, body):
        self.body = body


class LyingNats(LyingServer):
    @staticmethod
    def play(client, scene):
        heard = b""

        def hear(part):
            nonlocal heard
            while part not in heard and (data := client.recv(65536)):
                heard += data
            heard = heard if part in heard else b""
        for part in scene:
            if isinstance(part, bytes):
                client.sendall(part)
            elif isinstance(part, memoryview):
                hear(part.tobytes())
            elif isinstance(part, Pong):
                hear(b"PING")
                client.sendall(b"PONG\r\n")
            else:
                lines = heard.split(b"\r\n")[:-1]  # whole ones
                words = [line.split() for line in lines if line.startswith((b"PUB", b"HPUB"))][-1]
                client.sendall(b"MSG %s 1 %d\r\n%s\r\n" % (words[2], len(part.body), part.body))
        while client.recv(65536):
            pass


def source_scenes():
    """To an intake that has asked about stream D, made a consumer, and pulls."""
    asks, makes, pulls = memoryview(b"STREAM.INFO.D"), memoryview(b"CONSUMER.CREATE.D"), memoryview(b"MSG.NEXT.D.C")
    info = b'{"config":{"retention":"limits"},"created":"x","state":{"first_seq":1,"last_seq":9}}'
    made = b'{"name":"C","delivered":{"consumer_seq":0,"stream_seq":0},"num_pending":9,"num_waiting":0}'
    infos = [b"", b"{}", b'{"config":{},"state":{"first_seq":-1,"last_seq":9}}', b'{"error":{"code":404,"err_code":10059}}',
             b'{"error":5}', b"[" * 50_000, b'{"config":{},"state":{"first_seq":1,"last_seq":18446744073709551615}} x']
    makings = [b"", b"{}", made.replace(b'"C"', b'"a.b"'), made.replace(b'"C"', b'">"'), made.replace(b'"C"', b'""'),
               made.replace(b'"C"', b'"' + b"c" * 64 + b'"'), made.replace(b'"C"', b'"a b"'), made.replace(b"9", b"-9"),
               made.replace(b'"delivered":{', b'"delivered":{"x":'), b'{"error":{"code":400,"err_code":10093,"description":"no\r\nyes"}}']

    def delivery(place, body=b"lie", subject=b"D.x"):
        return b"MSG %s 1 %s %d\r\n%s\r\n" % (subject, place, len(body), body)

    good = b"$JS.ACK.D.C.1.%d.%d.1700000000000000000.%d"
    deliveries = [delivery(b"", b"lie"), delivery(b"reply"), delivery(b"$JS.ACK"), delivery(b"$JS.ACK.D.C.1.1.1.1"), delivery(good % (0, 1, 0)),
                  delivery(good % (1, 0, 0)), delivery(good % (1, 2, 0)), delivery(b"$JS.ACK.D.C.1.x.1.1.1"), delivery(b"$JS.ACK.D.C.1.-1.1.1.1"),
                  delivery(good % (2**64, 1, 0)), delivery(good % (2**64 - 1, 1, 0)), delivery(good % (1, 1, 2**64)),
                  delivery(good % (5, 1, 3), b"truth") + delivery(good % (5, 2, 3)), delivery(good % (5, 1, 3), b"truth") + delivery(good % (4, 2, 3)),
                  delivery(good % (5, 1, 3), b"truth") + delivery(good % (6, 4, 3)), delivery(b"." * 200),
                  b"MSG D.x 1 %s 67108865\r\n" % (good % (1, 1, 1)), b"HMSG D.x 1 %s 12 12\r\nNATS/1.0\r\n\r\n\r\n" % (good % (1, 2, 0)),
                  b"HMSG D.x 1 %s 30 33\r\nnothing that begins a header..lie\r\n" % (good % (1, 1, 1)),
                  b"HMSG in.pull 1 35 35\r\nNATS/1.0 409 Consumer Deleted\r\n\r\n..\r\n"]
    return ([[INFO, Pong(), asks, Answer(i)] for i in infos] + [[INFO, Pong(), asks, Answer(info), makes, Answer(m)] for m in makings]
            + [[INFO, Pong(), asks, Answer(info), makes, Answer(made), pulls, d] for d in deliveries])


# ---- Kafka: bytes go out, an Answer goes out under the number of the last request ----

class LyingKafka(LyingServer):
    @staticmethod
    def play(client, scene):
        file = client.makefile("rb")
        for part in scene:
            size = int.from_bytes(file.read(4), "big")
            request = file.read(size)
            if isinstance(part, Answer):
                part = (4 + len(part.body)).to_bytes(4, "big") + request[4:8] + part.body
            client.sendall(part)
        while client.recv(65536):
            pass


def kafka_scenes():
    """Of the first request, ApiVersions, and of the next one where the first is answered right: produce, fetch, offsets and metadata, v0 to v9."""
    raw = [b"\xff" * 4, b"\x7f\xff\xff\xff" + b"x" * 100_000, b"\0" * 4, b"\0\0\0\4none", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\0" * 5000, b""]
    bodies = [b"", b"\0\0\x7f\xff\xff\xff", b"\0\0\xff\xff\xff\xff", b"\0\0" + b"\xff" * 10, b"\0\x23", bytes(range(256)) * 4]
    keys = (0, 1, 2, 3, 18)
    versions = b"\0\0" + len(keys).to_bytes(4, "big") + b"".join(key.to_bytes(2, "big") + b"\0\0\0\3" for key in keys)
    later = [b"", b"\0" * 4, b"\x7f\xff\xff\xff", b"\xff" * 64, b"\0\0\0\1" + b"\xff" * 64, bytes(range(256)) * 40]
    return [[r] for r in raw] + [[Answer(b)] for b in bodies] + [[Answer(versions), Answer(b)] for b in later]


def scenes_of(type_):
    return nats_scenes() if type_ == "nats" else redis_scenes()


def lying(type_, scenes):
    return (LyingNats if type_ == "nats" else LyingServer)(type_, scenes)
