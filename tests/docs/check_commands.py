#!/usr/bin/env python3
"""Every command line of b10-compile-cache in the pages and examples has a command and options that exist.

Usage: check_commands.py COMMAND FILE…
"""

import re
import subprocess
import sys
from pathlib import Path

CALL = re.compile(r"b10-compile-cache((?:[ \t]+[^\s`|&;#)]+)*)")
OPTION = re.compile(r"^  (?:(-\w), )?(--[a-z-]+)(?: ([A-Z=]+))?  ", re.MULTILINE)


def known(command):
    """{name of a command, or "": {option: whether it takes a value}}, as the command itself says."""

    def options(*arguments):
        text = subprocess.run([command, *arguments, "--help"], check=True, capture_output=True, text=True).stdout
        found = OPTION.findall(text)
        return text, {name: bool(value) for letter, long, value in found for name in (letter, long) if name}

    usage, all_options = options()
    names = re.findall(r"^  ([a-z]+) +", usage.split("\ncommands:\n")[1].split("\n\n")[0], re.MULTILINE)
    return {"": all_options, **{name: options(name)[1] for name in names}}


def code(path):
    """The parts of a file that are command lines: code in a page; in YAML, a list as words."""
    text = path.read_text()
    if path.suffix == ".yaml":
        return [re.sub(r"command: \[(.*)\]", lambda list: list[1].replace(",", ""), line) for line in text.splitlines()]
    if path.suffix != ".md":
        return text.splitlines()
    parts, fenced = [], False
    for line in text.splitlines():
        if line.startswith("```"):
            fenced = not fenced
        elif fenced or line.startswith("    "):
            parts.append(line)
        else:
            parts += re.findall(r"`([^`]+)`", line)
    return parts


def problem(commands, words):
    """What is wrong with a command line, or None."""
    words = [word.strip("[]…") for word in words]
    name = next((word for word in words if re.fullmatch(r"[a-z]+", word)), "")
    before = words[: words.index(name)] if name else words
    if any(not word.startswith("-") and not word.isupper() for word in before):
        return None  # a sentence
    if name not in commands:
        return f"there is no command {name}"
    rest = iter(words[words.index(name) + 1 :] if name else words)
    for word in rest:
        option = word.split("=")[0]
        if word == "--" or (name == "run" and not word.startswith("-")):
            break
        if word.startswith("-") and option not in commands[name]:
            return f"{name or 'the flow'} has no option {option}"
        if word.startswith("-") and commands[name][option] and "=" not in word:
            next(rest, None)
    return None


def main():
    commands = known(sys.argv[1])
    calls, bad = 0, 0
    for path in map(Path, sys.argv[2:]):
        for line in code(path):
            for found in CALL.findall(line):
                calls += 1
                what = problem(commands, found.replace("'", "").replace('"', "").split())
                if what:
                    print(f"{path}: b10-compile-cache{found}: {what}")
                    bad += 1
    page = next(Path(path).read_text() for path in sys.argv[2:] if path.endswith("b10-compile-cache.1.md"))
    readme = next(Path(path).read_text() for path in sys.argv[2:] if path.endswith("README.md"))
    for name in filter(None, commands):
        for text, where in (page, "the manual"), (readme, "README.md"):
            if f"b10-compile-cache {name}" not in text and f"**{name}**" not in text:
                print(f"{where} says nothing of {name}")
                bad += 1
        for option in commands[name]:
            if option.startswith("--") and f"{option}" not in page:
                print(f"the manual says nothing of {name} {option}")
                bad += 1
    print(f"{calls} command lines, {len(commands) - 1} commands")
    return 1 if bad or calls < 50 else 0


if __name__ == "__main__":
    sys.exit(main())
