"""Writes an argument tree, as COMMAND DOCS of redis-server gives it, in the language of mtredis/registry/syntax.py.

Idea: what redis-server says about all its commands is the widest test that the language can get: every tree must
be expressible, and what is parsed must be the tree again. `declare` is the way there; `tree` and `parsed_tree` bring
both sides into one form.
"""

import re
from typing import Any

from mtredis.registry.syntax import TYPES, Argument

Node = dict[str, Any]


def tree(reply: Any) -> list[Node]:
    """The `arguments` of a COMMAND DOCS reply (RESP3, plain values) with all fields present and text as str."""
    return [_node(argument) for argument in reply]


def _node(reply: dict[bytes, Any]) -> Node:
    def text(field: bytes) -> str | None:
        return reply[field].decode() if field in reply else None

    flags = {flag.decode() for flag in reply.get(b"flags", ())}
    return {
        "name": text(b"name"),
        "type": text(b"type"),
        "display_text": text(b"display_text") or "",
        "token": text(b"token"),
        "key_spec_index": reply.get(b"key_spec_index", -1),
        "since": text(b"since"),
        "deprecated_since": text(b"deprecated_since"),
        "optional": "optional" in flags,
        "multiple": "multiple" in flags,
        "multiple_token": "multiple_token" in flags,
        "arguments": tree(reply.get(b"arguments", ())),
    }


def parsed_tree(arguments: tuple[Argument, ...]) -> list[Node]:
    """The tree of parsed arguments in the same form."""
    nodes = []
    for argument in arguments:
        node = {name: getattr(argument, name) for name in Argument.__slots__}
        node["arguments"] = parsed_tree(argument.arguments)
        if node["arguments"]:
            node["display_text"] = ""
        nodes.append(node)
    return nodes


def without_versions(nodes: list[Node]) -> list[Node]:
    """The tree without since and deprecated_since, which a declaration may leave out."""
    return [
        node | {"since": None, "deprecated_since": None, "arguments": without_versions(node["arguments"])}
        for node in nodes
    ]


def declare(name: str, nodes: list[Node]) -> str:
    """The declaration of the command of that name ("config|get") with these arguments."""
    words = name.upper().split("|")
    for node in nodes:
        text = _written(node)
        is_loose = node["type"] == "pure-token" and not node["optional"]
        words.append(f"({text})" if is_loose and not text.startswith("(") else text)
    return " ".join(words)


def _sequence(nodes: list[Node]) -> str:
    words = [_written(node) for node in nodes]
    first = nodes[0]
    if len(nodes) > 1 and first["token"] and first["type"] != "pure-token" and words[0][0] not in "[(":
        words[0] = f"({words[0]})"  # keeps the token with its value
    return " ".join(words)


def _written(node: Node) -> str:
    body, has_brackets = _body(node)
    repeats = "..." if node["multiple"] else ""
    if node["optional"]:
        once = repeats and node["token"] and not node["multiple_token"]
        text = f"[{body}...]" if once else f"[{body}]{repeats}"
    elif has_brackets:
        text = body + repeats
    else:
        text = f"({body}){repeats}"
    return text + _suffixes(node)


def _suffixes(node: Node) -> str:
    text = f"#{node['key_spec_index']}" if node["key_spec_index"] >= 0 else ""
    if node["since"]:
        text += f"@{node['since']}"
    return text + (f"!{node['deprecated_since']}" if node["deprecated_since"] else "")


def _body(node: Node) -> tuple[str, bool]:
    """What stands between the brackets, and whether it may stand without any."""
    name, token, kind = node["name"], node["token"], node["type"]
    if kind == "pure-token":
        if token is None:
            return f"{name}:pure-token", True
        return (_quoted(token), True) if name == token.lower() else (f"{name}={_quoted(token)}", False)
    if kind == "oneof":
        inner = f"{name}=" + "|".join(_written(part) for part in node["arguments"])
        return (f"{_quoted(token)} ({inner})", True) if token else (inner, False)
    if kind == "block":
        return _block(node)
    value = _value(node)
    if not token:
        return value, True
    return f"{_quoted(token)} {value}", not node["multiple_token"]


def _block(node: Node) -> tuple[str, bool]:
    inner = f"{node['name']}={_sequence(node['arguments'])}"
    return (f"{_quoted(node['token'])} ({inner})", True) if node["token"] else (inner, False)


def _value(node: Node) -> str:
    name, shown = node["name"], node["display_text"]
    text: str = name
    if shown != name:
        text += f"/{shown}" if re.fullmatch(r"[\w-]+", shown) else f'/"{shown}"'
    needs_type = node["type"] != TYPES.get(name, "string") or name == name.upper()
    return f"{text}:{node['type']}" if needs_type else text


def _quoted(token: str) -> str:
    return f"'{token}'" if '"' in token else f'"{token}"'
