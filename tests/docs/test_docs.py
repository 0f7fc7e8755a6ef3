"""What the documentation says, held against the built binary: commands and their output, configs, snippets, options, links."""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import markdown
from markdown import ROOT
from stage import TICKFUSE, Stage

DOCUMENTS = [ROOT / "README.md", ROOT / "docs" / "tasks.md"]
MAN = ROOT / "docs" / "man"
PROGRAMS = {"tickfuse-gpu": os.environ.get("TICKFUSE_GPU")}  # beside the binary; the path of one with its options
WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Werror"]
C_WARNINGS = WARNINGS + ["-std=gnu17", "-D_GNU_SOURCE", "-Wconversion", "-Wno-sign-conversion", "-Wstrict-prototypes",
                         "-Wdouble-promotion", "-Wvla", "-ffp-contract=off", "-fno-math-errno"]
INDICATOR = re.compile(r"^TF_INDICATOR_DEFINE\((\w+),", re.M)


def tested(path, language):
    return [b for b in markdown.blocks(path) if b.tested and b.language == language]


def run(*command, **kwargs):
    return subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=120, **kwargs)


def tickfuse(*args):
    done = run(TICKFUSE, *args)
    if done.returncode != 0:
        raise AssertionError(f"tickfuse {' '.join(args)}: exit {done.returncode}\n{done.stderr}")
    return done.stdout


def commands():
    """Of the binary's own list: ["run"], ["replay"] ... ["model", "import"] ..."""
    found = []
    for name in re.findall(r"^  (\w+) ", tickfuse("--help"), flags=re.M):
        subs = re.search(r"^usage: tickfuse \w+ ([a-z]+(?:\|[a-z]+)+) ", tickfuse(name, "--help"))
        found += [[name, sub] for sub in subs[1].split("|")] if subs else [[name]]
    return found


def help_options(command):
    return set(re.findall(r"^  (--[a-z][a-z0-9-]*)", tickfuse(*command, "--help"), flags=re.M))


class Commands(unittest.TestCase):
    def test_documented_commands_print_what_the_documents_say(self):
        stage = Stage()
        for path in DOCUMENTS:
            session = [(b, c) for b in tested(path, "console") for c in markdown.console(b)]
            if not session:
                continue
            printed, _ = stage.session([command.text for _, command in session])
            self.assertEqual(len(printed), len(session), f"{path.name}: the shell ended early:\n{printed[-1:]}")
            for (block, command), text in zip(session, printed):
                expected = [stage.own(line) for line in command.expected]
                if not markdown.matches(expected, text):
                    with self.subTest(block.where):
                        self.fail(f"{block.where}: $ {command.text}\nexpected\n" + "\n".join(expected)
                                  + f"\nprinted\n{text}")

    def test_documented_configs_pass_check(self):
        stage = Stage()
        for path in DOCUMENTS:
            for i, block in enumerate(tested(path, "yaml")):
                config = stage.root / "tmp" / f"{path.stem}-{i}.yaml"
                config.write_text(block.text)
                done = run(TICKFUSE, "check", config, cwd=stage.root)
                self.assertEqual(done.returncode, 0, f"{block.where}: {done.stderr}")

    def test_documented_options_exist(self):
        known = {" ".join(c): help_options(c) for c in commands()}
        for path in markdown.files():
            code = [b.text for b in markdown.blocks(path)] + re.findall(r"`([^`\n]+)`", markdown.prose(path))
            for text in code:
                for use in re.finditer(r"tickfuse ((?:model )?\w+)\b((?:\\\n|[^\n|;&])*)", text):
                    if use[1] not in known:
                        continue
                    for option in re.findall(r"(?<=\s)--[a-z][a-z0-9-]*", re.sub(r"'[^']*'", "", use[2])):
                        self.assertIn(option, known[use[1]] | {"--help"}, f"{path.name}: {use[0]}")


