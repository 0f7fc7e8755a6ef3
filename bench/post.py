"""What POST /v1/events takes: events a second and CPU of the engine an event, by connections and lines a request, beside the same
lines out of a file (`replay --input events:FILE`), in turns; medians of three.

    python3 bench/post.py [build/rel/tickfuse]"""
import pathlib
import statistics
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "e2e"))
import os

os.environ["TICKFUSE"] = str(pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "build/rel/tickfuse").resolve())
from desk import LINES, TOKEN, Desk

CONFIG = """engine: {{idle: sleep}}
feeds: [{{name: desk, venue: events, listen: '127.0.0.1:0', token_file: {folder}/token, instruments: ['*.DESK'], rate_max: 0}}]
features: [mid]
sinks: [{{type: 'null'}}]
"""
LINE = b'{"instrument":"BTC.DESK","kind":"trade","side":"buy","price":"61837.63","qty":"0.5","id":77}\n'
SECONDS, TIMES, FILE_LINES = 1.3, 3, 1_000_000
ROWS = [(connections, lines) for connections in (1, 16) for lines in (1, 100, 5000)]


def cpu_s(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def send(desk, lines, until, sent, i):
    body = LINE * lines
    request = (f"POST /v1/events HTTP/1.1\r\nHost: localhost\r\nContent-Type: {LINES}\r\nAuthorization: Bearer {TOKEN}\r\n"
               f"Content-Length: {len(body)}\r\n\r\n").encode() + body
    with desk.socket() as s:
        while sent[i] == 0 or time.monotonic() < until:
            s.sendall(request)
            answer = s.recv(65536)
            assert answer.startswith(b"HTTP/1.1 200"), answer
            sent[i] += lines


def post(desk, connections, lines):
    """(events a second, ns of the engine's CPU an event)"""
    sent, begin, cpu = [0] * connections, time.monotonic(), cpu_s(desk.process.pid)
    threads = [threading.Thread(target=send, args=(desk, lines, begin + SECONDS, sent, i)) for i in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(sent) / (time.monotonic() - begin), (cpu_s(desk.process.pid) - cpu) / sum(sent) * 1e9


def from_file(desk, path):
    begin, before = time.monotonic(), os.times()
    subprocess.run([os.environ["TICKFUSE"], "replay", desk.config, "--json", "--input", f"events:{path}"], check=True, capture_output=True)
    after = os.times()
    cpu = after.children_user - before.children_user + after.children_system - before.children_system
    return FILE_LINES / (time.monotonic() - begin), cpu / FILE_LINES * 1e9


def main():
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "lines.jsonl"
        path.write_bytes(LINE * FILE_LINES)
        got, peer = {row: [] for row in ROWS}, []
        with Desk(folder, CONFIG.format(folder=folder)) as desk:
            for _ in range(TIMES):
                for row in ROWS:
                    got[row].append(post(desk, *row))
                peer.append(from_file(desk, path))
            desk.finish()
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores\n\n| connections | lines a request | events/s | CPU ns an event |\n|---|---|---|---|")
    for row in ROWS:
        print(f"| {row[0]} | {row[1]:,} | {statistics.median(r for r, _ in got[row]):,.0f} | {statistics.median(c for _, c in got[row]):,.0f} |")
    print(f"| the same lines out of a file | | {statistics.median(r for r, _ in peer):,.0f} | {statistics.median(c for _, c in peer):,.0f} |")


if __name__ == "__main__":
    main()
