"""A small model server: it "compiles" into its cache directory, file by file and by renames as compilers do, while it
answers 503; then it answers 200. Prints its port first.

    server.py CACHE_DIRECTORY [--files N] [--seconds S] [--prefix NAME] [--key TOKEN] [--certificate PEM] [--status CODE]
              [--port PORT]
"""

import argparse
import http.server
import os
import ssl
import sys
import threading
import time


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        server = self.server
        server.asked.append(dict(self.headers))
        status = server.status if server.ready.is_set() else 503
        if server.key and self.headers.get("Authorization") != f"Bearer {server.key}":
            status = 401
        body = b'{"object": "list", "data": []}' if status == 200 else b""
        self.send_response(status)
        if 300 <= status < 400:
            self.send_header("Location", "/v1/models")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


def compile_model(options, ready):
    """An entry that is there already is not compiled again."""
    for number in range(options.files):
        entry = os.path.join(options.cache, f"{options.prefix}{number % 7}")
        path = os.path.join(entry, f"kernel{number}.py")
        if not os.path.exists(path):
            time.sleep(options.seconds / max(options.files, 1))
            os.makedirs(entry, exist_ok=True)
            temporary = f"{path}.{os.getpid()}.{threading.get_ident()}.tmp"
            with open(temporary, "w", encoding="utf-8") as file:
                file.write(f"kernel {number}\n" * 50)
            os.rename(temporary, path)
    ready.set()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("cache")
    parser.add_argument("--files", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--prefix", default="entry")
    parser.add_argument("--key", default="")
    parser.add_argument("--certificate", default="")
    parser.add_argument("--status", type=int, default=200)
    parser.add_argument("--port", type=int, default=0)
    options = parser.parse_args()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", options.port), Handler)
    server.ready, server.asked, server.key, server.status = threading.Event(), [], options.key, options.status
    if options.certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(options.certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    print(server.server_address[1], flush=True)
    threading.Thread(target=compile_model, args=(options, server.ready), daemon=True).start()
    threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
    server.serve_forever()


if __name__ == "__main__":
    main()