class Snippets(unittest.TestCase):
    def test_programs_compile_as_c_and_as_cpp(self):
        stage, count = Stage(), 0
        for path in DOCUMENTS:
            for block in tested(path, "c"):
                if INDICATOR.search(block.text):
                    continue
                source = stage.root / "tmp" / f"{path.stem}-{count}.c"
                source.write_text(self.program(block.text))
                count += 1
                for compiler in (["gcc", *C_WARNINGS], ["g++", "-x", "c++", "-std=c++17", *WARNINGS]):
                    done = run(*compiler, "-fsyntax-only", "-I", ROOT / "include", source)
                    self.assertEqual(done.returncode, 0, f"{block.where}: {done.stderr}")
        self.assertGreaterEqual(count, 2)

    @staticmethod
    def program(text):
        """A snippet without main is statements: its includes go first, the rest into a function."""
        if re.search(r"\bint main\(", text):
            return text
        includes = "".join(re.findall(r"^#include .*\n", text, flags=re.M))
        rest = re.sub(r"^#include .*\n", "", text, flags=re.M)
        return (f"#include <stdio.h>\n{includes}void act_on(const tf_decision_t *d);\nint snippet(void);\n"
                f"int snippet(void) {{\n{rest}\n}}\n")

    def test_worked_indicator_passes_the_contract_tests_of_all_indicators(self):
        blocks = [b for b in tested(ROOT / "docs" / "tasks.md", "c") if INDICATOR.search(b.text)]
        self.assertEqual(len(blocks), 1)
        name = INDICATOR.search(blocks[0].text)[1]
        folder = ROOT / "kernels" / "indicator"
        self.assertFalse((folder / f"{name}.c").exists(), f"{name} exists: the example needs another name")
        line = [b.text.strip() for b in tested(ROOT / "docs" / "tasks.md", "") if "TF_INDICATOR" in b.text]
        self.assertEqual(line, [f"TF_INDICATOR({name})"])

        stage = Stage()
        own = stage.root / "tmp" / "indicator"
        own.mkdir()
        (own / f"{name}.c").write_text(blocks[0].text)
        text = (folder / "indicators.def").read_text()
        head = text[:text.index("\nTF_INDICATOR") + 1]
        lines = re.findall(r"^TF_INDICATOR(?:_OF)?\(.*$", text, flags=re.M)
        lines = sorted(lines + line, key=lambda text: re.search(r"(\w+)\)", text)[1])
        (own / "indicators.def").write_text(head + "\n".join(lines) + "\n")
        tests = ROOT / "tests" / "kernels" / "indicator"
        program = own / "test_indicator"
        done = run("gcc", "-O1", *C_WARNINGS, "-I", own.parent, *(f"-I{ROOT / d}" for d in ("include", "engine", "kernels")),
                   "-I", ROOT / "tests", own / f"{name}.c", *sorted(folder.glob("*.c")), tests / "test_indicator.c",
                   tests / "market_script.c", "-lcmocka", "-lm", "-o", program)
        self.assertEqual(done.returncode, 0, f"{blocks[0].where}: {done.stderr}")
        done = run(program)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn(name, done.stdout + done.stderr)

    def test_indicators_that_tasks_md_names_exist(self):
        known = set(re.findall(r"^TF_INDICATOR(?:_OF\(\w+, |\()(\w+)\)", (ROOT / "kernels/indicator/indicators.def").read_text(),
                               flags=re.M))
        rows = re.findall(r"^\| of (?:the market|a series) \| (.*) \|$", (ROOT / "docs/tasks.md").read_text(), flags=re.M)
        self.assertEqual(len(rows), 2)
        named = set(re.findall(r"`(\w+)`", " ".join(rows)))
        self.assertEqual(named - known, set())


