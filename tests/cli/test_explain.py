"""key --explain: what a load takes, what keeps it from the other archives, what can leave a loaded one cold."""

import os
import re
import shutil

from support import DOCS, CommandTest, unittest


class Explain(CommandTest):
    def save(self, **environment):
        self.fill_local()
        answer = self.json(0, "save", environment=environment)
        shutil.rmtree(self.local)
        return answer["environment_key"]

    def explained(self, *arguments, **environment):
        """key -> its comparison."""
        answer = self.json(0, "key", "--explain", *arguments, environment=environment)
        return {comparison["environment_key"]: comparison for comparison in answer["comparisons"]}

    def test_the_archive_of_this_environment_is_taken(self):
        key = self.save(VLLM_USE_V1="1")
        (comparison,) = self.explained(VLLM_USE_V1="1").values()
        archive = os.stat(self.archive())
        self.assertEqual(comparison, {
            "filename": os.path.basename(self.archive()), "environment_key": key, "directory": self.volume, "size_bytes": archive.st_size,
            "created_time": int(archive.st_mtime), "match": "EXACT", "differences": [], "recorded": []})
        out, err = self.ok("key", "--explain", environment={"VLLM_USE_V1": "1"})
        self.assertEqual(err, "")
        self.assertEqual(out.splitlines()[0], key)
        tail = out[out.index("\n1 cache in "):]
        self.assertRegex(tail, rf"^\n1 cache in {self.volume}:\n\n{re.escape(key)}\.v1\.tar\.zst\n  a load takes it\n"
                               r"  0\.0 MiB, saved \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC, \d+ seconds? ago\n$")

    def test_differing_facts_and_variables_are_named(self):
        tagged = self.save(B10_CACHE_TAGS="torch=2.13.0", VLLM_USE_V1="1", B10_PYTHON_PREFIX="/venv")
        plain = self.save(TRITON_DEBUG="1")
        environment = {"B10_CACHE_TAGS": "model=flux,torch=2.14.0", "TRITON_DEBUG": "1", "VIRTUAL_ENV": "/app/venv"}
        found = self.explained(**environment)
        self.assertEqual(set(found), {tagged, plain})
        self.assertEqual({comparison["match"] for comparison in found.values()}, {"OTHER"})
        self.assertEqual(found[tagged]["differences"], ["tag.model: none there, 'flux' here",
                                                        "tag.torch: '2.13.0' there, '2.14.0' here"])
        self.assertEqual(found[tagged]["recorded"], ["B10_PYTHON_PREFIX: '/venv' there, '/app/venv' here",
                                                     "TRITON_DEBUG: none there, '1' here",
                                                     "VLLM_USE_V1: '1' there, none here"])
        self.assertEqual(found[plain]["recorded"], ["B10_PYTHON_PREFIX: none there, '/app/venv' here"])
        out, _ = self.ok("key", "--explain", environment=environment)
        self.assertIn(f"\n2 caches in {self.volume}:\n", out)
        self.assertIn("\n  made for another environment\n", out)
        self.assertIn("\n  differs in:\n    tag.model: none there, 'flux' here\n"
                      "    tag.torch: '2.13.0' there, '2.14.0' here\n"
                      "  outside the key, but can leave it cold:\n"
                      "    B10_PYTHON_PREFIX: '/venv' there, '/app/venv' here\n", out)

    def test_secrets_are_never_shown(self):
        self.save(VLLM_API_KEY="hunter2")
        (comparison,) = self.explained(VLLM_API_KEY="hunter2").values()
        self.assertEqual(comparison["recorded"], [])
        (comparison,) = self.explained(VLLM_API_KEY="hunter3").values()
        self.assertRegex(comparison["recorded"][0],
                         r"^VLLM_API_KEY: 'blake2b:[0-9a-f]{16}' there, 'blake2b:[0-9a-f]{16}' here$")
        out, err = self.ok("key", "--explain", "-v", environment={"VLLM_API_KEY": "hunter3"})
        self.assertNotIn("hunter", out + err)

    def test_what_cannot_be_read_says_why(self):
        with open(os.path.join(self.volume, "broken.v1.tar.zst"), "wb") as file:
            file.write(b"no archive")
        (comparison,) = self.explained().values()
        self.assertEqual(comparison["match"], "UNREADABLE")
        self.assertIn("broken.v1.tar.zst", comparison["differences"][0])
        self.assertRegex(self.ok("key", "--explain")[0], r"\n  unreadable\n.*\n  because:\n    .*broken\.v1\.tar\.zst")

    def test_odd_bytes_never_reach_the_terminal(self):
        self.save(VLLM_A="\u202e\u20ac", VLLM_B="\x1b[31m")
        result = self.run_command("key", "--explain")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn(rb"VLLM_A: '\\xe2\\x80\\xae\\xe2\\x82\\xac' there", result.stdout)
        self.assertIn(b"VLLM_B: 'blake2b:", result.stdout)
        self.assertNotRegex(result.stdout, rb"[^\n\x20-\x7e]")

    def test_no_archive_is_said_and_is_no_error(self):
        for environment, text in (
            ({}, f"\nno caches in {self.volume}\n"),
            ({"B10FS_CACHE_DIR": self.volume + "/absent"}, f"\nno caches in {self.volume}/absent\n"),
            ({"BASETEN_FS_ENABLED": "0"}, "\nno caches: the shared volume is off (BASETEN_FS_ENABLED)\n"),
        ):
            with self.subTest(environment):
                self.assertTrue(self.ok("key", "--explain", environment=environment)[0].endswith(text))
                self.assertEqual(self.explained(**environment), {})

    def test_set_decides_whether_the_volume_is_read(self):
        self.save()
        self.assertEqual(self.explained("--set", "BASETEN_FS_ENABLED=0"), {})
        self.assertEqual(len(self.explained("--set", "BASETEN_FS_ENABLED=1", BASETEN_FS_ENABLED="0")), 1)

    def test_a_volume_that_fails_is_an_error_after_the_key(self):
        path = os.path.join(self.scratch, "file")
        with open(path, "w"):
            pass
        out, err = self.ends(1, "key", "--explain", environment={"B10FS_CACHE_DIR": path})
        self.assertRegex(out, r"(?m)^arch +uname")
        self.assertIn("(IO)", err)
        answer = self.json(1, "key", "--explain", environment={"B10FS_CACHE_DIR": path})
        self.assertEqual((answer["reason"], answer["comparisons"]), ("IO", []))

    def test_the_volume_is_not_touched_without_it(self):
        self.ok("key", environment={"B10FS_CACHE_DIR": os.path.join(self.scratch, "absent/absent")})
        self.assertNotIn("comparisons", self.json(0, "key"))

    def test_it_belongs_to_key_alone(self):
        _, err = self.ends(2, "list", "--explain")
        self.assertIn("option '--explain' does not apply to 'list'", err)
        self.assertIn("--explain", self.ok("key", "--help")[0])
        self.assertNotIn("--explain ", self.ok("list", "--help")[0])

    def test_json_has_exactly_the_documented_members(self):
        with open(os.path.join(DOCS, "json.md"), encoding="utf-8") as file:
            section = re.search(r"(?ms)^## `--explain`\n(.*?)^## ", file.read())[1]
        beyond, each = (re.findall(r"(?m)^\| `([a-z0-9_]+)` \|", part) for part in section.split("\n### "))
        self.save()
        plain = self.json(0, "key")
        answer = self.json(0, "key", "--explain")
        self.assertEqual(list(answer), list(plain) + beyond)
        self.assertEqual(list(answer["comparisons"][0]), each)


if __name__ == "__main__":
    unittest.main()
