#!/usr/bin/env python3
"""Lets real Flask judge waxseal-flask.

    python3 make.py                   writes answers.json: what each version of VERSIONS signs, and reads in it; and
                                      records.json: what each of RECORD_VERSIONS keeps in Redis
    PYTHON make.py inside             prints what the Flask of this Python signs
    PYTHON make.py inside-read        lets it read the cookies in its input, and prints what it saw

Each version is installed from PyPI into a virtual environment of its own. A cookie is made by an app whose route puts
the values into `session`, and read by another route; only the clock is fixed.

A value is described as [type, content]: ["int", "7"], ["list", [...]], ["dict", [[key, value], ...]], ["bytes", hex],
["uuid", hex], ["datetime", seconds since 1970 and microseconds].
"""

import calendar
import datetime
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import uuid
import venv

VERSIONS = [
    ["flask==2.0.0", "werkzeug==2.0.0", "itsdangerous==2.0.0", "flask-login==0.6.3"],
    ["flask==2.0.3", "werkzeug==2.0.3", "itsdangerous==2.0.1", "flask-login==0.6.3"],
    ["flask==2.1.3", "werkzeug==2.1.2", "itsdangerous==2.1.2", "flask-login==0.6.3"],
    ["flask==2.2.5", "werkzeug==2.2.3", "itsdangerous==2.1.2", "flask-login==0.6.3"],
    ["flask==2.3.3", "werkzeug==2.3.8", "itsdangerous==2.1.2", "flask-login==0.6.3"],
    ["flask==3.0.3", "werkzeug==3.0.6", "itsdangerous==2.2.0", "flask-login==0.6.3"],
    ["flask==3.1.3", "werkzeug==3.1.9", "itsdangerous==2.2.0", "flask-login==0.6.3"],
]
RECORD_VERSIONS = [
    ["flask==3.0.3", "flask-session==0.7.0", "msgspec==0.18.6", "redis==5.0.8", "cachelib==0.13.0"],
    ["flask==3.1.3", "flask-session==0.8.0", "msgspec==0.22.0", "redis==6.4.0", "cachelib==0.13.0"],
]
NOW = 1_700_000_000
HERE = pathlib.Path(__file__).resolve()


def main():
    if sys.argv[1:2] == ["inside"]:
        print(json.dumps(answers()))
    elif sys.argv[1:2] == ["inside-records"]:
        print(json.dumps(records()))
    elif sys.argv[1:2] == ["inside-read"]:
        print(json.dumps([seen(case) for case in json.load(sys.stdin)]))
    else:
        with tempfile.TemporaryDirectory() as folder:
            write("answers.json", collect(VERSIONS, folder))
            write("records.json", collect(RECORD_VERSIONS, folder, "inside-records"))


def write(name, cases):
    lines = ",\n".join(json.dumps(case) for case in cases)
    HERE.with_name(name).write_text(f"[\n{lines}\n]\n")


# --- outside: virtual environments ---

def install(packages, folder):
    folder = os.path.join(folder, "-".join(packages).replace("==", "-"))
    python = os.path.join(folder, "bin", "python")
    if not os.path.exists(python):
        venv.create(folder, with_pip=True)
        pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *packages]
        subprocess.run(pip, check=True, stdout=sys.stderr)
    return python


def run(python, mode, stdin=b""):
    done = subprocess.run([python, str(HERE), mode], input=stdin, stdout=subprocess.PIPE, check=True)
    return done.stdout.decode()


def collect(versions, folder, mode="inside"):
    """The answers of all versions; those that are equal, once."""
    merged = {}
    for packages in versions:
        answers = json.loads(run(install(packages, folder), mode))
        for answer in answers["cases"]:
            key = json.dumps(answer, sort_keys=True)
            merged.setdefault(key, {**answer, "flask": []})["flask"].append(answers["flask"])
    return sorted(merged.values(), key=lambda case: case["name"])


# --- inside: Flask itself ---

