"""What each command does, its exit code, and where its text goes."""

import os
import shutil

from support import CommandTest, unittest


class LoadAndSave(CommandTest):
    def test_what_was_saved_is_loaded(self):
        files = self.fill_local()
        out, _ = self.ok("save")
        self.assertRegex(out, r"^saved 3 files, 0\.0 MiB as 0\.0 MiB in \d+\.\d\d s to /.*\.v1\.tar\.zst\n")
        shutil.rmtree(self.local)
        out, _ = self.ok("load")
        self.assertRegex(out, r"^loaded 3 files, 0\.0 MiB in \d+\.\d\d s from /.*\.v1\.tar\.zst\n")
        self.assertEqual(self.read_local(), files)

    def test_a_load_without_an_archive_is_nothing_to_do_unless_a_hit_is_required(self):
        out, _ = self.ok("load")
        self.assertRegex(out, r"^nothing to load: .*\(ABSENT\)\n$")
        for option in ("--require-hit", "--strict"):
            out, err = self.ends(3, "load", option)
            self.assertEqual(out, "")
            self.assertIn("(ABSENT)", err)

    def test_a_load_into_a_filled_directory_is_skipped_and_counts_as_a_hit(self):
        self.saved()
        self.fill_local({"mine": b"1"})
        self.assertIn("(LOCAL_PRESENT)", self.ok("load")[0])
        self.assertIn("(LOCAL_PRESENT)", self.ok("load", "--require-hit")[0])
        self.assertIn("(LOCAL_PRESENT)", self.ends(4, "load", "--strict")[1])
        self.assertEqual(self.read_local(), {"mine": b"1"})

    def test_a_save_that_has_nothing_to_do_is_exit_code_0_or_4_with_strict(self):
        self.assertIn("(NOTHING_LOCAL)", self.ok("save")[0])
        self.assertIn("(NOTHING_LOCAL)", self.ends(4, "save", "--strict")[1])
        self.fill_local()
        self.ok("save")
        self.assertIn("(ALREADY_SAVED)", self.ok("save")[0])
        self.assertIn("(READ_ONLY)", self.ends(4, "save", "--strict", "--set", "B10_SAVE_MODE=never")[1])

    def test_a_disabled_volume_is_exit_code_2(self):
        off = {"BASETEN_FS_ENABLED": "0"}
        for command in ("load", "save"):
            out, err = self.ends(2, command, environment=off)
            self.assertEqual(out, "")
            self.assertIn("(DISABLED)", err)
            self.assertIn("BASETEN_FS_ENABLED", err)

    def test_an_archive_beyond_the_limit_is_exit_code_1_and_nothing_is_published(self):
        self.fill_local({"random": os.urandom(3 << 20)})
        _, err = self.ends(1, "save", "--set", "MAX_CACHE_SIZE_MB=1")
        self.assertIn("(TOO_LARGE)", err)
        self.assertEqual(os.listdir(self.volume), [])

    def test_quiet_prints_nothing_but_errors(self):
        self.fill_local()
        self.assertEqual(self.ok("save", "-q"), ("", ""))
        self.assertEqual(self.ok("load", "-q"), ("", ""))
        _, err = self.ends(4, "load", "-q", "--strict")
        self.assertEqual(err.count("\n"), 1)

    def test_an_error_is_told_once(self):
        self.saved()
        with open(self.archive(), "r+b") as file:
            file.truncate(100)
        _, err = self.ends(5, "load", "-q")
        self.assertEqual(err.count("error:"), 1)


