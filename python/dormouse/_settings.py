"""Settings of a function, checked when the decorator runs, so that a mistake is seen before anything is deployed."""

import datetime
import re

from ._errors import SettingError

_SIZE = re.compile(r"^(\d+)\s*(MiB|GiB|TiB|MB|GB|M|G)?$", re.IGNORECASE)
_DURATION = re.compile(r"^(\d+(?:\.\d+)?)(ms|s|m|h|d)$")
_NAME = re.compile(r"^[A-Za-z_][A-Za-z0-9_]*$")
_SECRET = re.compile(r"^[A-Za-z_][A-Za-z0-9_.-]{0,99}$")
_MIB = {"mib": 1, "m": 1, "gib": 1024, "g": 1024, "tib": 1024 * 1024}
_CRON_WORDS = ("@hourly", "@daily", "@weekly", "@monthly", "@yearly")

#: Every setting, in the order in which they are listed.
NAMES = ("memory", "cpu", "reserve_cpu", "concurrency", "min_instances", "max_instances", "provisioned", "spare_instances", "initial_instances", "activation_instances", "floors",
         "timeout", "start_timeout", "queue_timeout", "queue_limit", "queue_limit_bytes", "async_concurrency", "async_rate", "idle_timeout", "keep_alive", "frozen_for", "scale_to_zero_grace",
         "target_utilization", "target_concurrency", "target_rps", "scale_down_delay", "stable_window", "panic_window", "panic_threshold", "max_scale_up_rate", "max_scale_down_rate",
         "pip", "requirements", "python", "system_packages", "environment", "secrets", "secret_files", "isolation", "network", "schedule")


def check(settings, where):
    """The settings in the form in which they travel; SettingError names the setting, the value seen and what is allowed."""
    checked = {}
    for name, value in settings.items():
        if name not in _CHECKS:
            raise SettingError("%s: there is no setting '%s'; the settings are %s" % (where, name, ", ".join(NAMES)))
        if value is None:
            continue
        try:
            checked[name] = _CHECKS[name](value)
        except ValueError as error:
            raise SettingError("%s: %s is %r; %s" % (where, name, value, error)) from None
    low, high = checked.get("min_instances"), checked.get("max_instances")
    if low is not None and high is not None and low > high:
        raise SettingError("%s: min_instances is %d, more than max_instances, which is %d" % (where, low, high))
    return {name: checked[name] for name in NAMES if name in checked}