def cases():
    """Name, settings, and content of each session; settings are `key` and what differs from Flask's defaults."""
    from markupsafe import Markup

    moment = datetime.datetime(2015, 10, 21, 7, 28)
    east = datetime.timezone(datetime.timedelta(hours=5, minutes=45))
    some = uuid.UUID("00112233445566778899aabbccddeeff")
    values = {
        "none": None, "true": True, "false": False,
        "int 0": 0, "int negative": -7, "int beyond a double": 2**53 + 1, "int of 64 bits": 2**64 - 1,
        "int of 128 bits": 2**127 - 1, "int of 128 bits, least": -2**127,
        "float": 1.5, "float whole": 3.0, "float minus zero": -0.0, "float large": 1e16, "float larger": 1.5e300,
        "float small": 1e-5, "float smaller": 5e-324, "float 1/3": 1 / 3, "float infinity": float("inf"),
        "float minus infinity": float("-inf"), "float nan": float("nan"),
        "str": "Merlin", "str empty": "", "str quotes": "\"\\/\b\f\n\r\t\x00\x1f\x7f", "str beyond ascii": "Zoë ☃ 😀",
        "list": [1, "a", None], "list empty": [], "dict": {"b": 1, "a": {"c": []}}, "dict empty": {},
        "dict order": {"é": 1, "z": 2, "Z": 3, "😀": 4, "\uffff": 5, "": 6},
        "tuple": (1, "a"), "tuple empty": (), "tuple nested": ((1, (2, [3, (4,)])), [(5,)]),
        "bytes": b"\x00\xff\xfe", "bytes empty": b"", "bytes one": b"a", "markup": Markup("<b>&amp;</b>"), "uuid": some,
        "datetime": moment, "datetime with zone": moment.replace(tzinfo=east),
        "datetime with microseconds": moment.replace(microsecond=999_999),
        "datetime before 1970": datetime.datetime(1879, 3, 14, 23, 59, 59), "datetime leap day": datetime.datetime(2000, 2, 29),
        "datetime last": datetime.datetime(9999, 12, 31, 23, 59, 59), "datetime year 100": datetime.datetime(100, 1, 1),
        "date": datetime.date(2015, 10, 21),
        "everything nested": {"t": ((b"b", Markup("m")), {"u": [some, {" d": moment}]}), " b": [{" t": (1,)}]},
    }
    for tag in [" t", " b", " m", " u", " d", " di"]:
        values[f"dict like{tag}"] = {tag: "value"}
        values[f"dict like{tag}, twice"] = {tag: {tag: [{tag: (1,)}]}}
        values[f"dict like{tag}, with another key"] = {tag: 1, "other": 2}
    values["dict like an escaped tag"] = {" t__": 1}
    values["dict like an unknown tag"] = {" od": [1]}
    for name, value in values.items():
        yield name, {}, {"key": value}

    yield "session like a tag", {}, {" t": [1, 2]}
    yield "session like an escaped tag", {}, {" di": {" di__": 1}}
    yield "permanent", {}, {"_permanent": True, "user": 7}
    yield "flashes", {}, {"_flashes": [("message", "hi"), ("error", Markup("<i>no</i>"))]}
    yield "compressed", {}, {"text": "waxseal " * 40}
    yield "compressed, with types", {}, {"tuples": [(index, b"x") for index in range(60)]}
    yield "hardly compressible", {}, {"text": "0123456789abcdefghijklmnopqrstuvwxyz"}
    yield "not sorted, not ascii", {"config": {"JSON_SORT_KEYS": False, "JSON_AS_ASCII": False}}, {"é": "☃", "a": "😀"}

    yield "key of bytes", {"key": ["bytes", "00ff10"]}, {"user": 7}
    yield "key beyond ascii", {"key": ["str", "Zoë ☃"]}, {"user": 7}
    yield "key longer than a block", {"key": ["str", "k" * 200]}, {"user": 7}
    for derivation in ["hmac", "concat", "django-concat", "none"]:
        for digest in ["sha1", "sha256", "sha512"]:
            yield f"{derivation}, {digest}", {"derivation": derivation, "digest": digest, "salt": "pepper"}, {"user": 7}

    yield "refused: integer", {"refused": "Integer"}, {"key": 2**127}
    yield "refused: surrogate", {"refused": "Surrogate"}, {"key": "\ud83d"}
    yield "refused: surrogate in a key", {"refused": "Surrogate"}, {"\ude00": 1}
    deep = []
    for _ in range(200):
        deep = [deep]
    yield "refused: depth", {"refused": "TooDeep"}, {"key": deep}
    yield "refused: bomb", {"refused": "TooLarge"}, {"key": "a" * 300_000}


