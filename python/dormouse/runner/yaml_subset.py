"""Reads the few keys of ``cog.yaml`` that matter here, with the standard library alone.

Understood: mappings by indentation, lists with ``-`` or in brackets, plain and quoted scalars, comments. Of the wanted keys anything else
(anchors, tags, block texts, flow mappings, several documents) is refused with its line; keys that are not wanted are passed over unread.
"""

import re


class YamlRefused(ValueError):
    """The file is no YAML that is understood here; the text names the line."""


def read(text, wanted):
    """``{"a.b": value}`` of the wanted dotted keys that are there, and the set of all other dotted keys down to one level below a wanted parent."""
    lines = _lines(text)
    found, others = {}, set()
    parents = {key.rpartition(".")[0] for key in wanted if "." in key}
    _mapping(lines, 0, "", wanted, parents, found, others)
    return found, others


def _lines(text):
    """Number, indentation and content of each line that has any."""
    result = []
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#") or stripped == "---" and not result:
            continue
        if "\t" in line[:len(line) - len(line.lstrip())]:
            raise YamlRefused("line %d is indented with a tab" % number)
        if stripped in ("---", "...") or stripped.startswith("%"):
            raise YamlRefused("line %d: one document without directives is understood" % number)
        result.append((number, len(line) - len(line.lstrip()), stripped))
    return result


def _mapping(lines, start, prefix, wanted, parents, found, others):
    """Reads the mapping that begins at ``start``; returns the index after it."""
    indent = lines[start][1] if start < len(lines) else 0
    index = start
    while index < len(lines) and lines[index][1] == indent:
        number, _, content = lines[index]
        match = re.match(r"""^("[^"]*"|'[^']*'|[A-Za-z0-9_.-]+)\s*:(?:\s+(.*))?$""", content)
        if not match:
            raise YamlRefused("line %d is no 'key: value'" % number)
        key = prefix + match.group(1).strip("\"'")
        rest = _without_comment(match.group(2) or "", number)
        end = index + 1
        while end < len(lines) and (lines[end][1] > indent or lines[end][1] == indent and lines[end][2].startswith("- ")):
            end += 1
        if key in wanted:
            if key in found:
                raise YamlRefused("line %d: the key %s is there twice" % (number, key))
            found[key] = _value(rest, lines[index + 1:end], number)
        elif key in parents and not rest and end > index + 1:
            _mapping(lines[:end], index + 1, key + ".", wanted, parents, found, others)
        else:
            others.add(key)
        index = end
    if index < len(lines) and lines[index][1] > indent:
        raise YamlRefused("line %d is indented where nothing holds it" % lines[index][0])
    return index


def _value(rest, below, number):
    if rest and below and not rest.startswith("["):
        raise YamlRefused("line %d: a value and lines below it" % number)
    if rest.startswith("["):
        text = " ".join([rest] + [_without_comment(content, line) for line, _, content in below])
        return _flow_list(text, number)
    if not below:
        return _scalar(rest, number)
    return [_scalar(_without_comment(_item(content, line), line), line) for line, _, content in below]


def _item(content, number):
    if not content.startswith("- "):
        raise YamlRefused("line %d: a list of single values is understood here" % number)
    return content[2:].strip()


def _flow_list(text, number):
    if not text.endswith("]"):
        raise YamlRefused("line %d: the list in brackets does not end" % number)
    inside = text[1:-1].strip()
    items, rest = [], inside
    while rest:
        match = re.match(r"""^("(?:[^"\\]|\\.)*"|'(?:[^']|'')*'|[^,\[\]{}"']+)\s*(?:,\s*|$)""", rest)
        if not match:
            raise YamlRefused("line %d: the list in brackets holds more than single values" % number)
        items.append(_scalar(match.group(1).strip(), number))
        rest = rest[match.end():]
    return items


def _without_comment(text, number):
    if text.startswith(("\"", "'")):
        match = re.match(r"""^("(?:[^"\\]|\\.)*"|'(?:[^']|'')*')\s*(#.*)?$""", text)
        return match.group(1) if match else text
    return re.sub(r"\s+#.*$|^#.*$", "", text).strip()


def _scalar(text, number):
    if text.startswith("\""):
        if not re.match(r'^"(?:[^"\\]|\\.)*"$', text):
            raise YamlRefused("line %d: the quoted text does not end" % number)
        if re.search(r'\\[^"\\nt]', text):
            raise YamlRefused("line %d: of the escapes \\n, \\t, \\\" and \\\\ are understood" % number)
        return re.sub(r"\\(.)", lambda match: {"n": "\n", "t": "\t"}.get(match.group(1), match.group(1)), text[1:-1])
    if text.startswith("'"):
        if not re.match(r"^'(?:[^']|'')*'$", text):
            raise YamlRefused("line %d: the quoted text does not end" % number)
        return text[1:-1].replace("''", "'")
    if text[:1] in ("&", "*", "!", "|", ">", "{", "%", "@", "`", "?") or text.startswith("- ") or ": " in text or text.endswith(":"):
        raise YamlRefused("line %d: '%s' is not understood; single values, quoted text and lists are" % (number, text[:20]))
    if text in ("", "~", "null", "Null", "NULL"):
        return None
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    if re.match(r"^[+-]?\d+$", text):
        return int(text)
    return text
