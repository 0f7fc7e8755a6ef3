"""A place where documented commands run as printed: the repository seen from its root, with this build as build/rel, and
ports, /tmp and stream names of its own, so that it disturbs nothing and nothing disturbs it."""
import atexit
import glob
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile

from markdown import ROOT

TICKFUSE = pathlib.Path(os.environ.get("TICKFUSE", ROOT / "build/rel/tickfuse")).resolve()
SECONDS_MAX = 180


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for s in sockets:
        s.bind(("127.0.0.1", 0))
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


class Stage:
    def __init__(self):
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="tickfuse-docs-"))
        self.exchange_port, self.http_port, self.events_port = free_ports(3)
        self.suffix = f"docs-{os.getpid()}"
        for name in ("README.md", "docs", "engine", "include", "kernels", "models", "tests", "tools"):
            (self.root / name).symlink_to(ROOT / name)
        (self.root / "build").mkdir()
        (self.root / "build" / "rel").symlink_to(TICKFUSE.parent)
        (self.root / "tmp").mkdir()
        (self.root / "configs").mkdir()
        for config in (ROOT / "configs").glob("*.yaml"):
            (self.root / "configs" / config.name).write_text(self.own(config.read_text()))
        atexit.register(self.close)

    def own(self, text):
        """The text with this stage's ports, folder and stream names."""
        text = re.sub(r"\b9001\b", str(self.exchange_port), text)
        text = re.sub(r"\b8090\b", str(self.http_port), text)
        text = re.sub(r"\b8091\b", str(self.events_port), text)
        text = re.sub(r"(?<![\w/])/tmp/", f"{self.root}/tmp/", text)
        text = re.sub(r"\b(tail|bot|bot_cpp|shm:|shm|path:|path=) ?(decisions|faulty)\b",
                      lambda m: f"{m[0]}-{self.suffix}", text)
        return text

    def close(self):
        shutil.rmtree(self.root, ignore_errors=True)
        for path in glob.glob(f"/dev/shm/tickfuse.*-{self.suffix}*"):
            os.unlink(path)

    def session(self, commands):
        """Runs commands in one shell, one after the other; what each printed, and the exit status of the last."""
        script = ["trap 'kill $(jobs -p) 2>/dev/null' EXIT", "true"]
        for i, command in enumerate(commands):
            script += [f"rc=$?; printf '\\n@@{i}\\n'; (exit $rc)", self.own(command)]
        path = self.root / "tmp" / "session.sh"
        path.write_text("\n".join(script) + "\n")
        process = subprocess.Popen(["bash", path], cwd=self.root, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT, text=True, start_new_session=True)
        try:
            text = process.communicate(timeout=SECONDS_MAX)[0]
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            text = process.communicate()[0]
            raise AssertionError(f"a session took longer than {SECONDS_MAX} s; its end:\n{text[-2000:]}")
        parts = re.split(r"\n@@\d+\n", "\n" + text)[1:]
        return parts, process.returncode