def key_of(settings):
    kind, text = settings.get("key", ["str", "dev"])
    return bytes.fromhex(text) if kind == "bytes" else text


def make_app(settings):
    import hashlib

    import flask
    from flask.sessions import SecureCookieSessionInterface

    class Interface(SecureCookieSessionInterface):
        salt = settings.get("salt", "cookie-session")
        key_derivation = settings.get("derivation", "hmac")
        digest_method = staticmethod(getattr(hashlib, settings.get("digest", "sha1")))

    app = flask.Flask("judge")
    app.session_interface = Interface()
    app.config.update(SECRET_KEY=key_of(settings), **settings.get("config", {}))
    if hasattr(app, "json"):
        app.json.sort_keys = settings.get("config", {}).get("JSON_SORT_KEYS", True)
        app.json.ensure_ascii = settings.get("config", {}).get("JSON_AS_ASCII", True)
    return app


def signed(settings, content):
    import flask

    app = make_app(settings)

    @app.route("/")
    def write():
        flask.session.update(content)
        return ""

    return set_cookies(app.test_client(), "/")["session"]


def set_cookies(client, path):
    from unittest import mock

    with mock.patch("time.time", return_value=NOW):
        answer = client.get(path, headers={"User-Agent": "judge"})
    pairs = [line.split(";")[0].split("=", 1) for line in answer.headers.getlist("Set-Cookie")]
    return dict(pairs)


def read(settings, cookie, now=NOW):
    """The session that Flask reads in a cookie."""
    import flask
    from unittest import mock

    app = make_app(settings)
    app.config["SECRET_KEY_FALLBACKS"] = settings.get("fallbacks")
    with mock.patch("time.time", return_value=now):
        with app.test_request_context("/", headers={"Cookie": f"session={cookie}"}):
            return dict(flask.session)


def answers():
    from importlib.metadata import version

    found = []
    for name, settings, content in cases():
        cookie = signed(settings, content)
        refused = "refused" in settings
        content = None if refused else described(read(settings, cookie))
        found.append({"name": name, **settings, "cookie": cookie, "content": content})
    for name, key, user in [
        ("login", ["str", "dev"], "7"), ("login, id beyond ascii", ["str", "dev"], "Zoë|1"),
        ("login, key in Latin-1", ["str", "Zoë"], "7"), ("login, key of bytes", ["bytes", "00ff10"], "7"),
    ]:
        found.append(login(name, {"key": key}, user))
    return {"flask": version("flask"), "cases": found}


def login(name, settings, user_id):
    import flask_login

    class User(flask_login.UserMixin):
        id = user_id

    app = make_app(settings)
    flask_login.LoginManager(app).user_loader(lambda _id: User())
    app.add_url_rule("/", view_func=lambda: str(flask_login.login_user(User(), remember=True)))
    cookies = set_cookies(app.test_client(), "/")
    content = read(settings, cookies["session"])
    # The value without the quotes and escapes around characters that a cookie may not have.
    from werkzeug.http import parse_cookie

    token = parse_cookie("remember_token=" + cookies["remember_token"])["remember_token"]
    return {
        "name": name, **settings, "cookie": cookies["session"], "content": described(content),
        "remember_token": token, "user_id": user_id,
    }


