"""stdout, stderr, JSON, terminals, and what happens when one of them fails."""

import json
import os
import re
import subprocess

from support import COMMAND, DOCS, CommandTest, unittest

# A name with a newline, an escape sequence, a backslash and a byte that is not UTF-8.
ODD = b"odd\n\x1b[31m\\\xff"

# Bytes and the edges of UTF-8: plain, cut off, too long, surrogate, beyond U+10FFFF.
ODD_NAMES = (
    ODD, b"plain", "na\u0301me \u20ac \U0001f600 \x7f\x85".encode(), b"back\\xff", b"\x80", b"a\xc3", b"a\xc3(", b"\xc0\xaf",
    b"\xc1\xbf", b"\xe0\x9f\xbf", b"\xe0\xa0\x80", b"\xe2\x82", b"\xed\x9f\xbf", b"\xed\xa0\x80", b"\xef\xbf\xbf",
    b"\xf0\x8f\xbf\xbf", b"\xf0\x90\x80\x80", b"\xf0\x9f\x98", b"\xf4\x8f\xbf\xbf", b"\xf4\x90\x80\x80", b"\xf5\x80\x80\x80",
)


class Json(CommandTest):
    def schema(self, command):
        """Members that docs/json.md promises for a command: the common table and the one under its heading."""
        with open(os.path.join(DOCS, "json.md"), encoding="utf-8") as file:
            sections = re.split(r"(?m)^## ", file.read())
        tables = {section.splitlines()[0].strip(" `"): section for section in sections[1:]}

        def members(text):
            return re.findall(r"(?m)^\| `([a-z0-9_]+)` \|", text.split("\n### ")[0])

        wanted = [name for heading in tables if command in re.findall(r"\w+", heading)
                  for name in members(tables[heading])]
        return members(tables["Every object"]) + wanted

    def test_every_command_prints_exactly_the_documented_members(self):
        self.fill_local()
        for arguments in (("save",), ("load",), ("diff",), ("info",), ("list",), ("key",), ("doctor",), ("config",),
                          ("clear",)):
            with self.subTest(arguments):
                self.assertEqual(list(self.json(0, *arguments)), self.schema(arguments[0]))
        self.assertEqual(list(self.json(0, "verify", self.archive())), self.schema("verify"))

    def test_errors_have_the_same_shape_and_are_told_on_stderr_too(self):
        off = {"BASETEN_FS_ENABLED": "0"}
        for command in ("load", "save", "diff", "flow"):
            answer = self.json(2, command, environment=off)
            self.assertEqual(list(answer), self.schema(command))
            self.assertEqual((answer["status"], answer["reason"]), ("ERROR", "DISABLED"))
            self.assertIn(answer["message"], self.ends(2, command, "--json", environment=off)[1])
        self.assertEqual(list(self.json(3, "verify", "no-such-key")), self.schema("verify"))
        overlap = {"B10FS_CACHE_DIR": self.local}
        self.assertEqual(list(self.json(2, "doctor", environment=overlap)), self.schema("doctor"))

    def test_numbers_are_bytes_and_counts(self):
        files = self.fill_local({"a": b"x" * 5000, "b": os.urandom(3000), "c/d": b"x" * 5000})
        answer = self.json(0, "save")
        self.assertEqual(answer["files"], 3)
        self.assertEqual(answer["content_bytes"], sum(len(content) for content in files.values()))
        self.assertEqual(answer["duplicates"], 1)
        self.assertEqual(answer["archive_bytes"], os.path.getsize(self.archive()))
        self.assertEqual(answer["archive"], self.archive())
        self.assertEqual(answer["destination"], self.local)
        (entry,) = self.json(0, "list")["caches"]
        self.assertEqual(entry["size_bytes"], os.path.getsize(self.archive()))
        self.assertEqual(entry["created_time"], int(os.stat(self.archive()).st_mtime))
        self.assertIs(entry["is_current_environment"], True)
        info = self.json(0, "info")
        self.assertEqual((info["local_cache_files"], info["b10fs_cache_files"]), (3, 3))

    def test_log_lines_do_not_reach_stdout(self):
        self.fill_local()
        out, _ = self.ok("save", "--json", "-v")
        json.loads(out)

    def test_odd_bytes_are_escaped_so_that_they_can_be_told_back(self):
        for name in ODD_NAMES:
            with self.subTest(name):
                odd = os.path.join(os.fsencode(self.scratch), name)
                result = self.run_command("info", "--json", environment={"B10FS_CACHE_DIR": odd})
                self.assertEqual(result.returncode, 0, result.stderr)
                result.stdout.decode("ascii")
                escaped = json.loads(result.stdout)["shared_directory"]
                self.assertEqual(self.told_back(escaped), odd)
                try:
                    expected = odd.decode().replace("\\", "\\\\")
                except UnicodeDecodeError:
                    self.assertIn("\\x", escaped)
                else:
                    self.assertEqual(escaped, expected)

    def told_back(self, escaped):
        return re.sub(rb"\\(?:\\|x([0-9a-f]{2}))",
                      lambda match: bytes.fromhex(match[1].decode()) if match[1] else b"\\", escaped.encode())