class Manual(unittest.TestCase):
    def page(self, command):
        path = MAN / f"tickfuse-{command}.1"
        self.assertTrue(path.exists(), f"{command} has no manual page {path.name}")
        return path.read_text()

    def options(self, text):
        return {f"--{name}" for name in re.findall(r"^\.It Fl -([a-z][a-z0-9-]*)", text, flags=re.M)}

    def test_every_command_s_options_are_those_of_its_page(self):
        for command in commands():
            text = self.page(command[0])
            if len(command) == 2:
                section = re.search(rf"^\.Ss {command[1]}\n(.*?)^\.S[sh]", text, flags=re.M | re.S)
                self.assertTrue(section, f"tickfuse-{command[0]}.1 has no section on {command[1]}")
                text = section[1]
            self.assertEqual(self.options(text), help_options(command), " ".join(command))

    def test_synopsis_names_every_option(self):
        for command in {c[0] for c in commands()}:
            text = self.page(command)
            synopsis = re.search(r"^\.Sh SYNOPSIS\n(.*?)^\.Sh", text, flags=re.M | re.S)[1]
            named = {f"--{name}" for name in re.findall(r"\bFl -([a-z][a-z0-9-]*)", synopsis)}
            self.assertEqual(named, self.options(text), command)

    def test_every_program_s_options_are_those_of_its_page(self):
        for program, path in PROGRAMS.items():
            text = (MAN / f"{program}.1").read_text()
            if path:
                said = run(path, "--help").stdout
                self.assertEqual(self.options(text), set(re.findall(r"--[a-z][a-z-]*", said)) - {"--help"}, program)

    def test_every_page_is_a_command_s_and_is_referred_to(self):
        names = {f"tickfuse-{c[0]}" for c in commands()} | set(PROGRAMS)
        self.assertEqual({p.stem for p in MAN.glob("*.1")}, names | {"tickfuse"})
        overview = (MAN / "tickfuse.1").read_text()
        self.assertEqual(set(re.findall(r"^\.It Xr (\S+) 1$", overview, flags=re.M)), names)
        for path in MAN.glob("*.1"):
            text = path.read_text()
            self.assertIn(f".Dt {path.stem.upper()} 1\n", text)
            self.assertEqual(set(re.findall(r"^\.Xr (\S+) 1", text, flags=re.M)) - names - {"tickfuse"}, set())

    def test_pages_are_without_formatting_errors(self):
        for tool in (["mandoc", "-Tlint", "-Wwarning"], ["groff", "-mandoc", "-Tutf8", "-ww", "-z"],
                     ["man", "--warnings", "-l"]):
            if shutil.which(tool[0]):
                break
        else:
            self.skipTest("none of mandoc, groff, man is installed")
        for path in sorted(MAN.glob("*.1")):
            done = run(*tool, path)
            self.assertEqual((done.returncode, done.stderr), (0, ""), path.name)
            if tool[0] == "mandoc":
                self.assertEqual(done.stdout, "", path.name)


class Files(unittest.TestCase):
    def test_config_md_is_what_schema_prints(self):
        self.assertEqual((ROOT / "docs" / "config.md").read_text(), tickfuse("schema", "--markdown"),
                         "write it anew: tickfuse schema --markdown > docs/config.md")

    def test_venues_md_is_what_venues_prints(self):
        self.assertEqual((ROOT / "docs" / "venues.md").read_text(), tickfuse("venues", "--markdown"),
                         "write it anew: tickfuse venues --markdown > docs/venues.md")

    def test_relative_links_lead_somewhere(self):
        broken = []
        for path in markdown.files():
            for target in re.findall(r"\]\(([^)\s]+)\)", markdown.prose(path)):
                if re.match(r"[a-z]+:", target):
                    continue
                name, _, anchor = target.partition("#")
                file = (path.parent / name).resolve() if name else path
                if not file.exists():
                    broken.append(f"{path.relative_to(ROOT)}: {target}")
                elif anchor and file.suffix == ".md" and anchor not in markdown.anchors(file):
                    broken.append(f"{path.relative_to(ROOT)}: {target}: no such heading")
        self.assertEqual(broken, [])


if __name__ == "__main__":
    if not TICKFUSE.exists():
        print(f"skipped: {TICKFUSE} is not built")
        sys.exit(77)
    unittest.main(verbosity=2)
