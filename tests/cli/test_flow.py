"""The flow: the command beside a server that starts. The server is server.py, nginx, or one that answers over TLS."""

import ctypes.util
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "fault"))

import volume
from support import COMMAND, CommandTest, run_tests, unittest

FAULTFS = os.environ.get("B10_FAULTFS", "none")
SERVER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "server.py")
NGINX = shutil.which("nginx", path="/usr/sbin:/usr/bin:/sbin:/bin")


class FlowTest(CommandTest):
    def setUp(self):
        super().setUp()
        self.environment.update(B10_TRANSFER_INTERVAL_S="1", B10_TRANSFER_TIMEOUT_S="30",
                                B10_CACHE_KIND="vllm", VLLM_CACHE_ROOT=self.local, LANG="C.UTF-8")

    def serve(self, *arguments, scheme="http"):
        """Starts the server; it "compiles" into the local directory. Its URL goes into the environment."""
        process = subprocess.Popen([sys.executable, "-B", SERVER, self.local, *arguments], text=True,
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        self.ask(f"{scheme}://127.0.0.1:{int(process.stdout.readline())}/v1/models")
        return process

    def ask(self, url):
        self.environment["B10_TRANSFER_VLLM_URL"] = url

    def line(self, code, *arguments, **options):
        """Runs the flow with --json: stdout must be one line that is one object."""
        out, _ = self.ends(code, "--json", *arguments, **options)
        self.assertEqual(out.count("\n"), 1)
        return json.loads(out)


class Servers(FlowTest):
    def test_the_first_replica_starts_cold_the_next_one_warm(self):
        del self.environment["B10_CACHE_KIND"]
        report = os.path.join(self.scratch, "report")
        self.serve("--files", "20", "--seconds", "1.5")
        out, err = self.ok("--report", report)
        for phase in ("load: nothing to do", "wait: the server is ready", "settle: the cache is quiet", "cold: ", "save: 20 files"):
            self.assertEqual(err.count(phase), 1, err)
        self.assertRegex(out, r"^done in [\d.]+ s: cold: .*; saved 20 files\n$")
        with open(report, encoding="utf-8") as file:
            cold = json.loads(file.read())
        self.assertEqual((cold["command"], cold["status"], cold["warmth"]), ("flow", "SUCCESS", "cold"))
        self.assertEqual((cold["load"]["reason"], cold["save"]["files"], cold["new_files"]), ("ABSENT", 20, 20))
        self.assertGreater(cold["wait_seconds"], 1)
        self.assertRegex(cold["save"]["environment_key"], "^vllm-")
        self.assertEqual(os.listdir(self.scratch).count("report"), 1)
        self.assertEqual([name for name in os.listdir(self.scratch) if name.endswith(".tmp")], [])

        shutil.rmtree(self.local)
        self.serve("--files", "20", "--seconds", "1.5")
        warm = self.line(0)
        self.assertEqual((warm["status"], warm["reason"], warm["warmth"]), ("SKIPPED", "ALREADY_SAVED", "warm"))
        self.assertEqual(warm["verdict"], "warm: 20 of 20 files from the cache")
        self.assertEqual(warm["load"]["status"], "SUCCESS")
        self.assertIsInstance(warm["seconds"], float)

        shutil.rmtree(self.local)
        self.serve("--files", "20", "--prefix", "other")
        partly = self.line(0)
        self.assertEqual((partly["status"], partly["warmth"], partly["new_files"]), ("SUCCESS", "partly", 20))
        self.assertEqual((partly["save"]["files"], partly["save"]["merged_files"]), (20, 20))
        self.assertIn("partly: 20 new files in 7 entries, 20 of 40 from the cache", partly["verdict"])

    def test_a_server_that_reads_meanwhile_sees_whole_entries_only(self):
        """It has begun to write, so the load moves entries in one by one."""
        files = {f"entry{entry}/part{part}": bytes([entry % 256]) * 3000 for entry in range(120) for part in range(5)}
        self.saved(files)
        self.fill_local({"begun": b"by the server"})
        broken, over = [], threading.Event()

        def watch():
            while not over.is_set():
                for entry in os.listdir(self.local):
                    if not entry.startswith("entry"):
                        continue
                    path = os.path.join(self.local, entry)
                    sizes = [os.stat(os.path.join(path, name)).st_size for name in os.listdir(path)]
                    if sizes != [3000] * 5:
                        broken.append((entry, sizes))

        watcher = threading.Thread(target=watch)
        watcher.start()
        self.serve("--files", "0", "--seconds", "0")
        self.ok()
        over.set()
        watcher.join()
        self.assertEqual(broken, [])
        found = self.read_local()
        self.assertEqual(found.pop("begun"), b"by the server")
        self.assertEqual(found, files)

    def test_a_server_that_wants_a_key_is_told_at_once(self):
        self.serve("--files", "1", "--seconds", "0", "--key", "sesame")
        begun = time.monotonic()
        _, err = self.ends(1)
        self.assertLess(time.monotonic() - begun, 5)
        self.assertIn("wants a key (HTTP status 401)", err)
        self.assertIn("(DENIED)", err)
        _, err = self.ends(1, environment={"B10_TRANSFER_VLLM_API_KEY": "wrong"})
        self.assertIn("refuses the key", err)

    def test_the_key_is_sent_and_nowhere_told(self):
        self.serve("--files", "1", "--seconds", "0", "--key", "sesame")
        out, err = self.ok("-v", "--json", environment={"VLLM_API_KEY": "sesame"})
        self.assertNotIn("sesame", out + err)
        out, err = self.ok("config", "--json", environment={"B10_TRANSFER_VLLM_API_KEY": "sesame"})
        self.assertNotIn("sesame", out + err)
        self.assertIn("(hidden)", out)

    def test_what_is_no_200_is_waited_for_and_said_in_the_end(self):
        self.environment["B10_TRANSFER_TIMEOUT_S"] = "1"
        self.fill_local({"a": b"half a cache"})
        for status, words in ((302, "a redirect, which is not followed"), (404, "404"), (204, "204")):
            with self.subTest(status):
                self.serve("--files", "0", "--seconds", "0", "--status", str(status))
                _, err = self.ends(6)
                self.assertRegex(err, f"was not ready within 1 s: .*{words}.*TIMEOUT")
        self.assertEqual(os.listdir(self.volume), [])

    def test_no_server_is_a_time_out_and_nothing_is_saved(self):
        self.fill_local({"a": b"half a cache"})
        self.ask("http://127.0.0.1:1/")
        answer = self.line(6, environment={"B10_TRANSFER_TIMEOUT_S": "1"})
        self.assertEqual((answer["status"], answer["reason"], answer["ready"]), ("ERROR", "TIMEOUT", False))
        self.assertIn("refused", answer["message"])
        self.assertIsNone(answer["save"])
        self.assertEqual(os.listdir(self.volume), [])

    def test_a_proxy_is_not_asked(self):
        self.serve("--files", "1", "--seconds", "0")
        nobody = "http://127.0.0.1:1"
        self.ok(environment={"http_proxy": nobody, "HTTP_PROXY": nobody, "ALL_PROXY": nobody})


class Outcomes(FlowTest):
    def test_a_signal_ends_the_waiting(self):
        self.ask("http://127.0.0.1:1/")
        for number in (signal.SIGTERM, signal.SIGINT):
            process = subprocess.Popen([COMMAND], env=self.environment, stdin=subprocess.DEVNULL,
                                       stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            self.addCleanup(process.kill)
            while "waiting for" not in process.stderr.readline():
                self.assertIsNone(process.poll())
            begun = time.monotonic()
            process.send_signal(number)
            process.communicate(timeout=10)
            self.assertEqual(process.returncode, 128 + number)
            self.assertLess(time.monotonic() - begun, 5)

    def test_off_is_said_at_once(self):
        self.ask("http://127.0.0.1:1/")
        answer = self.line(2, environment={"BASETEN_FS_ENABLED": "0"})
        self.assertEqual(answer["reason"], "DISABLED")

    def test_a_cold_start_can_be_an_exit_code_and_is_saved_all_the_same(self):
        self.serve("--files", "2", "--seconds", "0")
        answer = self.line(3, "--require-hit")
        self.assertEqual((answer["status"], answer["exit_code"]), ("SUCCESS", 3))
        self.assertEqual(len(os.listdir(self.volume)), 1)

    def test_a_bad_url_is_a_setting_and_its_password_a_secret(self):
        for url in ("ftp://server/", "http://anna:secret@server/", "http://"):
            self.ask(url)
            _, err = self.ends(2)
            self.assertIn("B10_TRANSFER_VLLM_URL", err)
            self.assertNotIn("secret", err)

    def test_the_level_of_the_log_has_its_own_variable(self):
        self.ask("http://127.0.0.1:1/")
        self.environment["B10_TRANSFER_TIMEOUT_S"] = "1"
        _, err = self.ends(6, environment={"B10_TRANSFER_CLI_LOGLEVEL": "debug"})
        self.assertIn("connection refused", err)
        self.assertIn("debug:", err)
        _, err = self.ends(6, environment={"B10_TRANSFER_CLI_LOGLEVEL": "ERROR"})
        self.assertEqual(err.count("\n"), 1)
        _, err = self.ends(6, "-v", environment={"B10_TRANSFER_CLI_LOGLEVEL": "ERROR"})
        self.assertIn("debug:", err)
        _, err = self.ends(2, environment={"B10_TRANSFER_CLI_LOGLEVEL": "LOUD"})
        self.assertIn("B10_TRANSFER_CLI_LOGLEVEL", err)
        self.ok("list", environment={"B10_TRANSFER_CLI_LOGLEVEL": "LOUD"})

    def test_a_report_goes_where_it_can(self):
        self.ask("http://127.0.0.1:1/")
        self.environment["B10_TRANSFER_TIMEOUT_S"] = "1"
        target, link = os.path.join(self.scratch, "target"), os.path.join(self.scratch, "link")
        os.symlink(target, link)
        with open(target, "w", encoding="utf-8") as file:
            file.write("x" * 10000)
        self.ends(6, "-q", "--report", link)
        self.assertTrue(os.path.islink(link))
        with open(target, encoding="utf-8") as file:
            self.assertEqual(json.loads(file.read())["reason"], "TIMEOUT")
        self.ends(6, "-q", "--report", "/dev/null")
        _, err = self.ends(6, "-q", "--report", "/dev/full")
        self.assertIn("cannot write the report '/dev/full'", err)
        _, err = self.ends(6, "-q", "--report", os.path.join(self.scratch, "none", "report"))
        self.assertIn("cannot write the report", err)
        self.ends(2, "load", "--report", target)

    @unittest.skipUnless(os.geteuid() == 0, "not root: nothing can be mounted")
    def test_a_report_file_that_is_a_mount_point_is_written_in_place(self):
        """As Kubernetes mounts /dev/termination-log."""
        report, behind = os.path.join(self.scratch, "log"), os.path.join(self.scratch, "behind")
        for path in (report, behind):
            open(path, "w", encoding="utf-8").close()
        self.ask("http://127.0.0.1:1/")
        script = 'mount --bind "$1" "$2" && shift 2 && "$@"; exit $?'
        result = subprocess.run(["unshare", "-m", "sh", "-c", script, "sh", behind, report, COMMAND, "-q", "--report", report],
                                env=dict(self.environment, B10_TRANSFER_TIMEOUT_S="1"), capture_output=True, text=True)
        if "mount" in result.stderr or "unshare" in result.stderr:
            self.skipTest(f"nothing can be mounted: {result.stderr.strip()}")
        self.assertEqual(result.returncode, 6, result.stderr)
        with open(behind, encoding="utf-8") as file:
            self.assertEqual(json.loads(file.read())["exit_code"], 6)
        self.assertEqual([name for name in os.listdir(self.scratch) if name.endswith(".tmp")], [])


@unittest.skipIf(FAULTFS == "none", "built without libfuse3")
@unittest.skipIf(os.environ.get(volume.NAMESPACE) != "entered", "no FUSE, or no mount namespaces for this user")
class HungVolume(FlowTest):
    def test_a_volume_that_hangs_during_the_load_is_saved_to_later(self):
        mounted = volume.Volume(FAULTFS, os.path.join(self.scratch, "fuse"))
        self.addCleanup(mounted.close)
        self.environment.update(B10FS_CACHE_DIR=mounted.path, B10_LOAD_TIMEOUT_SECONDS="1")
        self.serve("--files", "3", "--seconds", "3")
        mounted.rules("* 1 999999 hang 0")
        process = subprocess.Popen([COMMAND, "--json"], env=self.environment, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(process.kill)
        self.addCleanup(mounted.rules)
        while "not done after 1 s" not in (line := process.stderr.readline()):
            self.assertNotEqual(line, "")
        mounted.rules()
        out, err = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 0, err)
        answer = json.loads(out)
        self.assertEqual((answer["load"]["reason"], answer["warmth"]), ("TIMEOUT", "cold"))
        self.assertEqual((answer["status"], answer["save"]["files"]), ("SUCCESS", 3))


class Tls(FlowTest):
    def setUp(self):
        super().setUp()
        if ctypes.util.find_library("curl") is None:
            self.skipTest("there is no libcurl")
        if shutil.which("openssl") is None:
            self.skipTest("there is no openssl")
        self.certificate = os.path.join(self.scratch, "certificate.pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1",
                        "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", self.certificate + ".key",
                        "-out", self.certificate + ".crt"], check=True, capture_output=True)
        with open(self.certificate, "w", encoding="utf-8") as file:
            for part in (".key", ".crt"):
                with open(self.certificate + part, encoding="utf-8") as source:
                    file.write(source.read())

    def test_https_needs_a_certificate_that_is_trusted(self):
        self.serve("--files", "2", "--seconds", "0", "--certificate", self.certificate, scheme="https")
        _, err = self.ends(6, environment={"B10_TRANSFER_TIMEOUT_S": "1"})
        self.assertRegex(err, "was not ready within 1 s: .*certificate")
        answer = self.line(0, environment={"CURL_CA_BUNDLE": self.certificate + ".crt"})
        self.assertEqual((answer["status"], answer["http_status"]), ("SUCCESS", 200))

    def test_https_obeys_the_same_rules(self):
        trusted = {"SSL_CERT_FILE": self.certificate + ".crt", "B10_TRANSFER_TIMEOUT_S": "2"}
        with_tls = ("--seconds", "0", "--certificate", self.certificate)
        self.serve("--files", "1", *with_tls, "--key", "sesame", scheme="https")
        _, err = self.ends(1, environment=trusted)
        self.assertIn("wants a key (HTTP status 401)", err)
        _, err = self.ok("-v", environment=dict(trusted, VLLM_API_KEY="sesame"))
        self.assertNotIn("sesame", err)
        self.serve("--files", "1", *with_tls, "--status", "302", scheme="https")
        _, err = self.ends(6, environment=trusted)
        self.assertIn("a redirect, which is not followed", err)
        self.serve("--files", "1", *with_tls, scheme="http")
        _, err = self.ends(6, environment=trusted)
        self.assertRegex(err, "was not ready within 2 s")


@unittest.skipIf(NGINX is None, "there is no nginx")
class Nginx(FlowTest):
    CONFIGURATION = """
        daemon off; master_process off; pid {root}/nginx.pid; error_log {root}/error.log; worker_processes 1;
        events {{ worker_connections 64; }}
        http {{
          access_log off; default_type text/plain;
          client_body_temp_path {root}/body; proxy_temp_path {root}/proxy; fastcgi_temp_path {root}/fastcgi;
          uwsgi_temp_path {root}/uwsgi; scgi_temp_path {root}/scgi;
          server {{
            listen unix:{root}/unused.socket; listen 127.0.0.1:{port};
            location = /health {{ if (!-f {root}/ready) {{ return 503; }} return 200 "ready"; }}
            location = /redirect {{ return 301 /health; }}
            location = /close {{ return 444; }}
            location = /slow {{ limit_rate 10; root {root}; try_files /body =404; }}
          }}
        }}"""

    def setUp(self):
        super().setUp()
        self.root = os.path.join(self.scratch, "nginx")
        os.mkdir(self.root)
        with open(os.path.join(self.root, "body"), "w", encoding="utf-8") as file:
            file.write("x" * 1000)
        for attempt in range(20):
            self.port = 20000 + (os.getpid() * 7 + attempt * 101) % 10000
            if self.start():
                return
        self.fail("nginx does not start")

    def start(self):
        configuration = os.path.join(self.root, "nginx.conf")
        with open(configuration, "w", encoding="utf-8") as file:
            file.write(self.CONFIGURATION.format(root=self.root, port=self.port))
        process = subprocess.Popen([NGINX, "-c", configuration, "-p", self.root], stderr=subprocess.DEVNULL)
        while process.poll() is None:
            if os.path.exists(os.path.join(self.root, "nginx.pid")) and os.path.getsize(os.path.join(self.root, "nginx.pid")):
                self.addCleanup(process.wait)
                self.addCleanup(process.kill)
                return True
            time.sleep(0.01)
        return False

    def test_503_until_it_is_ready(self):
        self.fill_local()
        self.ask(f"http://127.0.0.1:{self.port}/health")
        timer = threading.Timer(2.5, lambda: open(os.path.join(self.root, "ready"), "w", encoding="utf-8").close())
        timer.start()
        self.addCleanup(timer.cancel)
        answer = self.line(0)
        self.assertEqual((answer["status"], answer["http_status"]), ("SUCCESS", 200))
        self.assertGreater(answer["wait_seconds"], 2)

    def test_no_half_answer_is_ready(self):
        self.environment["B10_TRANSFER_TIMEOUT_S"] = "2"
        for path, words in (("close", "closed without an answer"), ("redirect", "redirect"), ("slow", "half an answer")):
            with self.subTest(path):
                self.ask(f"http://127.0.0.1:{self.port}/{path}")
                _, err = self.ends(6)
                self.assertIn(words, err)


if __name__ == "__main__":
    volume.enter_where_possible(FAULTFS)
    run_tests()
