"""The command line itself: help, version, bad usage, settings given as options."""

import re

from support import CommandTest, unittest

COMMANDS = ("flow", "load", "save", "diff", "info", "list", "clear", "key", "verify", "doctor", "config")


class Usage(CommandTest):
    def test_without_a_command_the_flow_is_meant(self):
        flow = {"B10_TRANSFER_VLLM_URL": "http://127.0.0.1:1/", "B10_TRANSFER_TIMEOUT_S": "1"}
        for arguments in ((), ("--strict",), ("flow",)):
            _, err = self.ends(6, *arguments, environment=flow)
            self.assertIn("http://127.0.0.1:1/ was not ready", err)
        _, err = self.ends(2, "--explain")
        self.assertIn("does not apply to 'flow'", err)

    def test_help_names_every_command_option_and_exit_code(self):
        out, err = self.ok("--help")
        self.assertEqual(err, "")
        for command in COMMANDS:
            self.assertRegex(out, rf"(?m)^  {command} +\w")
        for option in ("--json", "--strict", "--require-hit", "--report", "--set", "--log-level", "-v", "-q", "-h", "--version"):
            self.assertIn(option, out)
        for code in "012345678":
            self.assertRegex(out, rf"(?m)^  {code}  \w")
        self.assertEqual((out, err), self.ok("-h"))

    def test_help_fits_a_terminal_of_80_columns(self):
        for arguments in ((), *((command,) for command in COMMANDS)):
            out, _ = self.ok(*arguments, "--help")
            self.assertEqual([line for line in out.splitlines() if len(line) > 80], [])

    def test_every_setting_is_in_the_help_of_a_command_and_every_named_one_exists(self):
        settings = {row["name"] for row in self.json(0, "config")["settings"]}
        self.assertIn("BASETEN_FS_ENABLED", settings)
        in_operations = set()
        for command in COMMANDS:
            out, _ = self.ok(command, "--help")
            named = set(re.findall(r"(?m)^  ([A-Z][A-Z0-9_]+)$", out))
            self.assertLessEqual(named, settings)
            self.assertIn("B10_LOG_LEVEL", named, command)
            in_operations |= named if command != "config" else set()
            if command == "config":
                self.assertEqual(named, settings)
        self.assertEqual(settings - in_operations - {"LOCAL_SPACE_ARCHIVE_MULTIPLIER"}, set())

    def test_version_is_printed(self):
        out, _ = self.ok("--version")
        self.assertRegex(out, r"^b10-compile-cache \d+\.\d+\.\d+\n$")

    def test_bad_usage_is_exit_code_2_and_says_what_is_wrong(self):
        for arguments, part in (
            (("frobnicate",), "unknown command 'frobnicate'"),
            (("load", "--jso"), "unknown option '--jso'"),
            (("load", "-x"), "unknown option '-x'"),
            (("load", "--json=1"), "'--json' takes no value"),
            (("load", "--set"), "'--set' needs a value"),
            (("load", "--set", "B10_THREADS"), "NAME=VALUE"),
            (("load", "--set", "=1"), "NAME=VALUE"),
            (("load", "extra"), "unexpected argument 'extra'"),
            (("verify",), "needs an archive"),
            (("verify", "a", "b"), "unexpected argument 'b'"),
            (("list", "--strict"), "does not apply to 'list'"),
            (("save", "--require-hit"), "does not apply to 'save'"),
        ):
            with self.subTest(arguments):
                out, err = self.ends(2, *arguments)
                self.assertEqual(out, "")
                self.assertIn(part, err)

    def test_bad_usage_is_a_json_object_too(self):
        answer = self.json(2, "load", "--bogus")
        self.assertEqual((answer["status"], answer["reason"]), ("ERROR", "USAGE"))
        self.assertIn("--bogus", answer["message"])

    def test_options_may_stand_before_the_command(self):
        out, _ = self.ok("--json", "list")
        self.assertTrue(out.startswith("{"))

    def test_a_double_dash_ends_the_options(self):
        _, err = self.ends(3, "verify", "--", "--odd-name")
        self.assertIn("--odd-name", err)


class Settings(CommandTest):
    def test_set_wins_over_the_environment_and_config_tells_the_source(self):
        out, _ = self.ok("config", "--set", "max_cache_size_mb=77", "--json")
        rows = {row["name"]: row for row in self.json(0, "config", "--set", "max_cache_size_mb=77")["settings"]}
        self.assertEqual((rows["MAX_CACHE_SIZE_MB"]["value"], rows["MAX_CACHE_SIZE_MB"]["source"]), ("77", "set"))
        self.assertEqual(rows["B10FS_CACHE_DIR"]["value"], self.volume)
        self.assertEqual(rows["B10FS_CACHE_DIR"]["source"], "environment")
        self.assertEqual(rows["B10_COMPRESSION_LEVEL"]["source"], "default")
        self.assertIn("77", out)

    def test_an_unknown_or_invalid_setting_is_exit_code_2_and_is_named(self):
        for text in ("B10_NO_SUCH=1", "B10_THREADS=many", "B10_COMPRESSION_LEVEL=99"):
            with self.subTest(text):
                _, err = self.ends(2, "load", "--set", text)
                self.assertIn(text.split("=")[0], err)
                self.assertIn("(CONFIG)", err)

    def test_an_invalid_environment_variable_is_exit_code_2_in_every_operation(self):
        bad = {"MAX_CACHE_SIZE_MB": "lots"}
        for command in ("load", "save", "info", "list", "clear", "config"):
            with self.subTest(command):
                _, err = self.ends(2, command, environment=bad)
                self.assertIn("MAX_CACHE_SIZE_MB", err)
                self.assertIn("lots", err)

    def test_config_shows_an_invalid_value_and_still_lists_the_others(self):
        answer = self.json(2, "config", environment={"MAX_CACHE_SIZE_MB": "lots"})
        rows = {row["name"]: row for row in answer["settings"]}
        self.assertIsNone(rows["MAX_CACHE_SIZE_MB"]["value"])
        self.assertIn("lots", rows["MAX_CACHE_SIZE_MB"]["problem"])
        self.assertEqual(rows["B10FS_CACHE_DIR"]["value"], self.volume)
        self.assertEqual(answer["reason"], "CONFIG")

    def test_config_prints_one_line_per_setting(self):
        out, _ = self.ok("config")
        rows = self.json(0, "config")["settings"]
        self.assertEqual(len(out.splitlines()), len(rows) + 1)
        self.assertEqual(len({row["name"] for row in rows}), len(rows))

    def test_log_level_options_set_the_log_level(self):
        for arguments, level in (
            (("-q",), "error"),
            (("-v",), "debug"),
            (("--log-level", "warn"), "warn"),
            (("--log-level=debug",), "debug"),
        ):
            with self.subTest(arguments):
                rows = {row["name"]: row["value"] for row in self.json(0, "config", *arguments)["settings"]}
                self.assertEqual(rows["B10_LOG_LEVEL"], level)
        _, err = self.ends(2, "config", "--log-level", "loud")
        self.assertIn("B10_LOG_LEVEL", err)


if __name__ == "__main__":
    unittest.main()