class Inspection(CommandTest):
    def test_key_is_the_name_of_the_archive(self):
        self.saved()
        out, _ = self.ok("key")
        key = out.splitlines()[0]
        self.assertEqual(os.path.basename(self.archive()), key + ".v1.tar.zst")

    def test_key_tells_every_fact_and_how_it_was_found(self):
        tags = {"B10_CACHE_TAGS": "torch=2.13.0"}
        out, _ = self.ok("key", environment=tags)
        for line in (r"arch +uname +\S+", r"cpu_features +\S.* \S+", r"kind .* inductor", r"os +uname +linux",
                     r"tag\.torch +B10_CACHE_TAGS \(environment\) +2\.13\.0"):
            self.assertRegex(out, rf"(?m)^{line}$")
        facts = self.json(0, "key", environment=tags)["facts"]
        self.assertNotIn("unknown", {fact["found_by"] for fact in facts})
        self.assertEqual([fact["name"] for fact in facts], sorted(fact["name"] for fact in facts))

    def test_key_tells_which_steps_were_asked_for_the_gpu_and_what_they_said(self):
        out, _ = self.ok("key", "--set", "B10_GPU_PROBE=off")
        self.assertRegex(out, r"(?m)^device +B10_GPU_PROBE \(set\) +cpu$")
        self.assertRegex(out, r"(?m)^step +what it said\ncpu +B10_GPU_PROBE is off$")
        answer = self.json(0, "key", environment={"B10_GPU_PROBE": "off"})
        self.assertEqual(answer["detection"], "cpu")
        self.assertEqual(answer["steps"], [{"step": "cpu", "said": "B10_GPU_PROBE is off"}])
        self.assertIn({"name": "device", "value": "cpu", "found_by": "B10_GPU_PROBE (environment)"}, answer["facts"])
        self.assertEqual(self.json(0, "info", environment={"B10_GPU_PROBE": "off"})["steps"], answer["steps"])

    def test_the_command_asks_a_helper_too_and_config_shows_what_a_library_would_do(self):
        steps = [step["step"] for step in self.json(0, "key")["steps"]]
        order = ["driver", "nvml", "spawn", "proc", "cpu"]
        if os.path.exists("/proc/driver/nvidia"):
            self.assertEqual(steps, order[: len(steps)])
        else:
            self.assertEqual(steps, order)
        asked = self.json(0, "key", "--set", "B10_GPU_PROBE=proc,nvml")["steps"]
        self.assertNotIn("spawn", [step["step"] for step in asked])
        settings = {row["name"]: row for row in self.json(0, "config")["settings"]}
        self.assertEqual((settings["B10_GPU_PROBE"]["value"], settings["B10_GPU_PROBE"]["source"]), ("auto", "default"))

    def test_key_can_be_given_and_says_so(self):
        answer = self.json(0, "key", "--set", "B10_ENVIRONMENT_KEY=mine-1")
        self.assertEqual((answer["environment_key"], answer["detection"]), ("mine-1", "override"))
        self.assertEqual(answer["steps"], [])
        self.assertIn({"name": "environment_key", "value": "mine-1", "found_by": "B10_ENVIRONMENT_KEY (set)"},
                      answer["facts"])

    def test_key_begins_with_the_kind_and_tells_where_it_is_from(self):
        for kind in ("inductor", "vllm", "sglang"):
            answer = self.json(0, "key", environment={"B10_CACHE_KIND": kind})
            self.assertTrue(answer["environment_key"].startswith(f"{kind}-"))
            self.assertIn({"name": "kind", "value": kind, "found_by": "B10_CACHE_KIND (environment)"}, answer["facts"])

    def test_info_describes_both_sides(self):
        self.fill_local()
        out, _ = self.ok("info")
        self.assertRegex(out, r"(?m)^local cache +3 files, 0\.0 MiB$")
        self.assertRegex(out, r"(?m)^stored cache +none$")
        self.ok("save")
        out, _ = self.ok("info")
        self.assertRegex(out, r"(?m)^stored cache +3 files packed in 0\.0 MiB$")
        self.assertRegex(out, r"(?m)^created +\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC$")
        self.assertIn(self.archive(), out)

    def test_info_and_list_work_without_a_volume(self):
        for environment in ({"BASETEN_FS_ENABLED": "0"}, {"B10FS_CACHE_DIR": self.volume + "/absent"}):
            with self.subTest(environment):
                self.assertIn("none", self.ok("info", environment=environment)[0])
                self.ok("list", environment=environment)
                answer = self.json(0, "list", environment=environment)
                self.assertEqual((answer["total_caches"], answer["caches"]), (0, []))

    def test_list_is_a_table_with_this_environment_marked(self):
        self.saved()
        out, _ = self.ok("list")
        header, row, footer = out.splitlines()
        self.assertEqual(header.split(), ["MiB", "created", "environment", "key"])
        self.assertTrue(row.startswith("* "))
        self.assertEqual(row.split()[-1] + ".v1.tar.zst", os.path.basename(self.archive()))
        self.assertEqual(footer, f"1 cache in {self.volume}; * is this environment's")
        self.assertEqual(header.index("environment"), row.index(row.split()[-1]))

    def test_verify_accepts_a_path_and_a_key(self):
        self.saved()
        key = self.ok("key")[0].splitlines()[0]
        for name in (self.archive(), key):
            out, _ = self.ok("verify", name)
            self.assertIn(f"intact: {self.archive()}\n", out)
            self.assertRegex(out, r"(?m)^  contents +3 files, ")
        self.assertEqual(self.ok("verify", "-q", key), ("", ""))

    def test_verify_of_nothing_is_exit_code_3(self):
        for name in (self.volume + "/absent.v1.tar.zst", "no-such-key"):
            _, err = self.ends(3, "verify", name)
            self.assertIn("(ABSENT)", err)

    def test_verify_of_a_damaged_archive_is_exit_code_5(self):
        self.saved()
        with open(self.archive(), "r+b") as file:
            file.seek(20)
            byte = file.read(1)[0]
            file.seek(20)
            file.write(bytes([byte ^ 1]))
        before = os.listdir(self.volume)
        _, err = self.ends(5, "verify", self.archive())
        self.assertIn("(CORRUPT)", err)
        self.assertEqual(os.listdir(self.volume), before)

    def test_a_load_of_a_damaged_archive_is_exit_code_5_and_leaves_nothing(self):
        self.saved()
        with open(self.archive(), "r+b") as file:
            file.truncate(os.path.getsize(self.archive()) - 1)
        self.ends(5, "load")
        self.assertEqual(self.read_local(), {})


class Clear(CommandTest):
    def test_clear_empties_the_local_directory_without_a_volume(self):
        self.fill_local()
        out, _ = self.ok("clear", environment={"BASETEN_FS_ENABLED": "0"})
        self.assertRegex(out, rf"^cleared {self.local} in \d+\.\d\d s\n")
        self.assertEqual(self.read_local(), {})
        self.ok("clear")

    def test_clear_refuses_a_home_directory(self):
        self.fill_local()
        _, err = self.ends(2, "clear", environment={"HOME": self.local, "B10_LOCAL_PREFIXES": "any"})
        self.assertIn("(CONFIG)", err)
        self.assertNotEqual(self.read_local(), {})


if __name__ == "__main__":
    unittest.main()
