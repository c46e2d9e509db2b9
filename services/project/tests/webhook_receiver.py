"""A receiver written with the Standard Webhooks library: answers 204 to a request that it verifies, else 400.

Its argument is a file with the secret. It prints its port.
"""

import http.server
import pathlib
import sys

from standardwebhooks import Webhook


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        secret = pathlib.Path(sys.argv[1]).read_text()
        headers = {name.lower(): value for name, value in self.headers.items()}
        try:
            Webhook(secret).verify(body, headers)
            status = 204
        except Exception:
            status = 400
        self.send_response(status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *arguments):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_address[1], flush=True)
server.serve_forever()
