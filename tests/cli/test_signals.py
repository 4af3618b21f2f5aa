"""A signal cancels the operation, which cleans up after itself."""

import fcntl
import os
import signal
import subprocess
import time

from support import COMMAND, CommandTest, unittest


def catches(pid, number):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        (mask,) = [line.split()[1] for line in file if line.startswith("SigCgt:")]
    return bool(int(mask, 16) >> (number - 1) & 1)


class Signals(CommandTest):
    def start_held(self, *arguments, ignore=()):
        """Starts the command at its most talkative with a full pipe as stderr: it waits at its first log line, before any
        work, until the pipe is read. Returns the process and the pipe's read end."""
        read_end, write_end = os.pipe()
        fcntl.fcntl(write_end, fcntl.F_SETPIPE_SZ, 4096)
        os.set_blocking(write_end, False)
        try:
            while True:
                os.write(write_end, b"." * 4096)
        except BlockingIOError:
            os.set_blocking(write_end, True)

        def prepare():
            for number in ignore:
                signal.signal(number, signal.SIG_IGN)

        process = subprocess.Popen([COMMAND, *arguments, "-v"], env=self.environment, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=write_end, preexec_fn=prepare)
        os.close(write_end)
        self.addCleanup(process.kill)
        return process, read_end

    def let_go(self, process, read_end):
        with open(read_end, "rb") as pipe:
            err = pipe.read().lstrip(b".")
        out, _ = process.communicate()
        return process.returncode, out.decode(), err.decode()

    def interrupted(self, number, *arguments):
        process, read_end = self.start_held(*arguments)
        while not catches(process.pid, signal.SIGTERM):
            self.assertIsNone(process.poll())
            time.sleep(0.001)
        process.send_signal(number)
        return self.let_go(process, read_end)

    def test_an_interrupted_save_publishes_nothing_and_leaves_nothing(self):
        for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)):
            with self.subTest(number):
                self.fill_local()
                returned, out, err = self.interrupted(number, "save")
                self.assertEqual(returned, code, err)
                self.assertEqual(out, "")
                self.assertIn("(CANCELLED)", err)
                self.assertEqual(os.listdir(self.volume), [])

    def test_an_interrupted_load_leaves_the_local_directory_as_it_was(self):
        self.saved()
        returned, _, err = self.interrupted(signal.SIGINT, "load")
        self.assertEqual(returned, 130, err)
        self.assertEqual(sorted(os.listdir(self.scratch)), ["volume"])
        self.ok("load")

    def test_an_interrupted_verify_says_so_in_json(self):
        self.saved()
        returned, out, _ = self.interrupted(signal.SIGTERM, "verify", self.archive(), "--json")
        self.assertEqual(returned, 143)
        self.assertIn('"reason": "CANCELLED"', out)
        self.assertIn('"exit_code": 143', out)

    def test_the_second_signal_ends_the_command_at_once(self):
        self.fill_local()
        process, read_end = self.start_held("save")
        while not catches(process.pid, signal.SIGINT):
            self.assertIsNone(process.poll())
            time.sleep(0.001)
        process.send_signal(signal.SIGINT)
        while catches(process.pid, signal.SIGINT):
            time.sleep(0.001)
        process.send_signal(signal.SIGINT)
        returned, _, _ = self.let_go(process, read_end)
        self.assertEqual(returned, -signal.SIGINT)

    def test_a_signal_that_the_parent_ignores_stays_ignored(self):
        self.fill_local()
        process, read_end = self.start_held("save", ignore=(signal.SIGINT,))
        while not catches(process.pid, signal.SIGTERM):
            self.assertIsNone(process.poll())
            time.sleep(0.001)
        process.send_signal(signal.SIGINT)
        returned, out, err = self.let_go(process, read_end)
        self.assertEqual(returned, 0, err)
        self.assertIn("saved 3 files", out)


if __name__ == "__main__":
    unittest.main()
