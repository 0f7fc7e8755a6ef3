"""A network of one's own: the test runs again inside a new user and network namespace, where it is root over a loopback
that nobody else uses. nft drops packets there, tc bounds the rate, ip takes links and addresses away."""
import os
import shutil
import subprocess
import sys

INSIDE = os.environ.get("TF_NETNS") == "1"
RULE = ("add table inet tf", "add chain inet tf out { type filter hook output priority 0 ; }")


def enter():
    """Runs this script again inside; or says why not and exits with 77."""
    if INSIDE:
        sh("ip link set lo up")
        return
    for tool in ("unshare", "nft", "tc", "ip"):
        if not shutil.which(tool):
            skip(f"there is no {tool}")
    tried = subprocess.run(["unshare", "-rn", "nft", "add table inet tf"], capture_output=True, text=True)
    if tried.returncode:
        skip(f"this host allows no network namespace with nft: {tried.stderr.strip()[:200]}")
    os.environ["TF_NETNS"] = "1"
    os.execvp("unshare", ["unshare", "-rn", sys.executable, *sys.argv])


def skip(why):
    print(f"skipped: {why}")
    sys.exit(77)


def sh(command):
    done = subprocess.run(command, shell=True, capture_output=True, text=True)
    if done.returncode:
        raise AssertionError(f"{command}: {done.stderr.strip()}")


def nft(*rules):
    for rule in rules:
        sh(f"nft '{rule}'")


class Dropping:
    """Packets that match are gone, while it is entered. chance: in a hundred."""

    def __init__(self, *matches, chance=100):
        self.matches, self.chance = matches, chance

    def __enter__(self):
        nft(*RULE)
        for match in self.matches:
            some = "" if self.chance == 100 else f"numgen random mod 100 < {self.chance} "
            nft(f"add rule inet tf out {match} {some}counter drop")
        return self

    def dropped(self):
        out = subprocess.run(["nft", "list", "table", "inet", "tf"], capture_output=True, text=True).stdout
        return sum(int(line.split("packets")[1].split()[0]) for line in out.splitlines() if "packets" in line)

    def __exit__(self, *_):
        nft("delete table inet tf")
