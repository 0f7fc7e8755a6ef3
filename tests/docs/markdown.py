"""Reading Markdown: fenced blocks, and console sessions with what they are expected to print.

A fence directly below the line `<!-- tested -->` is tested. What a test does with it depends on its language:

  console  `$ ` begins a command, `> ` continues it, other lines are its output, standard error included. A line `...`
           stands for any number of lines, `...` inside a line for any text; runs of spaces are one space.
  yaml     a config that `tickfuse check` accepts
  c        an indicator, or a program in C and C++ alike; without main, statements
"""
import collections
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[2]
MARK = "<!-- tested -->"

Block = collections.namedtuple("Block", "where language text tested")
Command = collections.namedtuple("Command", "text expected")


def files():
    """All Markdown files of the repository, without what was built or fetched."""
    for path in sorted(ROOT.rglob("*.md")):
        if not {"build", ".git", "node_modules"} & set(path.relative_to(ROOT).parts[:-1]):
            yield path


def blocks(path):
    lines = path.read_text().split("\n")
    found, at = [], 0
    while at < len(lines):
        fence = re.match(r"(```+)(\w*)\s*$", lines[at])
        if fence:
            end = at + 1
            while end < len(lines) and lines[end] != fence[1]:
                end += 1
            if end == len(lines):
                raise AssertionError(f"{path}:{at + 1}: a fence without its end")
            tested = at > 0 and lines[at - 1].strip() == MARK
            found.append(Block(f"{path.relative_to(ROOT)}:{at + 1}", fence[2],
                               "\n".join(lines[at + 1:end]) + "\n", tested))
            at = end
        elif lines[at].strip() == MARK and not lines[at + 1].startswith("```"):
            raise AssertionError(f"{path}:{at + 1}: a mark without a fence below")
        at += 1
    return found


def prose(path):
    """The text outside of fences."""
    return re.sub(r"^(```+)\w*\s*\n.*?^\1$", "", path.read_text(), flags=re.M | re.S)


def console(block):
    commands = []
    for line in block.text.rstrip("\n").split("\n"):
        if line.startswith("$ "):
            commands.append(([line[2:]], []))
        elif not commands:
            raise AssertionError(f"{block.where}: output before the first command")
        elif line.startswith("> ") and not commands[-1][1]:
            commands[-1][0].append(line[2:])
        else:
            commands[-1][1].append(line)
    return [Command("\n".join(text), expected) for text, expected in commands]


def squeeze(line):
    return re.sub(r" +", " ", line).strip()


def matches(expected, printed):
    """expected: lines, with `...`. printed: the text."""
    pattern = ""
    for line in expected:
        if squeeze(line) == "...":
            pattern += r"(?:.*\n)*?"
        else:
            pattern += ".*".join(re.escape(part) for part in squeeze(line).split("...")) + r"\n"
    lines = [squeeze(line) for line in printed.split("\n")]
    while lines and not lines[-1]:
        lines.pop()
    return re.fullmatch(pattern, "".join(line + "\n" for line in lines)) is not None


def slug(heading):
    """The anchor that a heading gets on common hosts."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def anchors(path):
    return {slug(heading) for heading in re.findall(r"^#+ (.+)$", prose(path), flags=re.M)}
