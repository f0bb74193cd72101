#!/usr/bin/env python3
"""Lets real Django make the known answers of waxseal-django.

    python3 make.py                   writes answers.json: what each version of VERSIONS signs
    PYTHON make.py inside             prints what the Django of this Python signs

Each version is installed from PyPI into a virtual environment of its own. A cookie is made by the session engine
`django.contrib.sessions.backends.signed_cookies`, and read by it again; only the clock is fixed.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import venv

# 6.0 needs a newer Python than the others run on; its signing is that of 5.2.
VERSIONS = ["3.2.25", "4.0.10", "4.1.13", "4.2.30", "5.0.14", "5.1.15", "5.2.19"]
NOW = 1_700_000_000
HERE = pathlib.Path(__file__).resolve()


def main():
    if sys.argv[1:] == ["inside"]:
        print(json.dumps(answers()))
        return
    merged = {}
    with tempfile.TemporaryDirectory() as folder:
        for version in VERSIONS:
            for answer in json.loads(run(install(version, folder))):
                known = merged.setdefault(json.dumps(answer, sort_keys=True), {**answer, "django": []})
                known["django"].append(version)
    cases = sorted(merged.values(), key=lambda case: case["name"])
    lines = ",\n".join(json.dumps(case) for case in cases)
    HERE.with_name("answers.json").write_text(f"[\n{lines}\n]\n")


def install(version, folder):
    python = os.path.join(folder, version, "bin", "python")
    venv.create(os.path.join(folder, version), with_pip=True)
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", f"django=={version}"]
    subprocess.run(pip, check=True, stdout=sys.stderr)
    return python


def run(python):
    return subprocess.run([python, str(HERE), "inside"], stdout=subprocess.PIPE, check=True).stdout


# --- inside: Django itself ---

def cases():
    """Name, settings, and content of each session."""
    values = {
        "none": None, "bools": [True, False], "ints": [0, -7, 2**53 + 1, 2**64 - 1, 2**127 - 1, -2**127],
        "floats": [1.5, 3.0, -0.0, 1e16, 5e-324, 0.1 + 0.2, float("inf"), float("-inf")],
        "strs": ["", "Merlin", "\"\\/\b\f\n\r\t\x00\x1f\x7f", "Zoë ☃ 😀"],
        "nested": {"b": [1, {"a": {}}], "a": []}, "tuple": (1, 2),
        "like a tag of Flask's": {" t": [1]},
    }
    for name, value in values.items():
        yield name, {}, {"key": value}
    yield "signed in", {}, {
        "_auth_user_id": "7", "_auth_user_backend": "django.contrib.auth.backends.ModelBackend",
        "_auth_user_hash": auth_hash("pbkdf2_sha256$1$salt$hash="), "cart": [1, 2],
    }
    yield "empty", {}, {}
    yield "expires with the browser", {}, {"_session_expiry": 0}
    yield "expires in an hour", {}, {"_session_expiry": 3600}
    yield "compressed", {}, {"text": "waxseal " * 40}
    yield "hardly compressible", {}, {"text": "0123456789abcdefghijklmnopqrstuvwxyz"}
    yield "key beyond ascii", {"key": "Zoë ☃"}, {"user": 7}
    yield "key longer than a block", {"key": "k" * 200}, {"user": 7}
    yield "refused: bomb", {"refused": "TooLarge"}, {"key": "a" * 300_000}


def auth_hash(password):
    from django.contrib.auth.base_user import AbstractBaseUser
    from django.test import override_settings

    class Anybody:
        pass

    user = Anybody()
    user.password = password
    user._get_session_auth_hash = lambda secret=None: AbstractBaseUser._get_session_auth_hash(user, secret)
    with override_settings(SECRET_KEY="dev"):
        return AbstractBaseUser.get_session_auth_hash(user)


def answers():
    from unittest import mock

    import django
    from django.conf import settings

    settings.configure(
        SECRET_KEY="dev", SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
        SESSION_SERIALIZER="django.contrib.sessions.serializers.JSONSerializer",
        INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes"],
    )
    django.setup()
    from django.contrib.sessions.backends.signed_cookies import SessionStore
    from django.test import override_settings

    found = []
    with mock.patch("time.time", return_value=NOW):
        for name, wanted, content in cases():
            with override_settings(SECRET_KEY=wanted.get("key", "dev")):
                session = SessionStore()
                session.update(content)
                session.save()
                cookie = session.session_key
                read = SessionStore(cookie).load()
            refused = {"refused": wanted["refused"]} if "refused" in wanted else {}
            text = None if refused else json.dumps(read, separators=(",", ":"))
            found.append({"name": name, "key": wanted.get("key", "dev"), **refused, "cookie": cookie, "json": text})
    return found


if __name__ == "__main__":
    main()
