#!/usr/bin/env python3
"""The command line and the environment as an attacker or an accident may set them (FAULTS section 3,
row CLI/env): closed descriptors, other locales, huge arguments, borrowed rights.

  test_environment.py PATH_OF_TICKFUSE
"""
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

TICKFUSE = os.path.abspath(sys.argv.pop(1))
ARG_BYTES_MAX = 128 * 1024  # MAX_ARG_STRLEN of Linux: one argument, its NUL included


def run(*args, **options):
    return subprocess.run([TICKFUSE, *args], capture_output=True, text=True, timeout=60, check=False, **options)


class Environment(unittest.TestCase):
    def test_closed_descriptors_do_not_become_files(self):
        # A shell closes 0, 1 and 2; what the program then opens first must not be one of them.
        with tempfile.TemporaryDirectory() as folder:
            out = os.path.join(folder, "out")
            script = f'exec 0<&- 1>&- 2>&-; "{TICKFUSE}" check configs/replay.yaml; echo $? > {out}'
            subprocess.run(["/bin/sh", "-c", script], check=True, timeout=60)
            with open(out, encoding="utf-8") as file:
                self.assertEqual(file.read().strip(), "0")

    def test_a_decimal_comma_in_the_environment_changes_no_number(self):
        plain = run("check", "configs/replay.yaml", env={"PATH": "/usr/bin:/bin"})
        self.assertEqual(plain.returncode, 0, plain.stderr)
        for locale in ("de_DE.UTF-8", "tr_TR.UTF-8", "\xff\xfe", "A" * 4096):
            other = run("check", "configs/replay.yaml", env={"PATH": "/usr/bin:/bin", "LC_ALL": locale, "LANG": locale})
            self.assertEqual((other.returncode, other.stdout), (plain.returncode, plain.stdout))

    def test_the_longest_arguments_are_answered_with_a_usage_error(self):
        longest = "x" * (ARG_BYTES_MAX - 1)
        for args in ([longest], ["replay", longest], ["replay", "--" + longest[2:]],
                     ["replay", "configs/replay.yaml", "--input", longest],
                     ["replay", "configs/replay.yaml", "--set", longest]):
            done = run(*args)
            self.assertEqual(done.returncode, 2, (args[:2], done.stderr[-300:]))
            self.assertLess(len(done.stderr), 4096, "an error text repeats what it was given, but not all of it")

    def test_two_mebibytes_of_arguments_are_a_usage_error(self):
        done = run("replay", "configs/replay.yaml", *["a" * 1000] * 1800)
        self.assertEqual(done.returncode, 2, done.stderr[-300:])

    def test_values_of_one_option_are_limited(self):
        for cnt, wanted in ((63, 0), (64, 0), (65, 2)):
            inputs = [word for _ in range(cnt) for word in ("--set", "engine.idle=yield")]
            done = run("check", "configs/replay.yaml", *inputs)
            self.assertEqual(done.returncode, wanted, f"{cnt}: {done.stderr[-300:]}")

    def test_control_characters_in_an_argument_do_not_reach_the_terminal(self):
        done = run("replay\x1b[2J\x07")
        self.assertEqual(done.returncode, 2)
        self.assertNotIn("\x1b", done.stderr)

    def test_a_setuid_binary_refuses(self):
        if os.geteuid() != 0:
            self.skipTest("needs root to make a setuid file of another user")
        with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
            os.chmod(folder, 0o755)
            copy = os.path.join(folder, "tickfuse")
            shutil.copy(TICKFUSE, copy)
            os.chmod(copy, 0o4755)  # owned by root, run as nobody
            done = subprocess.run([copy, "--version"], capture_output=True, text=True, check=False, timeout=60,
                                  user="nobody", env={})
            if done.returncode == 0 and "nosuid" in open("/proc/mounts", encoding="utf-8").read():
                self.skipTest("no file system here honours setuid")
            self.assertEqual(done.returncode, 2, done.stdout)
            self.assertIn("setuid", done.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=1)