class Text(CommandTest):
    def test_odd_bytes_never_reach_the_terminal(self):
        odd = os.path.join(os.fsencode(self.scratch), ODD)
        result = self.run_command("info", environment={"B10FS_CACHE_DIR": odd})
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn(rb"odd\n\x1b[31m\\\xff", result.stdout)
        for text in (result.stdout, result.stderr):
            self.assertNotRegex(text, rb"[^\n\x20-\x7e]")
        result = self.run_command("load", b"--set", b"B10_SAVE_MODE=" + ODD)
        self.assertEqual(result.returncode, 2)
        self.assertNotRegex(result.stderr, rb"[^\n\x20-\x7e]")
        self.assertEqual(result.stderr.count(b"\n"), 1)

    def test_output_that_cannot_be_written_is_an_error(self):
        for arguments in (("info",), ("list", "--json"), ("--help",), ("--version",)):
            with self.subTest(arguments), open("/dev/full", "wb") as full:
                _, err = self.ends(1, *arguments, stdout=full)
                self.assertIn("cannot write to standard output: No space left on device", err)

    def test_a_closed_stdout_is_an_error_and_no_text_ends_in_the_archive(self):
        files = self.fill_local()
        result = subprocess.run(["/bin/sh", "-c", 'exec "$0" save >&- 2>&- <&-', COMMAND], env=self.environment)
        self.assertEqual(result.returncode, 1)
        self.ok("verify", self.archive())
        self.ok("clear")
        self.ok("load")
        self.assertEqual(self.read_local(), files)

    def test_a_reader_that_goes_away_does_not_stop_the_work(self):
        files = self.saved()
        read_end, write_end = os.pipe()
        os.close(read_end)
        try:
            _, err = self.ends(1, "load", stdout=write_end)
        finally:
            os.close(write_end)
        self.assertNotIn("cannot write", err)
        self.assertEqual(self.read_local(), files)


class Terminal(CommandTest):
    def test_progress_is_drawn_on_a_terminal_and_taken_away(self):
        self.fill_local()
        code, out, seen = self.on_terminal("save", environment={"TERM": "xterm"})
        self.assertEqual(code, 0)
        self.assertIn("saved 3 files", out)
        self.assertRegex(seen, r"\rsave: \w+")
        self.assertTrue(seen.endswith("\r\033[K"), repr(seen))

    def test_no_control_sequence_without_a_terminal_that_obeys_or_when_unwanted(self):
        self.fill_local()
        for arguments, environment in (
            (("save",), {"TERM": "dumb"}),
            (("save",), {}),
            (("save", "--json"), {"TERM": "xterm"}),
            (("save", "-q"), {"TERM": "xterm"}),
        ):
            with self.subTest(arguments=arguments, environment=environment):
                arguments += ("--set", "B10_SAVE_MODE=replace")
                code, _, seen = self.on_terminal(*arguments, environment=environment)
                self.assertEqual(code, 0)
                self.assertNotIn("\033", seen)
                self.assertNotRegex(seen, r"\r(?!\n)")
        _, err = self.ok("save", "--set", "B10_SAVE_MODE=replace", environment={"TERM": "xterm"})
        self.assertNotIn("\033", err)

    def test_no_color_means_no_colour(self):
        _, _, seen = self.on_terminal("verify", "no-such-key", environment={"TERM": "xterm"})
        self.assertIn("\033[31merror: \033[0m", seen)
        for value in ("1", "0"):
            _, _, seen = self.on_terminal("verify", "no-such-key", environment={"TERM": "xterm", "NO_COLOR": value})
            self.assertIn("error: ", seen)
            self.assertNotRegex(seen, "\033\\[[0-9;]*m")


if __name__ == "__main__":
    unittest.main()
