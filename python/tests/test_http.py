"""HTTP on the runner's socket: what is fine, and what must be refused without harm."""

import socket
import unittest

from dormouse.runner.http_head import BadRequest, parse_head

from .harness import RunnerCase

ECHO = "def handler(input):\n    return input\n"


class Heads(unittest.TestCase):
    def test_a_request_is_read(self):
        head = parse_head(b"POST /a%20b?x=1&y HTTP/1.1\r\nHost: h\r\nContent-Type: Text/Plain; charset=x\r\ncontent-length: 5\r\nX: a\r\nx:\tb ")

        self.assertEqual(("POST", "/a%20b", "/a b", "x=1&y", 5, False, True), (head.method, head.raw_path, head.path, head.query, head.length, head.chunked, head.keep))
        self.assertEqual("a, b", head.header("x"))
        self.assertEqual("text/plain", head.content_type())

    def test_what_is_no_request_is_refused(self):
        for head, status in (
                (b"POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6", 400), (b"POST / HTTP/1.1\r\nContent-Length: -1", 400),
                (b"POST / HTTP/1.1\r\nContent-Length: 1_0", 400), (b"POST / HTTP/1.1\r\nContent-Length: ", 400),
                (b"POST / HTTP/1.1\r\nContent-Length: +5", 400), (b"POST / HTTP/1.1\r\nContent-Length: 9999999999999999999999", 400),
                (b"POST / HTTP/1.1\r\nContent-Length: 5, 6", 400),
                (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 5", 400), (b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked", 400),
                (b"POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked", 501), (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked", 501),
                (b"POST / HTTP/1.1\r\nHost : x", 400), (b"POST / HTTP/1.1\r\n folded: x", 400), (b"POST / HTTP/1.1\r\nA: x\r\n y", 400), (b"POST / HTTP/1.1\r\nno colon", 400),
                (b"POST / HTTP/1.1\r\nA: x\x00y", 400), (b"POST / HTTP/1.1\r\nA: x\ry", 400), (b"POST / HTTP/1.1\r\n: x", 400),
                (b"POST /\xc3\xa4 HTTP/1.1", 400), (b"POST nowhere HTTP/1.1", 400), (b"POST  / HTTP/1.1", 400), (b"POST /", 400), (b"", 400),
                (b"PO(ST / HTTP/1.1", 400), (b"POST / HTTP/2.0", 505), (b"POST / HTTX/1.1", 400), (b"POST /" + b"a" * 9000 + b" HTTP/1.1", 414),
                (b"POST / HTTP/1.1\r\nExpect: a pony", 417), (b"POST / HTTP/1.1" + b"\r\nA: b" * 101, 431)):
            with self.subTest(head[:60]), self.assertRaises(BadRequest) as refused:
                parse_head(head)
            self.assertEqual(status, refused.exception.status, head[:60])

    def test_equal_lengths_said_twice_are_one(self):
        self.assertEqual(5, parse_head(b"POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 5").length)

    def test_random_bytes_give_a_head_or_a_refusal(self):
        import random
        source = random.Random(7)
        pieces = [b"POST", b" ", b"/", b"HTTP/1.1", b"\r\n", b"\n", b"\r", b":", b"a", b"Content-Length", b"chunked", b"Transfer-Encoding", b"\x00", b"\xff", b"5", b"Expect", b"?", b"%", b"http://"]
        for _ in range(20000):
            data = b"".join(source.choice(pieces) for _ in range(source.randrange(25)))
            try:
                parse_head(data)
            except BadRequest as error:
                self.assertIn(error.status, (400, 414, 417, 431, 501, 505))


class Connections(RunnerCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.shared = None

    def setUp(self):
        self.server = self.serving(ECHO, memory_mib=4)

    def raw(self, data):
        """Answer to these bytes; then the connection must be closed by the runner when it refused them."""
        with self.server.connect() as wire:
            wire.send(data)
            answer = wire.answer()
            closed = wire.ended() if answer is not None and answer.headers.get("connection") == "close" else None
            return answer, closed

    def alive(self):
        self.assertEqual({"fine": True}, self.server.call({"fine": True}).json())

    def test_many_requests_on_one_connection(self):
        with self.server.connect() as wire:
            for n in range(50):
                self.assertEqual(n, wire.call(n).json())

    def test_requests_sent_at_once_are_answered_in_order(self):
        one = b"POST / HTTP/1.1\r\nContent-Length: 1\r\n\r\n"
        with self.server.connect() as wire:
            wire.send(b"".join(one + b"%d" % n for n in range(10)))

            self.assertEqual(list(range(10)), [wire.answer().json() for _ in range(10)])

    def test_a_request_byte_by_byte(self):
        with self.server.connect() as wire:
            for byte in b"\r\nPOST / HTTP/1.1\r\nContent-Length: 3\r\n\r\n123":
                wire.send(bytes([byte]))

            self.assertEqual(123, wire.answer().json())

    def test_chunked_bodies(self):
        body = b'"' + b"ab" * 5000 + b'"'
        chunks = b"".join(b"%x;note=1\r\n%b\r\n" % (len(body[i:i + 999]), body[i:i + 999]) for i in range(0, len(body), 999))
        with self.server.connect() as wire:
            for _ in range(2):
                wire.send(b"POST / HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n" + chunks + b"0\r\nTrailer: x\r\n\r\n")

                self.assertEqual("ab" * 5000, wire.answer().json())

    def test_chunks_that_are_none_are_refused(self):
        for chunks in (b"zz\r\n", b"-5\r\n", b"\r\n", b"0x5\r\nhello\r\n", b"5\r\nhelloXX0\r\n\r\n", b"5\nhello\n", b"f" * 20 + b"\r\n", b"5;" + b"x" * 40000 + b"\r\n"):
            answer, closed = self.raw(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks)
            self.assertEqual((400, True), (answer.status, closed), chunks[:20])
            self.assertEqual("request_invalid", answer.json()["code"])
        self.alive()

    def test_bytes_that_are_no_request_are_refused_and_the_connection_closed(self):
        for data, status in ((b"GARBAGE\r\n\r\n", 400), (b"\x16\x03\x01\x02\x00\x01\n", 400), (b"POST / HTTP/1.1\nHost: x\n\n", 400), (b"POST / HTTP/3.0\r\n\r\n", 505),
                             (b"POST / HTTP/1.1\r\nA: " + b"x" * 40000 + b"\r\n\r\n", 431), (b"POST /" + b"x" * 40000 + b" HTTP/1.1\r\n\r\n", 414),
                             (b"POST / HTTP/1.1\r\n" + b"A: b\r\n" * 200 + b"\r\n", 431), (b"A" * 100000, 414)):
            answer, closed = self.raw(data)
            self.assertEqual((status, True), (answer.status, closed), data[:40])
            self.assertEqual("application/problem+json", answer.headers["content-type"])
        self.alive()

    def test_a_second_request_hidden_in_a_body_is_not_run(self):
        answer, closed = self.raw(b"POST / HTTP/1.1\r\nContent-Length: 40\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nPOST / HTTP/1.1\r\nContent-Length: 1\r\n\r\n1")

        self.assertEqual((400, True), (answer.status, closed))

    def test_expect_is_answered_before_the_body(self):
        with self.server.connect() as wire:
            wire.send(b"POST / HTTP/1.1\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
            self.assertEqual(100, wire.answer().status)

            wire.send(b"42")

            self.assertEqual(42, wire.answer().json())
            self.assertEqual(1, wire.call(1).json())

    def test_a_refusal_of_an_expected_body_closes_the_connection(self):
        with self.server.connect() as wire:
            wire.send(b"GET / HTTP/1.1\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")

            answer = wire.answer()

            self.assertEqual((405, "close"), (answer.status, answer.headers["connection"]))
            self.assertTrue(wire.ended())

    def test_bodies_over_a_quarter_of_the_memory_are_refused(self):
        limit = 1024 * 1024
        fits = b'"' + b"x" * (limit - 2) + b'"'
        self.assertEqual(limit, len(self.server.call(body=fits).body))

        answer, closed = self.raw(b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % (limit + 1))
        self.assertEqual((413, "body_too_large", True), (answer.status, answer.json()["code"], closed))
        answer, closed = self.raw(b"POST / HTTP/1.1\r\nContent-Length: 99999999999\r\nExpect: 100-continue\r\n\r\n")
        self.assertEqual(413, answer.status)
        with self.server.connect() as wire:
            wire.send(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n")
            for _ in range(17):
                wire.send(b"10000\r\n" + b"x" * 65536 + b"\r\n")
            self.assertEqual(413, wire.answer().status)
        self.alive()

    def test_a_body_that_nobody_wanted_does_not_become_the_next_request(self):
        with self.server.connect() as wire:
            wire.send(b"PUT / HTTP/1.1\r\nContent-Length: 44\r\n\r\nPOST / HTTP/1.1\r\nContent-Length: 1\r\n\r\n1.....POST / HTTP/1.1\r\nContent-Length: 1\r\n\r\n2")

            self.assertEqual(405, wire.answer().status)
            self.assertEqual(2, wire.answer().json())

    def test_http_1_0_closes_unless_asked(self):
        with self.server.connect() as wire:
            wire.send(b"POST / HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\n1")
            self.assertEqual(1, wire.answer().json())
            wire.send(b"POST / HTTP/1.0\r\nContent-Length: 1\r\n\r\n2")
            self.assertEqual(2, wire.answer().json())
            self.assertTrue(wire.ended())

    def test_connection_close_is_obeyed(self):
        with self.server.connect() as wire:
            answer = wire.call(1, headers=[("Connection", "close")])

            self.assertEqual("close", answer.headers["connection"])
            self.assertTrue(wire.ended())

    def test_callers_who_leave_in_the_middle_harm_nobody(self):
        for data in (b"", b"POST", b"POST / HTTP/1.1\r\nContent-Le", b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\n12", b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12",
                     b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n0\r\n"):
            with self.server.connect() as wire:
                wire.send(data)
        self.alive()
        self.assertEqual("", self.server.stderr())

    def test_an_absolute_target_is_understood(self):
        answer, _ = self.raw(b"POST http://somewhere/ HTTP/1.1\r\nContent-Length: 1\r\n\r\n1")

        self.assertEqual(1, answer.json())

    def test_many_connections_at_once(self):
        wires = [self.server.connect() for _ in range(100)]
        try:
            for n, wire in enumerate(wires):
                self.assertEqual(n, wire.call(n).json())
        finally:
            for wire in wires:
                wire.close()

    def test_random_bytes_never_hang_it(self):
        import random
        source = random.Random(11)
        pieces = [b"POST / HTTP/1.1\r\n", b"Content-Length: 3\r\n", b"\r\n", b"123", b"Transfer-Encoding: chunked\r\n", b"3\r\nabc\r\n", b"0\r\n\r\n", b"\n", b"\x00", b"GET /x HTTP/1.0\r\n", b"Expect: 100-continue\r\n"]
        for _ in range(300):
            with self.server.connect() as wire:
                try:
                    wire.send(b"".join(source.choice(pieces) for _ in range(source.randrange(12))))
                    wire.socket.shutdown(socket.SHUT_WR)
                    while wire.socket.recv(65536):
                        pass
                except ConnectionError:
                    pass
        self.alive()
        self.assertNotIn("Traceback", self.server.stderr())
