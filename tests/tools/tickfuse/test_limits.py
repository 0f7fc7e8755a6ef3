"""`tickfuse --limits`: the file that a row names does use the row's constant, rows are sorted and unique, and every
input that comes from outside has some."""
import json
import os
import pathlib
import re
import subprocess
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[3]
TICKFUSE = os.environ["TICKFUSE"]
INPUTS = {"HTTP server", "HTTP upgrade", "JSON", "REST answer", "TLS", "config", "deflate", "events", "model file", "number",
          "recording", "websocket"}


def output(*args):
    return subprocess.run([TICKFUSE, *args], capture_output=True, text=True, check=True, timeout=60).stdout


class Limits(unittest.TestCase):
    rows = json.loads(output("--limits", "--json"))

    def test_the_file_that_a_row_names_enforces_its_constant(self):
        for row in self.rows:
            text = (ROOT / row["where"]).read_text()
            self.assertTrue(re.search(rf"\b{row['constant']}\b", text), row)

    def test_values_are_positive_and_rows_are_sorted_by_input(self):
        self.assertTrue(all(row["value"] > 0 for row in self.rows))
        inputs = [row["input"] for row in self.rows]
        self.assertEqual(inputs, sorted(inputs))
        self.assertEqual(len({(row["input"], row["limit"]) for row in self.rows}), len(self.rows))

    def test_every_input_from_outside_has_limits(self):
        self.assertLessEqual(INPUTS, {row["input"] for row in self.rows})

    def test_the_table_for_people_has_the_same_rows(self):
        lines = output("--limits").splitlines()
        self.assertEqual(lines[0].split(), ["input", "limit", "value", "unit", "where"])
        self.assertEqual(len(lines) - 1, len(self.rows))
        for line, row in zip(lines[1:], self.rows):
            for word in (row["input"], row["limit"], str(row["value"]), row["unit"], row["where"]):
                self.assertIn(word, line)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
