"""A small server in the shape of the product's API: ``/invoke/{endpoint}`` forwards to real runners, asynchronous calls are kept in memory."""

import http.client
import http.server
import json
import socket
import threading
import urllib.parse


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost")
        self._path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.connect(self._path)


class Listener(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, *_):
        pass  # A caller that left.


class Gateway:
    """``endpoints`` maps names to socket paths of runners."""

    def __init__(self, endpoints, key="dm_k_s"):
        self.endpoints = endpoints
        self.key = key
        self.calls = []
        self.queue = {}
        self.hold = threading.Event()
        self.hold.set()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_POST(self):
                outer.answer(self)

            do_GET = do_POST

        self._server = Listener(("127.0.0.1", 0), Handler)
        self.address = "http://127.0.0.1:%d" % self._server.server_port
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self):
        self.hold.set()
        self._server.shutdown()
        self._server.server_close()

    def answer(self, handler):
        body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        parts = urllib.parse.urlsplit(handler.path)
        if handler.headers.get("Authorization") != "Bearer " + self.key:
            return self.problem(handler, 401, "key_invalid", "The key is not known.")
        pieces = parts.path.split("/")
        if pieces[1] == "invoke":
            return self.invoke(handler, pieces[2], body)
        if pieces[1:4] == ["api", "v1", "invocations"]:
            return self.queued(handler, pieces[4], pieces[5] if len(pieces) > 5 else None, urllib.parse.parse_qs(parts.query))
        return self.problem(handler, 404, "route_not_found", "Nothing is here.")

    def invoke(self, handler, endpoint, body):
        self.calls.append((endpoint, dict(handler.headers.items()), body))
        if endpoint not in self.endpoints:
            return self.problem(handler, 404, "endpoint_not_found", "There is no endpoint '%s'." % endpoint)
        if handler.headers.get("Dormouse-Mode") == "async":
            identity = "call-%d" % (len(self.queue) + 1)
            item = self.queue[identity] = {"state": "queued", "done": threading.Event(), "answer": None}
            threading.Thread(target=self.work, args=(item, endpoint, dict(handler.headers.items()), body), daemon=True).start()
            return self.send(handler, 202, [("Content-Type", "application/json"), ("Dormouse-Invocation-Id", identity)], json.dumps({"id": identity}).encode())
        connection = UnixConnection(self.endpoints[endpoint])
        connection.request("POST", "/", body, {name: value for name, value in handler.headers.items() if name.lower() in ("content-type", "accept")})
        response = connection.getresponse()
        handler.send_response(response.status)
        handler.send_header("Content-Type", response.getheader("Content-Type"))
        handler.send_header("Dormouse-Invocation-Id", "inv-1")
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        try:
            while True:
                part = response.read1(65536)
                handler.wfile.write(b"%x\r\n%b\r\n" % (len(part), part))
                if not part:
                    break
        except (OSError, http.client.HTTPException):
            pass  # Cut there, cut here.
        handler.close_connection = True
        connection.close()

    def work(self, item, endpoint, headers, body):
        self.hold.wait()
        if item["state"] != "queued":
            return
        item["state"] = "running"
        connection = UnixConnection(self.endpoints[endpoint])
        connection.request("POST", "/", body, {name: value for name, value in headers.items() if name.lower() in ("content-type", "accept")})
        response = connection.getresponse()
        item["answer"] = (response.status, response.getheader("Content-Type"), response.read())
        connection.close()
        item["state"] = "succeeded" if response.status < 300 else "failed"
        item["done"].set()

    def queued(self, handler, identity, verb, query):
        item = self.queue.get(identity)
        if item is None:
            return self.problem(handler, 404, "invocation_not_found", "There is no invocation '%s'." % identity)
        if verb == "cancel":
            if item["state"] not in ("queued", "running"):
                return self.problem(handler, 409, "conflict", "It has ended.")
            item["state"] = "cancelled"
            item["done"].set()
        elif verb == "result":
            if item["answer"] is None:
                return self.problem(handler, 410, "result_missing", "There is no answer.")
            status, kind, body = item["answer"]
            return self.send(handler, status, [("Content-Type", kind)], body)
        elif "wait" in query:
            text = query["wait"][0]
            item["done"].wait(float(text[:-2]) / 1000 if text.endswith("ms") else float(text[:-1]))
        body = json.dumps({"id": identity, "outcome": item["state"], "queue": {"state": item["state"]}}).encode()
        return self.send(handler, 200, [("Content-Type", "application/json")], body)

    def problem(self, handler, status, code, detail):
        self.send(handler, status, [("Content-Type", "application/problem+json")], json.dumps({"code": code, "detail": detail, "status": status, "retryable": False}).encode())

    def send(self, handler, status, headers, body):
        handler.send_response(status)
        for pair in headers + [("Content-Length", str(len(body)))]:
            handler.send_header(*pair)
        handler.end_headers()
        handler.wfile.write(body)