def _memory(value):
    if type(value) is int and value > 0:
        return "%dMiB" % value
    match = _SIZE.match(value.strip()) if isinstance(value, str) else None
    if not match or int(match.group(1)) == 0:
        raise ValueError('write it like "512MiB" or "2GiB", or as a whole number of MiB')
    unit = (match.group(2) or "MiB").lower()
    if unit not in _MIB:
        raise ValueError("sizes are powers of two here: MiB or GiB")
    mib = int(match.group(1)) * _MIB[unit]
    return "%dGiB" % (mib // 1024) if mib % 1024 == 0 else "%dMiB" % mib


def _cpu(value):
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value <= 1024:
        raise ValueError("a number of processors above 0 is needed")
    return float(value)


def _whole(low, high):
    def check_whole(value):
        if type(value) is not int or not low <= value <= high:
            raise ValueError("a whole number from %d to %d is needed" % (low, high))
        return value
    return check_whole


def _number(low, high):
    def check_number(value):
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
            raise ValueError("a number from %s to %s is needed" % (low, high))
        return float(value)
    return check_number


def _one_of(*words):
    shown = ['"%s"' % word for word in words]

    def check_word(value):
        if value not in words:
            raise ValueError("%s and %s are allowed" % (", ".join(shown[:-1]), shown[-1]))
        return value
    return check_word


def _concurrency(value):
    if value in ("auto", "unlimited"):
        return value
    if type(value) is not int or not 1 <= value <= 1000:
        raise ValueError('a whole number from 1 to 1000 is needed, "auto" or "unlimited"')
    return value


def _duration(value):
    if isinstance(value, datetime.timedelta):
        value = value.total_seconds()
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        if not 0 <= value < 10 ** 8:
            raise ValueError("a duration of at least 0 is needed")
        return "%ds" % value if value == int(value) else "%dms" % round(value * 1000)
    if not isinstance(value, str) or not _DURATION.match(value):
        raise ValueError('write it like "60s", "5m" or "500ms", or as a number of seconds')
    return value


def _strings(value):
    if isinstance(value, str) or not isinstance(value, (list, tuple)) or not all(isinstance(item, str) and item.strip() for item in value):
        raise ValueError('a list of requirements is needed, like ["numpy==1.26.4"]')
    if any("\n" in item or item.strip().startswith("-") for item in value):
        raise ValueError("each entry is one requirement, not an option of pip; options belong in a requirements file")
    return [item.strip() for item in value]


def _floors(value):
    if isinstance(value, str) or not isinstance(value, (list, tuple)) or not all(isinstance(item, str) and " for " in item and "=" in item for item in value):
        raise ValueError('a list of windows is needed, like ["0 8 * * MON-FRI Europe/Berlin for 10h = 2"]')
    return list(value)


def _requirements(value):
    if not isinstance(value, str) or not value.strip():
        raise ValueError('the name of a file in the folder is needed, like "requirements.txt"')
    if value.startswith("/") or ".." in value.split("/"):
        raise ValueError("the file must be in the deployed folder")
    return value


def _python(value):
    if not isinstance(value, str) or not re.match(r"^3\.\d{1,2}$", value):
        raise ValueError('write it like "3.11", as text')
    if int(value[2:]) < 9:
        raise ValueError("3.9 is the oldest version that works")
    return value


def _yes_or_no(value):
    if type(value) is not bool:
        raise ValueError("True or False is needed")
    return value


def _environment(value):
    if not isinstance(value, dict):
        raise ValueError('a dict of text is needed, like {"MODE": "fast"}')
    for name, text in value.items():
        if not isinstance(name, str) or not _NAME.match(name):
            raise ValueError("%r is no name of a variable: letters, digits and _ are allowed" % (name,))
        if not isinstance(text, str) or "\0" in text:
            raise ValueError("the value of %s must be text" % name)
    return dict(value)


def _secrets(value):
    """Variable → name of the secret."""
    if isinstance(value, str) or not isinstance(value, (list, tuple, dict)):
        raise ValueError('a list of names is needed, like ["TOKEN", "VARIABLE=other-name"]')
    pairs = value.items() if isinstance(value, dict) else [text.partition("=")[::2] if isinstance(text, str) and "=" in text else (text, text) for text in value]
    for variable, name in pairs:
        if not isinstance(variable, str) or not _NAME.match(variable):
            raise ValueError("%r is no name of a variable: write it as VARIABLE=name" % (variable,))
        if not isinstance(name, str) or not _SECRET.match(name):
            raise ValueError("%r is no name of a secret" % (name,))
    return dict(pairs)


def _secret_files(value):
    """Name of a file → name of the secret."""
    if not isinstance(value, dict):
        raise ValueError('a dict of names is needed, like {"service.json": "service-account"}')
    for file, name in value.items():
        if not isinstance(file, str) or not _SECRET.match(file):
            raise ValueError("%r is no name of a file: letters, digits, _, - and . are allowed, and no folder" % (file,))
        if not isinstance(name, str) or not _SECRET.match(name):
            raise ValueError("%r is no name of a secret" % (name,))
    return dict(value)


def _schedule(value):
    if not isinstance(value, str) or not (value in _CRON_WORDS or len(value.split()) == 5):
        raise ValueError('five fields of cron are needed, like "*/10 * * * *", or one of %s' % ", ".join(_CRON_WORDS))
    return value


_CHECKS = {
    "memory": _memory, "cpu": _cpu, "reserve_cpu": _number(0, 1024), "concurrency": _concurrency, "min_instances": _whole(0, 1000), "max_instances": _whole(1, 1000),
    "provisioned": _whole(0, 1000), "spare_instances": _whole(0, 1000), "initial_instances": _whole(0, 1000), "activation_instances": _whole(0, 1000), "floors": _floors,
    "timeout": _duration, "start_timeout": _duration, "queue_timeout": _duration, "queue_limit": _whole(1, 100000), "queue_limit_bytes": _memory,
    "async_concurrency": _whole(1, 1000), "async_rate": _number(0.001, 1000000), "idle_timeout": _duration, "keep_alive": _one_of("learned", "fixed"), "frozen_for": _duration,
    "scale_to_zero_grace": _duration, "target_utilization": _number(0.1, 1), "target_concurrency": _number(0.01, 1000), "target_rps": _number(0.01, 1000000), "scale_down_delay": _duration,
    "stable_window": _duration, "panic_window": _duration, "panic_threshold": _number(1.1, 10), "max_scale_up_rate": _number(1.1, 1000), "max_scale_down_rate": _number(1.1, 1000),
    "pip": _strings, "requirements": _requirements, "python": _python, "system_packages": _yes_or_no, "environment": _environment, "secrets": _secrets, "secret_files": _secret_files,
    "isolation": _one_of("process", "sandbox", "container"), "network": _one_of("none", "outbound"), "schedule": _schedule,
}
