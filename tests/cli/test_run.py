"""`run`: a server under supervision. The server is server.py, or a line of shell."""

import json
import os
import pty
import random
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
import time

from support import COMMAND, CommandTest, is_alive, run_tests

SERVER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "server.py")


def free_port():
    """Below those that the kernel hands out, and nobody's."""
    while True:
        port = random.randrange(10000, 32000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


def wait_for(condition, seconds=30, what="it never came to that"):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(what() if callable(what) else what)
        time.sleep(0.01)


class RunTest(CommandTest):
    def setUp(self):
        super().setUp()
        self.port = free_port()
        self.environment.update(
            B10_CACHE_KIND="inductor", B10_TRANSFER_INTERVAL_S="1", B10_TRANSFER_TIMEOUT_S="60", LANG="C.UTF-8",
            B10_TRANSFER_VLLM_URL=f"http://127.0.0.1:{self.port}/v1/models")
        self.errors = os.path.join(self.scratch, "stderr")
        self.report = os.path.join(self.scratch, "report")

    def server(self, *arguments, before=""):
        """A shell command line: what comes before, then the server. It ends when its stdin does."""
        words = shlex.join([sys.executable, "-B", SERVER, self.local, "--port", str(self.port), *arguments])
        return ["sh", "-c", f"{before}\nexec {words}"]

    def start(self, *arguments, prefix=(), **options):
        """Starts `run`; its stderr goes into a file, its report into another."""
        options.setdefault("stdin", subprocess.PIPE)
        options.setdefault("stdout", subprocess.PIPE)
        with open(self.errors, "wb") as errors:
            process = subprocess.Popen([*prefix, COMMAND, "run", "--report", self.report, *arguments],
                                       env=dict(self.environment, **options.pop("environment", {})),
                                       stderr=errors, **options)
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        return process

    def said(self):
        with open(self.errors, encoding="utf-8", errors="replace") as file:
            return file.read()

    def wait_until_said(self, text, seconds=30):
        wait_for(lambda: text in self.said(), seconds, lambda: f"'{text}' was not said:\n{self.said()}")

    def told(self):
        with open(self.report, encoding="utf-8") as file:
            text = file.read()
        self.assertEqual(text.count("\n"), 1)
        return json.loads(text)

    def serve(self, process, until="b10-compile-cache: save: ", seconds=40):
        """Lets it serve until something is said, then ends its stdin; the exit code."""
        self.wait_until_said(until, seconds)
        process.communicate(timeout=40)
        return process.returncode

    def marks(self):
        return [name for name in os.listdir(self.volume) if ".suspect-" in name]


class ExitCodes(RunTest):
    def test_the_servers_code_is_passed_on(self):
        for code in (0, 1, 42, 255):
            self.ends(code, "run", "--", "sh", "-c", f"exit {code}")

    def test_a_signal_is_128_and_its_number(self):
        for number in (9, 11, 15):
            self.ends(128 + number, "run", "--", "sh", "-c", f"kill -{number} $$")

    def test_a_command_that_cannot_be_executed(self):
        _, err = self.ends(127, "run", "no-such-command-anywhere")
        self.assertIn("cannot execute 'no-such-command-anywhere'", err)
        self.ends(126, "run", "--", self.scratch)

    def test_usage(self):
        self.ends(2, "run")
        self.ends(2, "run", "--")
        self.ends(2, "run", "--strict", "true")
        self.ends(2, "load", "--no-retry-cold")
        self.ends(2, "run", "--set", "NO_SUCH=1", "true")

    def test_what_follows_the_command_is_the_commands(self):
        out, _ = self.ok("--quiet", "run", "printf", "%s|", "--json", "--", "-x", "--help")
        self.assertEqual(out, "--json|--|-x|--help|")
        out, _ = self.ok("run", "--quiet", "--", "printf", "%s|", "--", "a")
        self.assertEqual(out, "--|a|")

    def test_the_server_starts_whatever_is_wrong_with_the_cache(self):
        for environment in ({"BASETEN_FS_ENABLED": "0"}, {"BASETEN_FS_ENABLED": "x"}, {"B10_THREADS": "x"},
                            {"B10FS_CACHE_DIR": "/dev/null"}, {"B10_CACHE_KIND": "x"},
                            {"B10_TRANSFER_VLLM_URL": "nonsense"}, {"B10_TRANSFER_CLI_LOGLEVEL": "loud"}, {"B10_LOG_LEVEL": "x"}, {"B10FS_CACHE_DIR": "relative"}):
            out, err = self.ends(7, "run", "sh", "-c", "echo started; exit 7", environment=environment)
            self.assertEqual(out, "started\n", err)

    def test_the_log_level_is_obeyed(self):
        for environment in ({"B10_LOG_LEVEL": "warn"}, {"B10_TRANSFER_CLI_LOGLEVEL": "ERROR"}):
            _, err = self.ok("run", "true", environment=environment)
            self.assertEqual(err, "")
        _, err = self.ok("run", "true")
        self.assertIn("start: 'true'", err)

    def test_require_hit_is_exit_code_3_instead_of_a_cold_start(self):
        out, err = self.ends(3, "run", "--require-hit", "echo", "started")
        self.assertEqual(out, "")
        self.assertIn("not started", err)
        self.ends(2, "run", "--require-hit", "true", environment={"BASETEN_FS_ENABLED": "0"})
        self.saved()
        out, _ = self.ok("run", "--require-hit", "echo", "started")
        self.assertEqual(out, "started\n")

    def test_json_is_one_line_after_the_servers_output(self):
        out, _ = self.ends(5, "run", "--json", "sh", "-c", "echo output; exit 5")
        first, last = out.splitlines()
        self.assertEqual(first, "output")
        answer = json.loads(last)
        self.assertEqual((answer["command"], answer["exit_code"], answer["starts"]), ("run", 5, 1))
        self.assertEqual((answer["load"]["reason"], answer["save"], answer["ready"]), ("ABSENT", None, False))


class Output(RunTest):
    def test_it_is_passed_on_byte_by_byte(self):
        code = "import os,sys\nfor n in range(300): os.write(1, bytes(range(256)) * (n % 17) + b'\\n\\0\\xff')"
        result = self.run_command("run", "--quiet", "--", sys.executable, "-c", code)
        self.assertEqual(result.stdout, b"".join(bytes(range(256)) * (n % 17) + b"\n\0\xff" for n in range(300)))
        self.assertEqual(result.stderr, b"")

    def test_one_file_for_both_keeps_their_order(self):
        script = "for n in 1 2 3 4 5 6 7 8 9; do echo o$n; echo e$n >&2; done"
        result = self.run_command("run", "--quiet", "sh", "-c", script, stderr=subprocess.STDOUT)
        self.assertEqual(result.stdout.decode().split(), [f"{s}{n}" for n in range(1, 10) for s in "oe"])

    def test_nothing_is_held_back(self):
        process = self.start("sh", "-c", "printf partial; read line; printf rest")
        self.assertEqual(process.stdout.read(7), b"partial")
        out, _ = process.communicate(b"\n", timeout=20)
        self.assertEqual((out, process.returncode), (b"rest", 0))

    def test_a_terminal_stays_one(self):
        leader, follower = pty.openpty()
        process = subprocess.Popen([COMMAND, "run", "--quiet", "sh", "-c", "test -t 1 && test -t 2 && test -t 0"],
                                   env=self.environment, stdin=follower, stdout=follower, stderr=follower)
        os.close(follower)
        self.assertEqual(process.wait(timeout=20), 0)
        os.close(leader)

    def test_the_server_hears_of_a_reader_that_goes_away(self):
        out, err = self.ok("run", "sh", "-c", "exit 0")  # the command has been read once
        done = subprocess.run(["sh", "-c", '"$0" run --json sh -c "while echo x; do :; done" | head -1', COMMAND],
                              env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
        self.assertEqual(done.stdout, b"x\n")

    def test_it_goes_on_when_run_is_killed(self):
        script = "trap '' TERM; echo $$; read line; echo after; sleep 0.2; echo end"
        process = self.start("sh", "-c", script)
        server = int(process.stdout.readline())
        process.kill()
        process.wait()
        process.stdin.write(b"\n")
        process.stdin.flush()
        self.assertEqual(process.stdout.read(), b"after\nend\n")
        wait_for(lambda: not is_alive(server))

    def test_a_cache_that_an_engine_refuses_is_noticed(self):
        line = "WARNING 01-01 00:00:00 [decorators.py:999] Compiling model again due to a load failure from /x/model, reason: bad magic"
        out, err = self.ok("run", "--report", self.report, "sh", "-c", f"echo '{line}'; echo '{line}' >&2; sleep 0.3")
        self.assertEqual(out, line + "\n")
        self.assertIn("loaded but refused: bad magic\n", err)
        self.assertEqual(self.told()["refused"], "bad magic")


class Signals(RunTest):
    def test_every_signal_reaches_the_servers_group(self):
        traps = "; ".join(f"trap 'echo {name}' {name}" for name in ("TERM", "INT", "HUP", "USR1", "WINCH"))
        script = f"{traps}; trap 'exit 5' USR2; echo ready; while :; do sleep 0.05; done"
        process = self.start("--quiet", "bash", "-c", script)
        self.assertEqual(process.stdout.readline(), b"ready\n")
        for name in ("USR1", "HUP", "INT", "TERM", "WINCH"):
            process.send_signal(getattr(signal, f"SIG{name}"))
            self.assertEqual(process.stdout.readline().decode().strip(), name)
        process.send_signal(signal.SIGUSR2)
        process.communicate(timeout=20)
        self.assertEqual(process.returncode, 5)

    def test_an_end_that_was_asked_for_is_128_and_the_signal(self):
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1):
            process = self.start("sh", "-c", "echo ready; exec sleep 60")
            process.stdout.readline()
            process.send_signal(number)
            process.communicate(timeout=20)
            self.assertEqual(process.returncode, 128 + number)

    def test_a_killed_server_is_137(self):
        process = self.start("sh", "-c", "echo $$; exec sleep 60")
        os.kill(int(process.stdout.readline()), signal.SIGKILL)
        process.communicate(timeout=20)
        self.assertEqual(process.returncode, 137)

    def test_when_run_is_killed_the_server_is_asked_to_end(self):
        process = self.start("bash", "-c", "trap 'echo asked; exit' TERM; echo $$; while :; do sleep 0.05; done")
        server = int(process.stdout.readline())
        process.kill()
        self.assertEqual(process.stdout.readline(), b"asked\n")
        wait_for(lambda: not is_alive(server))

    def test_what_is_ignored_stays_ignored(self):
        process = self.start("bash", "-c", "trap - HUP; kill -HUP $$; echo alive",
                             preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
        self.assertEqual(process.stdout.read(), b"alive\n")

    def test_the_server_gets_signals_as_run_had_them(self):
        code = "import signal; print(signal.pthread_sigmask(0, []), signal.getsignal(signal.SIGTERM).name)"
        out, _ = self.ok("run", "--quiet", sys.executable, "-c", code)
        self.assertEqual(out, "set() SIG_DFL\n")
        out, _ = self.ok("run", "--quiet", "grep", "SigIgn", "/proc/self/status", restore_signals=True)
        self.assertEqual(int(out.split()[1], 16) & (1 << (signal.SIGPIPE - 1)), 0)


class FirstProcess(RunTest):
    def setUp(self):
        super().setUp()
        probe = ["unshare", "--pid", "--fork", "--mount-proc", "true"]
        if os.geteuid() != 0 or subprocess.run(probe, stderr=subprocess.DEVNULL).returncode != 0:
            self.skipTest("this machine allows no pid namespaces")
        self.prefix = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]

    def test_orphans_are_reaped_and_daemons_do_not_hold_it(self):
        script = textwrap.dedent("""
            i=0; while [ $i -lt 100 ]; do (setsid sh -c 'sleep 0.2' > /dev/null 2>&1 &) ; i=$((i+1)); done
            (setsid sleep 300 &)
            sleep 1.5
            ps -e -o stat= | grep -c Z
            exit 42
        """)
        process = self.start("bash", "-c", script, prefix=self.prefix)
        out, _ = process.communicate(timeout=60)
        self.assertEqual((process.returncode, out), (42, b"0\n"), self.said())

    def test_it_is_a_subreaper_elsewhere(self):
        script = "(setsid sh -c 'sleep 0.3; echo $PPID' &); sleep 0.6; echo $PPID"
        out, _ = self.ok("run", "--quiet", "sh", "-c", script)
        self.assertEqual(len(set(out.split())), 1, out)

    def test_signals_and_codes(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            process = self.start("sh", "-c", "echo ready; exec sleep 60", prefix=self.prefix)
            process.stdout.readline()
            (first,) = self.children(process.pid)
            os.kill(first, number)
            process.communicate(timeout=20)
            self.assertEqual(process.returncode, 128 + number)

    def children(self, pid):
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            return [int(word) for word in file.read().split()]


class Caching(RunTest):
    def test_cold_then_warm(self):
        process = self.start(*self.server("--files", "20", "--seconds", "1"))
        self.assertEqual(self.serve(process), 0)
        cold = self.told()
        self.assertEqual((cold["warmth"], cold["save"]["files"], cold["ready"]), ("cold", 20, True), self.said())
        self.assertEqual(cold["final_save"]["reason"], "ALREADY_SAVED")
        shutil.rmtree(self.local)
        process = self.start(*self.server("--files", "20", "--seconds", "1"))
        self.assertEqual(self.serve(process), 0)
        warm = self.told()
        self.assertEqual((warm["warmth"], warm["load"]["files"], warm["save"]["reason"]), ("warm", 20, "ALREADY_SAVED"))
        self.assertIn("warm: 20 of 20 files from the cache", self.said())

    def test_what_is_compiled_later_is_saved_at_the_end(self):
        process = self.start(*self.server("--files", "3", "--seconds", "0.1"))
        self.wait_until_said("b10-compile-cache: save: 3 files")
        self.fill_local({"later/kernel": b"compiled for a request"})
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(timeout=30), 143)
        told = self.told()
        self.assertEqual((told["final_save"]["files"], told["final_save"]["merged_files"]), (1, 3))

    def test_an_end_before_the_cache_is_quiet_is_saved_at_once(self):
        process = self.start(*self.server("--files", "3", "--seconds", "0.1"))
        self.wait_until_said("wait: the server is ready")
        process.send_signal(signal.SIGTERM)
        began = time.monotonic()
        process.wait(timeout=30)
        self.assertLess(time.monotonic() - began, 4)
        told = self.told()
        self.assertEqual((told["exit_code"], told["save"], told["final_save"]["files"]), (143, None, 3))

    def test_a_server_that_ends_before_it_is_ready_leaves_nothing(self):
        self.fill_local()
        self.ends(9, "run", "--", "sh", "-c", "exit 9")
        self.assertEqual(os.listdir(self.volume), [])


class BadCache(RunTest):
    def dying(self, *arguments):
        """Dies of a file of the cache, and only of that."""
        bad = shlex.quote(os.path.join(self.local, "bad", "kernel.so"))
        return self.server("--files", "3", "--seconds", "0.1", *arguments,
                           before=f"echo start; if [ -e {bad} ]; then kill -BUS $$; fi")

    def store_bad(self):
        self.saved({"bad/kernel.so": b"truncated", "good/kernel.py": b"fine"})

    def test_it_is_started_once_more_without_and_the_archive_is_marked(self):
        self.store_bad()
        before = os.path.basename(self.archive())
        process = self.start(*self.dying())
        self.assertEqual(self.serve(process), 0, self.said())
        told = self.told()
        self.assertEqual((told["starts"], told["unloaded_files"], told["marked_suspect"]), (2, 2, True), self.said())
        self.assertEqual((told["warmth"], told["save"]["reason"]), ("cold", "ALREADY_SAVED"))
        self.assertEqual(len(self.marks()), 1)
        self.assertEqual(os.path.basename(self.archive()), before)
        self.assertFalse(os.path.exists(os.path.join(self.local, "bad")))
        self.assertEqual([name for name in os.listdir(self.scratch) if name.startswith(".b10")], [])

    def test_two_boots_have_it_replaced(self):
        probe = ["unshare", "--mount", "true"]
        if os.geteuid() != 0 or subprocess.run(probe, stderr=subprocess.DEVNULL).returncode != 0:
            self.skipTest("this machine allows no mount namespaces")
        self.store_bad()
        process = self.start(*self.dying())
        self.assertEqual(self.serve(process), 0, self.said())
        shutil.rmtree(self.local)
        other = os.path.join(self.scratch, "boot_id")
        with open(other, "w", encoding="ascii") as file:
            file.write("0badb007-0000-4000-8000-000000000000\n")
        prefix = ["unshare", "--mount", "--propagation", "private", "sh", "-c",
                  f'mount --bind {shlex.quote(other)} /proc/sys/kernel/random/boot_id && exec "$@"', "sh"]
        process = self.start(*self.dying(), prefix=prefix)
        self.assertEqual(self.serve(process), 0, self.said())
        told = self.told()
        self.assertEqual((told["starts"], told["marked_suspect"]), (2, True), self.said())
        self.assertEqual((told["save"]["status"], told["save"]["files"]), ("SUCCESS", 3), self.said())
        self.assertEqual(self.marks(), [])
        shutil.rmtree(self.local)
        process = self.start(*self.dying())
        self.assertEqual(self.serve(process), 0, self.said())
        self.assertEqual((self.told()["starts"], self.told()["warmth"]), (1, "warm"))

    def test_marked_by_two_boots_it_is_not_loaded(self):
        self.store_bad()
        out, _ = self.ok("load", "--json")
        token = json.loads(out)["archive_token"]
        key = json.loads(out)["environment_key"]
        shutil.rmtree(self.local)
        for boot in ("0badb007", "0badb008"):
            open(os.path.join(self.volume, f".{key}.suspect-{token[:16]}-{boot}"), "wb").close()
        self.assertEqual(self.json(3, "load", "--require-hit")["suspect"], 1)
        self.assertEqual(self.json(0, "list")["total_caches"], 1)

    def test_it_can_be_forbidden(self):
        self.store_bad()
        process = self.start("--no-retry-cold", *self.dying())
        process.communicate(timeout=30)
        self.assertEqual(process.returncode, 128 + signal.SIGBUS)
        self.assertEqual((self.told()["starts"], self.marks()), (1, []))

    def test_a_server_that_fails_without_the_cache_too_is_no_reason_for_a_mark(self):
        self.store_bad()
        out, _ = self.ends(3, "run", "--report", self.report, "--", "sh", "-c", "echo start; exit 3")
        self.assertEqual(out, "start\nstart\n")
        self.assertEqual((self.told()["starts"], self.told()["exit_code"], self.marks()), (2, 3, []))

    def test_an_end_that_was_asked_for_is_no_failure(self):
        self.store_bad()
        process = self.start("sh", "-c", "echo ready; exec sleep 60")
        process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
        self.assertEqual((process.returncode, self.told()["starts"]), (143, 1))

    def test_however_it_dies_before_it_is_ready(self):
        for death, code in (("exit 1", 1), ("kill -KILL $$", 137), ("kill -SEGV $$", 139)):
            self.store_bad()
            out, _ = self.ends(code, "run", "--", "sh", "-c", f"echo start; {death}")
            self.assertEqual(out, "start\nstart\n")
            os.unlink(self.archive())

    def test_with_nothing_loaded_there_is_no_second_start(self):
        out, _ = self.ends(3, "run", "--", "sh", "-c", "echo start; exit 3")
        self.assertEqual(out, "start\n")


if __name__ == "__main__":
    run_tests()
