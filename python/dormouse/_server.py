"""Which server the calls go to, and with which key: the rules of the command line."""

import ipaddress
import json
import os
import urllib.parse

from ._errors import DormouseError

DEFAULT_ADDRESS = "http://127.0.0.1:8080"


class Server:
    """An address (scheme, host, port, prefix of the path) and a key, or None."""

    def __init__(self, address, key):
        parts = urllib.parse.urlsplit(address if "://" in address else "http://" + address)
        try:
            port = parts.port
        except ValueError:
            port = 0
        if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
            raise DormouseError("the server's address is '%s', which is none: write it like http://127.0.0.1:8080" % address)
        self.secure = parts.scheme == "https"
        self.host = parts.hostname
        self.port = port
        self.prefix = parts.path.rstrip("/")
        self.key = key
        self.address = urllib.parse.urlunsplit((parts.scheme, parts.netloc, self.prefix, "", ""))


def find(environment=os.environ):
    """The server by ``DORMOUSE_SERVER``, else the one whose data folder this user has, else the default address; its key by
    ``DORMOUSE_API_KEY``, else the administrator's key of that folder, which never goes to another machine."""
    address = environment.get("DORMOUSE_SERVER") or _address_in(data_folder(environment)) or DEFAULT_ADDRESS
    key = environment.get("DORMOUSE_API_KEY") or None
    server = Server(address, key)
    if key is None and is_loopback(server.host):
        server.key = _read(data_folder(environment), "admin-key")
    return server


def data_folder(environment):
    """``$DORMOUSE_DATA``, else ``$XDG_DATA_HOME/dormouse``, else ``~/.local/share/dormouse``; None when none of them is known."""
    if environment.get("DORMOUSE_DATA"):
        return os.path.abspath(environment["DORMOUSE_DATA"])
    share = environment.get("XDG_DATA_HOME") or ""
    if os.path.isabs(share):
        return os.path.join(share, "dormouse")
    home = environment.get("HOME")
    return os.path.join(home, ".local", "share", "dormouse") if home else None


def is_loopback(host):
    """Whether a host name or address is this machine."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _address_in(folder):
    text = _read(folder, "server.json")
    try:
        address = json.loads(text)["http"] if text else None
    except (ValueError, KeyError, TypeError):
        return None  # Half-written by a server that starts right now: the default address is as good a guess.
    return address if isinstance(address, str) and address else None


def _read(folder, name):
    try:
        with open(os.path.join(folder or "", name), encoding="utf-8") as file:
            return file.read().strip() or None if folder else None
    except (OSError, UnicodeDecodeError):
        return None
