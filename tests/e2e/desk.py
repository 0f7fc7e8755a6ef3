"""An engine with a feed `desk` that hears events by POST /v1/events, and a client of it."""
import http.client
import json
import pathlib
import re
import signal
import socket
import subprocess

from harness import ROOT, TICKFUSE, wait_until

LONG_S = 120  # for what must come
TOKEN = "a-token-of-tests"
LINES = "application/x-ndjson"


class Desk:
    """`tickfuse run` of a config in a folder of its own, with the token that the config names {folder}/token."""

    def __init__(self, folder, config, *sets):
        self.folder = pathlib.Path(folder)
        token = self.folder / "token"
        token.write_text(TOKEN + "\n")
        token.chmod(0o600)
        self.config = self.folder / "engine.yaml"
        self.config.write_text(config)
        args = ["run", str(self.config), "--json"]
        for item in sets:
            args += ["--set", item]
        self.log = open(self.folder / "engine.log", "w+")
        self.process = subprocess.Popen([TICKFUSE, *args], stdout=subprocess.PIPE, stderr=self.log, text=True, cwd=ROOT)
        self.port = int(wait_until(self.listening, LONG_S, "the listener"))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.communicate()
        self.log.close()

    def said(self):
        return pathlib.Path(self.log.name).read_text()

    def listening(self):
        text = self.said()
        assert self.process.poll() is None, text
        found = re.search(r"events_listening feed=desk .* port=(\d+)", text)
        return found and found[1]

    def connect(self):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=LONG_S)

    def socket(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=LONG_S)

    def post(self, body, kind=LINES, token=TOKEN, connection=None, **headers):
        """(status, answer) of one request."""
        c = connection or self.connect()
        c.request("POST", "/v1/events", body, {"Content-Type": kind, "Authorization": f"Bearer {token}",
                                               **{k.replace("_", "-"): v for k, v in headers.items()}})
        answer = c.getresponse()
        text = answer.read()
        if not connection:
            c.close()
        return answer.status, json.loads(text)

    def finish(self):
        self.process.send_signal(signal.SIGINT)
        out, _ = self.process.communicate(timeout=LONG_S)
        assert self.process.returncode == 0, self.said()
        return json.loads(out)
