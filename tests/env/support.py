"""What the checks of this folder share: how to skip, what cpu_print and the compilers say, what qemu can play."""

import os
import re
import shutil
import subprocess
import sys

# Answers of the compilers are read: no translations.
ENVIRONMENT = {**os.environ, "LC_ALL": "C"}


def skip(reason):
    print(f"SKIPPED: {reason}")
    sys.exit(77)


def need(*tools):
    for tool in tools:
        if not shutil.which(tool):
            skip(f"{tool} is not installed")


def need_x86_64():
    if os.uname().machine != "x86_64":
        skip("needs an x86-64 processor")


def run(*command):
    """Standard output and error of a command that must succeed."""
    result = subprocess.run(
        command, env=ENVIRONMENT, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120
    )
    if result.returncode != 0:
        sys.exit(f"{' '.join(command)}: status {result.returncode}\n{result.stdout}{result.stderr}")
    return result.stdout, result.stderr


class Facts:
    """What cpu_print said."""

    def __init__(self, *command):
        said = dict(line.split("=", 1) for line in run(*command)[0].splitlines())
        self.arch, self.cpu = said["arch"], said["cpu"]
        self.features = set(filter(None, said["cpu_features"].split(",")))
        self.key = (self.arch, self.cpu, said["cpu_features"])


class Compiler:
    """The features that a compiler has on for -march=native, and those that it knows."""

    def __init__(self, name, on, known):
        self.name, self.on, self.known = name, on, known


def ask_gcc(*prefix):
    """Under an emulator the driver, which asks the processor, is emulated; what it starts is not."""
    output, _ = run(*prefix, shutil.which("gcc"), "-march=native", "-Q", "--help=target")
    states = dict(re.findall(r"^  -m([^ \t=]+)\s+\[(enabled|disabled)\]", output, re.M))
    return Compiler("gcc", {name for name, state in states.items() if state == "enabled"}, set(states))


def ask_clang(*prefix):
    _, output = run(*prefix, shutil.which("clang"), "-march=native", "-###", "-E", "-x", "c", "/dev/null")
    signs = re.findall(r'"-target-feature" "([+-])([^"]+)"', output)
    return Compiler("clang", {name for sign, name in signs if sign == "+"}, {name for _, name in signs})


def native_options(*prefix):
    """What gcc makes of -march=native, as options that mean the same on any machine."""
    _, output = run(*prefix, shutil.which("gcc"), "-march=native", "-###", "-E", "-x", "c", "/dev/null")
    line = next(line for line in output.splitlines() if "cc1" in line)
    return re.findall(r'(?<=[ "])(-m[^ "]+)', line)


def emulated_processors(emulator, wanted):
    """Those of `wanted` that this qemu has."""
    listing = subprocess.run([emulator, "-cpu", "help"], capture_output=True, text=True).stdout  # its status is 1
    known = set(re.findall(r"\S+", listing))
    return [name for name in wanted if name.split(",")[0] in known]
