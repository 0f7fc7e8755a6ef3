#!/usr/bin/python3
"""docs/models.md holds the ONNX operations that `model ops` lists, and each family of tests/golden/models. Usage:
models_doc.py PATH_OF_MODEL_COMMAND [--write]: --write makes the tables anew."""
import json
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).parents[3]
DOC = ROOT / "docs/models.md"


def between(text, name):
    begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
    return text.index(begin) + len(begin), text.index(end)


def main():
    ops = json.loads(subprocess.run([sys.argv[1], "ops", "--json"], check=True, capture_output=True, text=True).stdout)
    table = "| ONNX operation | attributes |\n|---|---|\n"
    table += "".join(f"| {name} | {' '.join(attributes) or '-'} |\n" for name, attributes in ops.items())
    text = DOC.read_text()
    begin, end = between(text, "operations")
    if "--write" in sys.argv:
        DOC.write_text(text[:begin] + table + text[end:])
        return
    missing = [p.stem for p in sorted((ROOT / "tests/golden/models").glob("*.onnx")) if f"`{p.stem}`" not in text]
    if text[begin:end] != table:
        print("docs/models.md: its operations are not those of `model ops`: run models_doc.py with --write")
    if missing:
        print(f"docs/models.md: families {', '.join(missing)} are not in it")
    sys.exit(1 if missing or text[begin:end] != table else 0)


main()
