"""Routes and ASGI applications."""

from .harness import RunnerCase
from .test_functions import HEAD


class Web(RunnerCase):
    def test_path_query_and_body(self):
        runner = self.serving(HEAD + """
@app.web("/items/{id}", "POST")
def item(id: int, name: str = "?", tags: List[str] = [], deep: bool = False):
    return [id, name, tags, deep]
""")

        self.assertEqual([7, "?", [], False], runner.call(path="/items/7").json())
        self.assertEqual([7, "a b", ["x", "y"], True], runner.call(path="/items/7?name=a%20b&tags=x&tags=y&deep=true").json())
        self.assertEqual([7, "n", ["t"], False], runner.call({"name": "n", "tags": ["t"]}, path="/items/7").json())
        answer = runner.call(path="/items/seven")
        self.assertEqual((422, "id"), (answer.status, answer.json()["field"]))
        self.assertEqual(404, runner.call(path="/items").status)
        self.assertEqual(404, runner.call(path="/items/7/8").status)
        answer = runner.call(method="GET", path="/items/7")
        self.assertEqual((405, "POST"), (answer.status, answer.headers["allow"]))

    def test_unknown_query_values_are_passed_over_and_unknown_path_values_refused(self):
        runner = self.serving(HEAD + "@app.web('/', 'GET')\ndef f(x: int = 0):\n    return x\n")
        self.assertEqual(2, runner.call(method="GET", path="/?utm=1&x=2").json())

        self.assertIn("names {id}, which is no parameter", self.refused({"app.py": HEAD + "@app.web('/{id}', 'GET')\ndef f(x: int = 0): pass\n"}))

    def test_get_and_the_request_itself(self):
        runner = self.serving(HEAD + """
@app.web("/", "GET")
def look(request: dormouse.Request, x: int = 1):
    return dormouse.Response("%s %s %s %d" % (request.method, request.query, request.headers["x-a"], x))
""")

        self.assertEqual(b"GET x=2 b 2", runner.call(method="GET", path="/?x=2", headers=[("X-A", "b")]).body)
        answer = runner.call(method="HEAD", headers=[("X-A", "b")])
        self.assertEqual((200, "9"), (answer.status, answer.headers["content-length"]))

    def test_a_typed_body(self):
        runner = self.serving(HEAD + """
@dataclasses.dataclass
class Order:
    what: str
    count: int
@app.web("/orders/{shop}", "POST")
def order(shop: str, order: Order):
    return [shop, order.what, order.count]
""")

        self.assertEqual(["s", "tea", 2], runner.call({"what": "tea", "count": 2}, path="/orders/s").json())
        self.assertEqual("order.count", runner.call({"what": "tea", "count": "2"}, path="/orders/s").json()["field"])


class Asgi(RunnerCase):
    SOURCE = HEAD + """
started = []
async def application(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            started.append(message["type"])
            print(message["type"], flush=True)
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
    path = scope["path"]
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    if path == "/raise":
        raise ValueError("no")
    if path == "/wait":
        print("waiting", flush=True)
        print((await receive())["type"], flush=True)
        return
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain"), (b"x-id", dormouse.current().invocation_id.encode())]})
    if path == "/parts":
        for part in (b"a", b"b", b"c"):
            await send({"type": "http.response.body", "body": part, "more_body": True})
        if scope["query_string"] == b"cut":
            raise ValueError("in the middle")
        await send({"type": "http.response.body"})
    else:
        await send({"type": "http.response.body", "body": b" ".join([scope["method"].encode(), scope["raw_path"], scope["query_string"], body, str(started).encode()])})

@app.asgi(concurrency=2)
def web():
    return application
"""
    ID = [("Dormouse-Invocation-Id", "i")]

    def test_every_path_and_method(self):
        runner = self.serving(self.SOURCE, concurrency=2)

        answer = runner.call(method="PATCH", path="/a%20b?q=1", body=b"hello", headers=self.ID)

        self.assertEqual(b"PATCH /a%20b q=1 hello ['lifespan.startup']", answer.body)
        self.assertEqual(("text/plain", "i"), (answer.headers["content-type"], answer.headers["x-id"]))

    def test_parts_and_failures(self):
        runner = self.serving(self.SOURCE)

        with runner.connect() as wire:
            self.assertEqual(b"abc", wire.call(path="/parts", method="GET", headers=self.ID).body)
            answer = wire.call(path="/raise", method="GET", headers=self.ID)
            self.assertEqual((500, "ValueError: no"), (answer.status, answer.json()["detail"]))
            self.assertFalse(wire.call(path="/parts?cut", method="GET", headers=self.ID).whole)
        self.assertEqual(b"abc", runner.call(path="/parts", method="GET", headers=self.ID).body)

    def test_a_caller_who_leaves_is_told(self):
        runner = self.serving(self.SOURCE)
        with runner.connect() as wire:
            wire.request(path="/wait", method="GET")
            runner.printed("waiting")

        runner.printed("http.disconnect")
        answer = runner.call(path="/parts", method="GET", headers=self.ID)
        while answer.status == 503:
            answer = runner.call(path="/parts", method="GET", headers=self.ID)
        self.assertEqual(b"abc", answer.body)

    def test_shutdown(self):
        import signal
        runner = self.serving(self.SOURCE)
        self.assertTrue(runner.ready["ends"])

        runner.process.send_signal(signal.SIGTERM)

        self.assertEqual(0, runner.wait())
        self.assertIn("lifespan.shutdown", runner.stdout())

    def test_a_start_up_that_fails_is_a_refusal(self):
        source = HEAD + """
async def application(scope, receive, send):
    await receive()
    await send({"type": "lifespan.startup.failed", "message": "no database"})
@app.asgi()
def web():
    return application
"""
        self.assertIn("no database", self.refused({"app.py": source}))

    def test_a_factory_that_raises_is_a_refusal(self):
        self.assertEqual("ImportError: no framework (app.py:6)", self.refused({"app.py": HEAD + "@app.asgi()\ndef web():\n    raise ImportError('no framework')\n"}))
        self.assertIn("web must return an ASGI application; it returned int", self.refused({"app.py": HEAD + "@app.asgi()\ndef web():\n    return 4\n"}))
