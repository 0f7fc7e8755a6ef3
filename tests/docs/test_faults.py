"""docs/faults.md against the tests: every fault F01 to F38 has a row, of the later ones those that are shown, every row a test, and every test that is named
exists where ctest would run it. Usage: test_faults.py BUILD_DIR"""
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
PYTHON = {"e2e_": "tests/e2e/test_", "sim_": "tests/tools/sim/test_"}


def sources(name):
    """The files whose cases a ctest has."""
    for prefix, path in PYTHON.items():
        if name.startswith(prefix):
            return [ROOT / f"{path}{name[len(prefix):]}.py"]
    return sorted((ROOT / "tests").rglob(f"{name}.c"))


def has_case(path, case):
    text = path.read_text()
    if path.suffix == ".py":
        return re.search(rf"^    def {case}\(", text, re.M) is not None
    return len(re.findall(rf"\b{case}\b", text)) >= 2  # its body, and its place in the list


def main(build):
    known = set(re.findall(r"Test\s+#\d+: (\S+)", subprocess.run(["ctest", "--test-dir", build, "-N"], capture_output=True,
                                                                   text=True, check=True).stdout))
    known |= {name.rpartition("_")[0] for name in known if re.search(r"_[A-Z]", name)}  # a file whose classes are entries
    faults_known = set(re.findall(r'^F\(\w+, "(\w+)"', (ROOT / "tools/sim/faults.def").read_text(), re.M)) | {"field_*"}
    problems, ids = [], []
    for row in re.findall(r"^\| (F\d\d) \|(.*)\|$", (ROOT / "docs/faults.md").read_text(), re.M):
        cells = [cell.strip() for cell in row[1].split(" | ")]
        ids.append(row[0])
        tests = re.findall(r"`(\w+)/(\w*)`", cells[-1])
        if not tests:
            problems.append(f"{row[0]}: no test is named")
        for name, case in tests:
            files = [path for path in sources(name) if path.exists()]
            if name not in known:
                problems.append(f"{row[0]}: ctest knows no {name}")
            elif case and not any(has_case(path, case) for path in files):
                problems.append(f"{row[0]}: {name} has no case {case}")
        for part in re.findall(r"sim ((?:`[^`]+`(?:, )?)+)", cells[-2]):
            for fault in re.findall(r"`([^`]+)`", part):
                if not fault.startswith("--") and fault not in faults_known:
                    problems.append(f"{row[0]}: the simulator has no fault {fault}")
    if ids[:38] != [f"F{i:02}" for i in range(1, 39)] or ids != sorted(set(ids)):
        problems.append(f"rows are not F01 to F38 in order, and others behind them: {ids}")
    print("\n".join(problems) or f"{len(ids)} faults, each with its tests")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
