"""A server's caches beside its main root: all of them come back, and what ninja built is up to date where it was built."""

import json
import os
import shutil
import subprocess
import time

from support import CommandTest, run_tests, unittest

NINJA, COMPILER = shutil.which("ninja"), shutil.which("cc")

# As FlashInfer writes it: everything by its absolute path, dependencies as the compiler found them.
BUILD = """ninja_required_version = 1.3
cc = {compiler}
flags = -O1 -fPIC -I{include}
rule compile
  command = $cc -MMD -MF $out.d $flags -c $in -o $out
  depfile = $out.d
  deps = gcc
rule link
  command = $cc -shared $in -o $out
build {op}/op.o: compile {source}
build {op}/op.so: link {op}/op.o
default {op}/op.so
"""


class Server(CommandTest):
    """Kind vllm with every default below a home of its own."""

    def setUp(self):
        super().setUp()
        temporary = os.path.join(self.scratch, "tmp")
        os.mkdir(temporary)
        self.environment.update(B10_CACHE_KIND="vllm", B10_CACHE_ROOTS="auto", TMPDIR=temporary, USER="anna")
        del self.environment["TORCHINDUCTOR_CACHE_DIR"]
        self.home("home")

    def home(self, name):
        self.environment["HOME"] = os.path.join(self.scratch, name)
        self.local = os.path.join(self.environment["HOME"], ".cache", "vllm")

    def at_home(self, name):
        return os.path.join(self.environment["HOME"], name)

    def write(self, path, text):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def report(self, *arguments):
        return json.loads(self.ok(*arguments, "--json")[0])


class Roots(Server):
    PLACES = {
        "vllm": ".cache/vllm/torch_compile_cache/a",
        "flashinfer": ".cache/flashinfer/a",
        "deep_gemm": ".deep_gemm/a",
        "tvm_ffi": ".cache/tvm-ffi/a",
        "tilelang": ".tilelang/cache/a",
        "triton": ".triton/cache/a",
        "cuda": ".nv/ComputeCache/a",
    }

    def fill(self):
        for place in self.PLACES.values():
            self.write(self.at_home(place), place)
        self.write(self.at_home(".cache/huggingface/weights"), "not ours")
        for place in ("i", "precompiled_headers/h"):
            self.write(os.path.join(self.environment["TMPDIR"], "torchinductor_anna", place), place)

    def test_every_cache_of_a_server_comes_back(self):
        self.fill()
        self.ok("save")
        roots = self.report("verify", self.archive())["roots"].split(",")
        self.assertEqual(sorted(roots), sorted([*self.PLACES, "inductor", "headers"]))
        shutil.rmtree(self.environment["HOME"])
        shutil.rmtree(os.path.join(self.environment["TMPDIR"], "torchinductor_anna"))
        answer = self.report("load")
        self.assertEqual((answer["files"], answer["roots_left_out"]), (9, 0))
        for place in self.PLACES.values():
            self.assertTrue(os.path.exists(self.at_home(place)), place)
        self.assertFalse(os.path.exists(self.at_home(".cache/huggingface")))

    def test_what_a_root_lacks_is_added_and_what_it_has_stays(self):
        self.fill()
        self.ok("save")
        shutil.rmtree(self.local)
        os.unlink(self.at_home(self.PLACES["triton"]))
        self.write(self.at_home(self.PLACES["cuda"]), "newer")
        self.ok("load")
        with open(self.at_home(self.PLACES["cuda"]), encoding="utf-8") as file:
            self.assertEqual(file.read(), "newer")
        self.assertTrue(os.path.exists(self.at_home(self.PLACES["triton"])))

    def test_a_bad_variable_of_a_root_is_named(self):
        _, err = self.ends(2, "load", environment={"DG_JIT_CACHE_DIR": "/etc/x"})
        self.assertIn("DG_JIT_CACHE_DIR='/etc/x'", err)
        self.ok("load", environment={"DG_JIT_CACHE_DIR": "/etc/x", "B10_CACHE_ROOTS": "none"})

    def test_clear_refuses_a_home_whatever_the_kind(self):
        variables = {"vllm": "VLLM_CACHE_ROOT", "sglang": "SGLANG_CACHE_DIR"}
        self.write(self.at_home("precious"), "precious")
        for kind, variable in variables.items():
            for place in (self.environment["HOME"], self.environment["TMPDIR"], "/tmp", "/"):
                self.ends(2, "clear", environment={"B10_CACHE_KIND": kind, variable: place, "B10_LOCAL_PREFIXES": "any"})
                self.ends(2, "clear", environment={"B10_CACHE_KIND": kind, variable: place})
        self.assertTrue(os.path.exists(self.at_home("precious")))
        self.fill()
        self.ok("clear")
        self.assertEqual(os.listdir(self.local), [])
        self.assertTrue(os.path.exists(self.at_home(self.PLACES["triton"])))


@unittest.skipUnless(NINJA, "ninja is not installed")
@unittest.skipUnless(COMPILER, "there is no C compiler")
class Ninja(Server):
    def build(self):
        """Operators of a library, compiled with ninja into FlashInfer's directory; returns theirs."""
        include = os.path.join(self.scratch, "library")
        self.write(os.path.join(include, "common.h"), "#define ANSWER 42\n")
        operators = []
        for name in ("decode", "prefill"):
            source = self.write(
                os.path.join(include, f"{name}.c"), f'#include "common.h"\nint {name}(void) {{ return ANSWER; }}\n'
            )
            op = self.at_home(f".cache/flashinfer/0.6.1/90a/cached_ops/{name}")
            self.write(
                os.path.join(op, "build.ninja"), BUILD.format(op=op, source=source, include=include, compiler=COMPILER)
            )
            operators.append(op)
        for op in operators:
            self.assertIn("[2/2]", self.ninja(op))
        self.write(os.path.join(self.local, "entry"), "the main root must hold something")
        return operators

    def ninja(self, op, *arguments):
        command = [NINJA, "-C", op, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout

    def test_ninja_has_nothing_to_do_where_it_was_built(self):
        operators = self.build()
        self.ok("save")
        shutil.rmtree(self.environment["HOME"])
        time.sleep(0.01)  # whatever takes the time of the load is newer than the build
        self.ok("load")
        for op in operators:
            self.assertIn("no work to do", self.ninja(op, "-n"))
        with open(os.path.join(self.scratch, "library", "common.h"), "a", encoding="utf-8") as file:
            file.write("/* changed */\n")
        self.assertIn("[2/2]", self.ninja(operators[0]))

    def test_at_another_path_it_is_left_out_with_one_warning(self):
        (op, _) = self.build()
        built = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(op))))
        self.ok("save")
        self.home("another")
        out, err = self.ends(0, "load", "--json")
        answer = json.loads(out)
        self.assertEqual((answer["files"], answer["roots_left_out"]), (1, 1))
        self.assertFalse(os.path.exists(self.at_home(".cache/flashinfer")))
        self.assertEqual(err.count("'flashinfer'"), 1, err)
        self.assertIn(built, err)
        self.assertIn(self.at_home(".cache/flashinfer"), err)


if __name__ == "__main__":
    run_tests()
