#!/usr/bin/env python3
"""`tickfuse doctor` on hosts of our own making: a folder with proc and sys, changed one file at a time.

  test_doctor.py PATH_OF_TICKFUSE
"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

TICKFUSE = os.path.abspath(sys.argv.pop(1))
CPU = "sys/devices/system/cpu/"
THP = "sys/kernel/mm/transparent_hugepage/enabled"
LIMITS = """Limit                     Soft Limit           Hard Limit           Units
Max locked memory         {}             {}             bytes
Max open files            {}               {}               files
"""

# A host on which every finding is good.
GOOD = {
    "proc/sys/kernel/osrelease": "6.12.4-custom\n",
    "proc/sys/kernel/io_uring_disabled": "0\n",
    CPU + "cpu0/cpufreq/scaling_governor": "performance\n",
    CPU + "cpu1/cpufreq/scaling_governor": "performance\n",
    CPU + "cpu0/cpuidle/state0/latency": "0\n",
    CPU + "cpu0/cpuidle/state0/name": "POLL\n",
    CPU + "cpu0/cpuidle/state1/latency": "2\n",
    CPU + "cpu0/cpuidle/state1/name": "C1\n",
    CPU + "isolated": "2-3\n",
    CPU + "nohz_full": "2-3\n",
    CPU + "smt/active": "0\n",
    THP: "always [madvise] never\n",
    "proc/meminfo": "MemTotal: 1 kB\nHugePages_Total:     256\nHugePages_Free:      200\nHugepagesize:       2048 kB\n",
    "proc/self/limits": LIMITS.format("unlimited", "unlimited", "65536", "65536"),
    "sys/devices/system/clocksource/clocksource0/current_clocksource": "tsc\n",
    "proc/cpuinfo": "processor : 0\nflags\t\t: fpu constant_tsc nonstop_tsc avx2\n",
    "sys/devices/system/node/online": "0\n",
    "proc/sys/kernel/numa_balancing": "0\n",
    "proc/swaps": "Filename\tType\tSize\tUsed\tPriority\n",
    "proc/sys/vm/swappiness": "60\n",
    "proc/7/comm": "systemd\n",
    "proc/sys/net/core/busy_poll": "50\n",
    "proc/sys/net/core/busy_read": "50\n",
    "proc/sys/net/core/somaxconn": "4096\n",
    "proc/sys/net/core/rmem_max": "4194304\n",
    "proc/self/cgroup": "0::/user.slice\n",
    "sys/fs/cgroup/user.slice/cpu.max": "max 100000\n",
    "proc/stat": "cpu  1000 0 1000 100000 0 0 0 10 0 0\n",
}

# finding, the file that makes it so (None: removed), grade, a part of the value, a part of the remedy
ROWS = [
    ("kernel", {"proc/sys/kernel/osrelease": "6.1.0-21-amd64"}, "good", "6.1.0", None),
    ("kernel", {"proc/sys/kernel/osrelease": "6.0.9"}, "warn", "6.0.9", "6.1"),
    ("kernel", {"proc/sys/kernel/osrelease": "5.15.0-generic"}, "bad", "5.15", "6.1"),
    ("io_uring", {"proc/sys/kernel/io_uring_disabled": "1"}, "warn", "=1", "kernel.io_uring_disabled=0"),
    ("io_uring", {"proc/sys/kernel/io_uring_disabled": "2"}, "bad", "=2", "kernel.io_uring_disabled=0"),
    ("io_uring", {"proc/sys/kernel/io_uring_disabled": None}, "unknown", "-", None),
    ("io_uring", {"proc/sys/kernel/io_uring_disabled": None, "proc/sys/kernel/osrelease": "6.1.0"}, "good", "-", None),
    ("governor", {CPU + "cpu1/cpufreq/scaling_governor": "powersave"}, "warn", "powersave on 1 of 2", "cpupower"),
    ("governor", {CPU + "cpu0/cpufreq/scaling_governor": None}, "unknown", "-", None),
    ("idle_states", {CPU + "cpu0/cpuidle/state1/latency": "10"}, "good", "10 us", None),
    ("idle_states", {CPU + "cpu0/cpuidle/state1/latency": "11"}, "warn", "C1, 11 us", "cpupower idle-set"),
    ("idle_states", {CPU + "cpu0/cpuidle/state1/latency": "133", CPU + "cpu0/cpuidle/state1/disable": "1"}, "good", "POLL", None),
    ("isolated", {CPU + "isolated": ""}, "warn", "none", "isolcpus="),
    ("nohz_full", {CPU + "nohz_full": "(null)"}, "warn", "none", "nohz_full="),
    ("nohz_full", {CPU + "nohz_full": None}, "warn", "none", "nohz_full="),
    ("smt", {CPU + "smt/active": "1", CPU + "cpu0/topology/thread_siblings_list": "0,64"}, "warn", "0,64", "smt/control"),
    ("smt", {CPU + "smt/active": None}, "unknown", "-", None),
    ("thp", {THP: "[always] madvise never"}, "warn", "always", "echo madvise"),
    ("thp", {THP: "always madvise [never]"}, "warn", "never", "echo madvise"),
    ("huge_pages", {"proc/meminfo": "HugePages_Total: 0\nHugePages_Free: 0\nHugepagesize: 2048 kB"}, "warn", "0 of 0", "vm.nr_hugepages"),
    ("huge_pages", {"proc/meminfo": "MemTotal: 1 kB"}, "unknown", "-", None),
    ("memlock", {"proc/self/limits": LIMITS.format(67108864, 67108864, 65536, 65536)}, "good", "65536 KiB", None),
    ("memlock", {"proc/self/limits": LIMITS.format(67108863, 67108864, 65536, 65536)}, "good", "65535 KiB", None),
    ("memlock", {"proc/self/limits": LIMITS.format(67108863, 67108864, 65536, 65536), "proc/sys/kernel/osrelease": "5.11.9"}, "warn", "65535 KiB", "ulimit -l"),
    ("memlock", {"proc/self/limits": LIMITS.format(67108864, 67108864, 65536, 65536), "proc/sys/kernel/osrelease": "5.11.9"}, "good", "65536 KiB", None),
    ("nofile", {"proc/self/limits": LIMITS.format(1, 1, 4096, 65536)}, "good", "4096", None),
    ("nofile", {"proc/self/limits": LIMITS.format(1, 1, 4095, 65536)}, "warn", "4095", "ulimit -n"),
    ("nofile", {"proc/self/limits": LIMITS.format(1, 1, 1024, 65536)}, "warn", "1024", "ulimit -n"),
    ("nofile", {"proc/self/limits": LIMITS.format(1, 1, 1023, 65536)}, "bad", "1023", "ulimit -n"),
    ("clocksource", {"sys/devices/system/clocksource/clocksource0/current_clocksource": "hpet"}, "bad", "hpet", "tsc"),
    ("tsc", {"proc/cpuinfo": "processor : 0\nflags : fpu constant_tsc\nprocessor : 1 nonstop_tsc"}, "bad", "stops when idle", "invariant"),
    ("tsc", {"proc/cpuinfo": "processor\t: 0\nFeatures\t: fp asimd"}, "unknown", "-", None),
    ("numa", {"sys/devices/system/node/online": "0-1"}, "warn", "0-1", "pin lanes"),
    ("numa", {"sys/devices/system/node/online": "0-1", "proc/sys/kernel/numa_balancing": "1"}, "warn", "balancing on", "numa_balancing=0"),
    ("swap", {"proc/swaps": "Filename Type\n/dev/sda2 partition"}, "warn", "on, swappiness 60", "swapoff"),
    ("swap", {"proc/swaps": "Filename Type\n/dev/sda2 partition", "proc/sys/vm/swappiness": "10"}, "good", "10", None),
    ("irqbalance", {"proc/812/comm": "irqbalance"}, "warn", "runs", "systemctl stop irqbalance"),
    ("busy_poll", {"proc/sys/net/core/busy_read": "0"}, "warn", "read 0 us", "engine.busy_poll"),
    ("somaxconn", {"proc/sys/net/core/somaxconn": "1024"}, "good", "1024", None),
    ("somaxconn", {"proc/sys/net/core/somaxconn": "1023"}, "warn", "1023", "somaxconn"),
    ("rmem_max", {"proc/sys/net/core/rmem_max": "4194303"}, "warn", "4194303", "rmem_max"),
    ("cpu_quota", {"sys/fs/cgroup/user.slice/cpu.max": "150000 100000"}, "bad", "1.50 cores", "CPUQuota"),
    ("cpu_quota", {"proc/self/cgroup": "0::/", "sys/fs/cgroup/cpu.max": None}, "good", "none", None),
    ("cpu_quota", {"proc/self/cgroup": "4:memory:/a\n1:cpu:/b\n0::/", "sys/fs/cgroup/cpu/b/cpu.cfs_quota_us": "50000",
                   "sys/fs/cgroup/cpu/b/cpu.cfs_period_us": "100000"}, "bad", "0.50 cores", "CPUQuota"),
    ("cpu_quota", {"proc/self/cgroup": "1:cpu,cpuacct:/b\n0::/", "sys/fs/cgroup/cpu/b/cpu.cfs_quota_us": "-1"}, "good", "none", None),
    ("steal", {"proc/stat": "cpu  0 0 0 999000 0 0 0 1000 0 0"}, "warn", "0.100 %", "dedicated"),
    ("steal", {"proc/stat": "cpu  0 0 0 990000 0 0 0 10000 0 0"}, "bad", "1.000 %", "dedicated"),
    ("steal", {"proc/stat": "cpu  1 2 3"}, "unknown", "-", None),
]
MEASURED = ["io_uring_probe", "clock_read", "timer_jitter", "loopback_round_trip"]


def doctor(*args):
    return subprocess.run([TICKFUSE, "doctor", *args], capture_output=True, text=True, timeout=60, check=False)


def write(root, files):
    for name, text in files.items():
        path = pathlib.Path(root, name)
        if text is None:
            path.unlink(missing_ok=True)
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())


def findings(root, *args):
    done = doctor("--json", "--root", root, *args)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


class Doctor(unittest.TestCase):
    def test_a_good_host_has_nothing_but_good_findings(self):
        with tempfile.TemporaryDirectory() as root:
            write(root, GOOD)
            report = findings(root, "--strict")
            self.assertEqual([f for f in report["findings"] if f["grade"] != "good" or f["remedy"]], [])
            self.assertEqual((report["bad"], report["warn"], report["unknown"]), (0, 0, 0))
            self.assertEqual({f["id"] for f in report["findings"]}, {row[0] for row in ROWS})
            for f in report["findings"]:
                self.assertTrue(f["value"] and f["says"], f)

    def test_each_setting_changes_its_own_finding_and_no_other(self):
        with tempfile.TemporaryDirectory() as root:
            write(root, GOOD)
            before = {f["id"]: f for f in findings(root)["findings"]}
        for name, files, grade, value, remedy in ROWS:
            with self.subTest(name=name, files=files), tempfile.TemporaryDirectory() as root:
                write(root, GOOD)
                write(root, files)
                after = {f["id"]: f for f in findings(root)["findings"]}
                f = after[name]
                self.assertEqual(f["grade"], grade, f)
                self.assertIn(value, f["value"])
                if remedy is None:
                    self.assertIsNone(f["remedy"], f)
                else:
                    self.assertIn(remedy, f["remedy"])
                related = {name, "kernel"} | ({"nofile", "memlock"} if "proc/self/limits" in files else set())
                self.assertEqual([i for i in after if i not in related and after[i] != before[i]], [])

    def test_an_empty_host_is_unknown_not_an_error(self):
        with tempfile.TemporaryDirectory() as root:
            write(root, {"proc/sys/kernel/osrelease": "6.12.0"})
            report = findings(root)
            self.assertEqual(report["bad"], 0)
            self.assertGreater(report["unknown"], 10)

    def test_files_of_garbage_are_survived(self):
        for garbage in (b"", b"\xff\xfe\x00\x01" * 50000, b"9" * 300000, b"-1", b"[", b"\n" * 1000, b":" * 5000):
            with tempfile.TemporaryDirectory() as root:
                write(root, {name: garbage for name in GOOD})
                report = findings(root)
                self.assertEqual(len(report["findings"]), len({row[0] for row in ROWS}))

    def test_a_root_that_is_no_host_is_bad_usage(self):
        with tempfile.TemporaryDirectory() as root:
            done = doctor("--root", root)
            self.assertEqual(done.returncode, 2)
            self.assertIn(root, done.stderr)

    def test_strict_fails_on_what_is_bad_alone(self):
        with tempfile.TemporaryDirectory() as root:
            write(root, GOOD)
            write(root, {THP: "[always] never"})
            self.assertEqual(doctor("--root", root, "--strict").returncode, 0)
            write(root, {"proc/sys/kernel/io_uring_disabled": "2"})
            self.assertEqual(doctor("--root", root, "--strict").returncode, 1)
            self.assertEqual(doctor("--root", root).returncode, 0)

    def test_text_has_worst_first_and_the_remedy_below(self):
        with tempfile.TemporaryDirectory() as root:
            write(root, GOOD)
            write(root, {THP: "[always] never", "proc/sys/kernel/io_uring_disabled": "2"})
            lines = doctor("--root", root).stdout.splitlines()
            self.assertEqual([line.split()[:2] for line in lines[:3:2]], [["bad", "io_uring"], ["warn", "thp"]])
            self.assertIn("-> sysctl -w kernel.io_uring_disabled=0", lines[1])
            self.assertEqual(lines[-1], "1 bad, 1 warn, 19 good, 0 unknown")

    def test_this_host_is_measured_unless_told_otherwise(self):
        done = doctor("--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        rows = {f["id"]: f for f in json.loads(done.stdout)["findings"]}
        for name in MEASURED:
            self.assertIn(name, rows)
            self.assertNotEqual(rows[name]["value"], "", name)
        self.assertRegex(rows["clock_read"]["value"], r"^[0-9.]+ ns, clock_gettime [0-9.]+ ns$")
        self.assertRegex(rows["timer_jitter"]["value"], r"^longest gap [0-9.]+ us, [0-9]+ over 10 us in 1 s$")
        self.assertRegex(rows["loopback_round_trip"]["value"], r"^p50 [0-9.]+ us, p99 [0-9.]+ us$")
        rows = {f["id"] for f in json.loads(doctor("--json", "--no-measure").stdout)["findings"]}
        self.assertFalse(rows & set(MEASURED))

    def test_snapshots_are_graded_by_what_is_in_the_way(self):
        with tempfile.TemporaryDirectory() as root:
            snap = pathlib.Path(root) / "s.snap"
            config = pathlib.Path(root) / "c.yaml"
            exact = "snapshot_every: 10s, snapshot_restore: exact"

            def graded(engine):
                config.write_text(f"engine: {{{engine}}}\nfeatures: [mid]\n")
                done = doctor(config, "--json", "--no-measure")
                self.assertEqual(done.returncode, 0, done.stderr)
                return [f for f in json.loads(done.stdout)["findings"] if f["id"] == "snapshots"]

            self.assertEqual(graded("idle: spin"), [])
            snap.write_bytes(bytes(12345))
            found, = graded(f"snapshot: {snap}, {exact}")
            self.assertEqual(found["grade"], "good")
            self.assertRegex(found["value"], r"^every 10 s, restored exact; the last 12345 bytes, \d+ s ago$")
            found, = graded(f"snapshot: {snap}, {exact}, conflate_after: 5ms")
            self.assertEqual(found["grade"], "warn")
            self.assertIn("sheds work", found["says"])
            found, = graded(f"snapshot: {root}/none/s.snap, {exact}")
            self.assertEqual(found["grade"], "bad")
            self.assertIn("none takes no file: No such file or directory", found["says"])


if __name__ == "__main__":
    unittest.main(verbosity=1)