def records():
    """What Flask-Session keeps in Redis, of which only the connection is replaced."""
    import warnings
    from importlib.metadata import version

    warnings.simplefilter("ignore")
    found = []
    for serialization in ["msgpack", "json"]:
        for name, content in record_cases(serialization):
            found.append(kept(f"{serialization}, {name}", serialization, content))
    return {"flask": version("flask-session"), "cases": found}


def record_cases(serialization):
    moment = datetime.datetime(2015, 10, 21, 7, 28, 0, 123_456, tzinfo=datetime.timezone.utc)
    yield "plain", {"none": None, "yes": True, "no": False, "text": "Zoë ☃ 😀", "list": [1, [2]], "dict": {"a": {}}}
    yield "numbers", {"ints": [0, 127, 128, 255, 256, 65536, 2**32, 2**63, 2**64 - 1], "floats": [1.5, 1e300],
                      "negative": [-1, -32, -33, -128, -129, -32768, -32769, -2**31 - 1, -2**63]}
    yield "lengths", {"texts": ["a" * length for length in [31, 32, 256]], "lists": [[0] * length for length in [15, 16]],
                      "long": "b" * 300, "dict": {str(number): number for number in range(16)}}
    yield "as text and list", {"tuple": (1, 2), "uuid": uuid.UUID(int=7), "naive": moment.replace(tzinfo=None)}
    yield "permanent", {"_permanent": True, "_user_id": "7", "_flashes": [("message", "hi")]}
    yield "like a tag", {"key": {" t": [1]}}
    yield "bytes", {"bytes": [b"", b"\x00\xff", b"c" * 256]}
    if serialization == "msgpack":
        yield "dates", {"dates": [moment, moment.replace(microsecond=0), moment.replace(year=1900), moment.replace(year=2600)]}


def kept(name, serialization, content):
    import flask
    import redis
    from flask_session import Session

    rows = {}

    class Redis(redis.Redis):
        def get(self, name):
            return rows.get(name)

        def set(self, name, value, ex=None):
            rows[name] = bytes(value)

    app = flask.Flask("judge")
    app.config.update(
        SECRET_KEY="dev", SESSION_TYPE="redis", SESSION_REDIS=Redis(), SESSION_SERIALIZATION_FORMAT=serialization,
        SESSION_USE_SIGNER=True,
    )
    Session(app)
    seen = []
    app.add_url_rule("/", "write", lambda: flask.session.update(content) or "")
    app.add_url_rule("/read", "read", lambda: seen.append(described(dict(flask.session))) or "")
    client = app.test_client()
    cookie = set_cookies(client, "/")["session"]
    client.get("/read")
    [(key, record)] = rows.items()
    return {"name": name, "cookie": cookie, "store_key": key, "record": record.hex(), "content": seen[0]}


def seen(case):
    """The description of what Flask reads in a cookie of ours."""
    return described(read(case, case["cookie"], case.get("now", NOW)))


def described(value):
    from markupsafe import Markup

    if value is None:
        return ["none", None]
    if isinstance(value, Markup):
        return ["markup", str(value)]
    for kind in [bool, int, float, str]:
        if isinstance(value, kind):
            return [kind.__name__, value if kind is bool else value if kind is str else repr(value)]
    if isinstance(value, (list, tuple)):
        return [type(value).__name__, [described(item) for item in value]]
    if isinstance(value, dict):
        return ["dict", sorted([key, described(item)] for key, item in value.items())]
    if isinstance(value, bytes):
        return ["bytes", value.hex()]
    if isinstance(value, uuid.UUID):
        return ["uuid", value.hex]
    if isinstance(value, datetime.datetime):
        seconds = calendar.timegm(value.utctimetuple())
        return ["datetime", f"{seconds}.{value.microsecond:06}"]
    raise TypeError(type(value))


if __name__ == "__main__":
    main()
