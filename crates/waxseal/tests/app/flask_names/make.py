"""Writes the public names of Flask to names.txt beside it. Run with Flask 3.1 installed: python make.py"""

from inspect import ismodule
from pathlib import Path

import flask
from flask import cli, config, sessions, signals, testing


def names(*objects, but=object):
    found = {name for one in objects for name in dir(one) if not name.startswith("_")} - set(dir(but))
    return sorted(name for name in found if not any(ismodule(one) and ismodule(getattr(one, name, 0)) for one in objects))


FUTURE = type("Future", (), {"annotations": None})
app = flask.Flask("app")
with app.test_request_context() as context:
    areas = {
        "module": names(flask, but=FUTURE),
        "config": sorted(app.default_config) + names(config.Config, but=dict),
        "session": names(sessions.SecureCookieSession, but=dict)
        + names(sessions.SessionInterface, sessions.SecureCookieSessionInterface),
        "app": names(app),
        "blueprint": names(flask.Blueprint("blueprint", "app")),
        "g": names(flask.g),
        "request": names(context.request),
        "response": names(app.response_class()),
        "signals": names(signals, but=FUTURE),
        "cli": [name for name in names(cli) if name != "F" and getattr(getattr(cli, name), "__module__", "") == cli.__name__]
        + [name for name in vars(cli.AppGroup) if not name.startswith("_")],
        "testing": names(app.test_client())
        + names(testing.FlaskCliRunner)
        + names(testing.EnvironBuilder)
        + names(app.test_client().response_wrapper, but=flask.Response),
    }
lines = dict.fromkeys(f"{area} {name}" for area, all_names in areas.items() for name in all_names)
Path(__file__).with_name("names.txt").write_text("\n".join(lines) + "\n")
