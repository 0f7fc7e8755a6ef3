"""What `cmake --install` puts down is enough for somebody else: headers, library and pkg-config, in C and C++, wherever it is
moved to; and the ABI is what its version says."""
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]
sys.path[:0] = [str(HERE)]

import frames  # noqa: E402

BUILD = os.environ["BUILD"]
HEADER = (ROOT / "tools/client/tickfuse_client.h").read_text()


def said(*command, **options):
    return subprocess.run(command, check=True, capture_output=True, text=True, **options).stdout


class Install(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        prefix = os.path.join(cls.folder.name, "before")
        said("cmake", "--install", BUILD, "--component", "client", "--prefix", prefix)
        cls.prefix = os.path.join(cls.folder.name, "moved")
        os.rename(prefix, cls.prefix)
        pc, = pathlib.Path(cls.prefix).rglob("tickfuse_client.pc")
        cls.environment = dict(os.environ, PKG_CONFIG_PATH=str(pc.parent), PKG_CONFIG_LIBDIR="")
        cls.library = str(pc.parent.parent)

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def built(self, compiler, language):
        flags = said("pkg-config", "--cflags", "--libs", "tickfuse_client", env=self.environment).split()
        program = os.path.join(self.folder.name, "outside-" + language)
        said(*compiler, "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-x", language, HERE / "outside.c", "-x", "none", *flags,
             f"-Wl,-rpath,{self.library}", "-o", program, cwd=self.folder.name)
        return program

    def test_an_outside_program_reads_with_pkg_config_alone_in_c_and_cpp(self):
        def serve(nth, client):
            client.hello()
            client.send(frames.welcome(1), frames.instruments("BTC.X"), frames.decisions(1, 2), frames.lost(3, 4),
                        frames.decisions(5, 5), frames.end(3))
            client.wait_closed()
        for compiler, language in ((["cc", "-std=c11"], "c"), (["c++", "-std=c++17"], "c++")):
            with frames.stream_listener(serve) as url:
                text = said(self.built(compiler, language), url)
            self.assertEqual(text, "1 BTC.X\n2 BTC.X\nlost 3 4\n5 BTC.X\nend: closed in order\n")

    def test_the_version_is_one_number_in_all_places(self):
        parts = [re.search(rf"TF_CLIENT_VERSION_{part}\s+(\d+)", HEADER)[1] for part in ("MAJOR", "MINOR", "PATCH")]
        self.assertEqual(said("pkg-config", "--modversion", "tickfuse_client", env=self.environment).strip(), ".".join(parts))
        real = os.path.realpath(os.path.join(self.library, "libtickfuse_client.so"))
        self.assertEqual(os.path.basename(real), "libtickfuse_client.so." + ".".join(parts))
        self.assertIn(f"SONAME               libtickfuse_client.so.{parts[0]}\n", said("objdump", "-p", real))

    def test_the_library_shows_what_the_header_declares_and_nothing_else(self):
        real = os.path.join(self.library, "libtickfuse_client.so")
        shown = {line.split()[-1] for line in said("nm", "-D", "--defined-only", real).splitlines() if " T " in line}
        declared = set(re.findall(r"\b(tf_client_\w+)\(", re.sub(r"/\*.*?\*/", "", HEADER, flags=re.S)))
        since = {"tf_client_label": "1.1"}  # what is not here has been there since 1.0, and stays what it was
        self.assertEqual(shown, {f"{name}@@TICKFUSE_CLIENT_{since.get(name, '1.0')}" for name in declared})
        self.assertGreater(len(declared), 15)

    def test_nothing_beside_the_library_is_put_down_but_its_headers(self):
        names = {str(p.relative_to(self.prefix)) for p in pathlib.Path(self.prefix).rglob("*") if p.is_file()}
        headers = {n for n in names if n.endswith(".h")}
        self.assertIn("include/tickfuse/tickfuse_client.h", headers)
        self.assertTrue(all(n.startswith("include/tickfuse/") for n in headers))
        self.assertTrue(all("tickfuse_client" in n for n in names - headers), names)
        included = set()
        for header in headers:
            included |= set(re.findall(r'#include "(.*?)"', pathlib.Path(self.prefix, header).read_text()))
        self.assertLessEqual({f"include/tickfuse/{name}" for name in included}, headers)


if __name__ == "__main__":
    unittest.main()
