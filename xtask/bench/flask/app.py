"""The same small app on Flask, with Flask's own signed cookie."""

import secrets
from pathlib import Path

from flask import Flask, redirect, render_template, request, session

TEMPLATES = Path(__file__).parents[3] / "crates/waxseal/examples/templates"

app = Flask(__name__, template_folder=TEMPLATES)
app.secret_key = secrets.token_bytes(32)


@app.get("/plain")
def plain():
    return "hello"


@app.post("/wizard/create")
def create():
    session.update(request.form.items())
    return redirect("/wizard/success", 303)


@app.get("/wizard/success")
def success():
    return render_template("success.html")
