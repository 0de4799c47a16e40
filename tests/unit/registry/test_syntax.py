"""The declaration language: what is parsed, and what is refused with which words."""

import pytest

from mtredis.registry.syntax import Argument, DeclarationError, parse, usage


def only(text: str) -> Argument:
    """The single argument of a declaration."""
    (argument,) = parse(f"X {text}").arguments
    return argument


def test_names() -> None:
    assert (parse("GET key").name, parse("GET key").container) == ("get", "")
    assert (parse("CONFIG GET parameter...").name, parse("CONFIG GET parameter...").container) == ("get", "config")
    assert parse("CLIENT NO-EVICT (enabled=ON|OFF)").name == "no-evict"


def test_a_leading_required_token_in_brackets_is_no_subcommand() -> None:
    syntax = parse("XREADGROUP (group-block=GROUP group consumer)")
    assert (syntax.name, syntax.container, syntax.arguments[0].token) == ("xreadgroup", "", "GROUP")


def test_value() -> None:
    assert only("value") == Argument("value", "string", "value")


@pytest.mark.parametrize(
    ("text", "expected"),
    [("key", "key"), ("newkey", "key"), ("seconds", "integer"), ("timeout", "double"), ("pattern", "pattern"),
     ("unix-time-seconds", "unix-time"), ("whatever", "string"), ("timeout:integer", "integer"),
     ("ID:string", "string"), ("help:pure-token", "pure-token")],
)  # fmt: skip
def test_types(text: str, expected: str) -> None:
    assert only(text).type == expected


def test_pure_token() -> None:
    assert only("[GET]") == Argument("get", "pure-token", "get", "GET", optional=True)


def test_named_token() -> None:
    assert only("[change=CH]") == Argument("change", "pure-token", "change", "CH", optional=True)


@pytest.mark.parametrize("written", ['"="', "'='"])
def test_quoted_token(written: str) -> None:
    assert only(f"(equal={written})") == Argument("equal", "pure-token", "equal", "=")


def test_token_binds_to_value() -> None:
    assert only("[EX seconds]") == Argument("seconds", "integer", "seconds", "EX", optional=True)


def test_token_binds_to_group() -> None:
    argument = only("[AGGREGATE (aggregate=SUM|MIN)]")
    assert (argument.name, argument.type, argument.token) == ("aggregate", "oneof", "AGGREGATE")
    assert argument.optional
    assert [part.token for part in argument.arguments] == ["SUM", "MIN"]


def test_token_with_several_values_is_a_block() -> None:
    argument = only("[LIMIT offset count]")
    assert (argument.name, argument.type, argument.token) == ("limit", "block", "LIMIT")
    assert [(part.name, part.token) for part in argument.arguments] == [("offset", None), ("count", None)]


def test_token_followed_by_an_option_binds_to_its_value_alone() -> None:
    argument = only("[count-block=COUNT count [ANY]]")
    assert (argument.name, argument.type, argument.token) == ("count-block", "block", None)
    assert [part.token for part in argument.arguments] == ["COUNT", "ANY"]


def test_brackets_keep_a_token_with_its_first_value() -> None:
    argument = only("(box=(BYBOX width) height)")
    assert (argument.token, [part.token for part in argument.arguments]) == (None, ["BYBOX", None])


def test_alternatives() -> None:
    argument = only("[trim=MAXLEN threshold|pair=left right|(by=BY a b)]")
    assert (argument.name, argument.type) == ("trim", "oneof")
    assert [(part.name, part.type, part.token) for part in argument.arguments] == [
        ("threshold", "string", "MAXLEN"),
        ("pair", "block", None),
        ("by", "block", "BY"),
    ]


def test_repeated() -> None:
    assert (only("key...").multiple, only("key...").optional) == (True, False)
    assert only("[key...]") == only("[key]...")
    assert only("[key...]").optional
    once, again = only("[KEYS key...]"), only("[GET pattern]...")
    assert (once.token, once.multiple, once.multiple_token) == ("KEYS", True, False)
    assert (again.token, again.multiple, again.multiple_token) == ("GET", True, True)


def test_braces_are_a_block_called_data() -> None:
    argument = only("{key value}...")
    assert (argument.name, argument.type, argument.multiple) == ("data", "block", True)
    assert only("{pair=key value}...").name == "pair"


def test_suffixes() -> None:
    argument = only('(old=old-format/"ip:port"@2.4.0!2.8.12#3)')
    assert (argument.name, argument.display_text, argument.since) == ("old", "ip:port", "2.4.0")
    assert (argument.deprecated_since, argument.key_spec_index) == ("2.8.12", 3)


@pytest.mark.parametrize(
    ("text", "arity"),
    [("PING [message]", -1), ("GET key", 2), ("SET key value [GET]", -3), ("MSET {key value}...", -3),
     ("CONFIG RESETSTAT", 2),
     ("CONFIG GET parameter...", -3), ("SETEX key seconds value", 4), ("BLPOP key... timeout", -3),
     ("BITOP (operation=AND|OR) destkey key...", -4), ("XREAD [COUNT count] (STREAMS key... ID:string...)", -4),
     ("X (a=ONE one|TWO)", -2), ("X (a=ONE|TWO)", 2), ("COPY source destination [DB destination-db] [REPLACE]", -3)],
)  # fmt: skip
def test_arity(text: str, arity: int) -> None:
    assert parse(text).arity == arity


@pytest.mark.parametrize(
    ("text", "expected"),
    [("key value", "<key> <value>"), ("[GET]", "[GET]"), ("(enabled=ON|OFF)", "(ON|OFF)"),
     ("key...", "<key> [<key> ...]"),
     ("[name...]", "[<name> ...]"), ("[c=NX|XX]", "[NX|XX]"), ("[EX seconds]", "[EX <seconds>]"),
     ("[GET pattern]...", "[GET <pattern> [GET <pattern> ...]]"), ("[KEYS key...]", "[KEYS <key> ...]"),
     ("{key value}...", "<key> <value> [<key> <value> ...]"),
     ("[FILTERBY (by=MODULE name|ALL)]", "[FILTERBY (MODULE <name>|ALL)]"),
     ("help:pure-token", "help")],
)  # fmt: skip
def test_usage(text: str, expected: str) -> None:
    assert usage(parse(f"X {text}").arguments) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("get key", "begins with the command's name in upper case"),
        ("X [NX|XX]", "alternatives need a name"),
        ("X [start end]", "a group of several arguments needs a name"),
        ("X [a=b|c d]", "an alternative of several arguments needs a name"),
        ("X [key", "expected ']'"),
        ("X (key]", "expected ')'"),
        ("X key]", "unexpected ']'"),
        ("X []", "an empty group"),
        ("X [a=b|]", "an empty group or alternative"),
        ("X key:number", "unknown type 'number'"),
        ("X (TOKEN)...", "cannot be repeated"),
        ("X key & value", "unexpected character at character 6"),
        ("X ... key", "expected an argument"),
        ("X = key", "expected an argument"),
    ],
)
def test_mistakes_are_named(text: str, message: str) -> None:
    with pytest.raises(DeclarationError) as caught:
        parse(text)
    assert message in str(caught.value)
    assert repr(text) in str(caught.value)
