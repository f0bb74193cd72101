"""A to-do list for several people, in Flask: the counterpart of `examples/todo.rs`, with the same templates.

pip install flask flask-wtf, then: SECRET_KEY=... flask --app flask_todo run
"""

import os

from flask import Flask, abort, flash, redirect, render_template, request, session
from flask_wtf.csrf import CSRFProtect
from werkzeug.security import check_password_hash, generate_password_hash

app = Flask(__name__)
app.config.update(
    SECRET_KEY=os.environ["SECRET_KEY"],
    SESSION_COOKIE_SAMESITE="Lax",
)
CSRFProtect(app)

users = {}


@app.errorhandler(401)
def nobody(_):
    return redirect("/sign-in")


@app.get("/")
def index():
    user, todos = signed_in()
    return render_template("index.html", user=user, todos=todos)


@app.post("/add")
def add():
    _, todos = signed_in()
    text = request.form["text"].strip()
    if not text:
        flash("Write down what to do.", "error")
        return redirect("/")
    todos[max(todos, default=0) + 1] = {"text": text, "done": False}
    return redirect("/")


@app.post("/toggle/<int:id>")
def toggle(id):
    _, todos = signed_in()
    if id not in todos:
        abort(404)
    todos[id]["done"] = not todos[id]["done"]
    return redirect("/")


@app.post("/delete/<int:id>")
def delete(id):
    _, todos = signed_in()
    if id not in todos:
        abort(404)
    todo = todos.pop(id)
    flash(f"Deleted “{todo['text']}”.", "info")
    return redirect("/")


@app.get("/register", endpoint="register")
@app.get("/sign-in", endpoint="sign_in")
def credentials():
    return render_template("credentials.html")


@app.post("/register")
def register_post():
    name, password = request.form["name"], request.form["password"]
    if not name.strip() or len(password) < 8 or name in users:
        flash("Choose another name, and a password of at least 8 characters.", "error")
        return redirect("/register")
    users[name] = {"password": generate_password_hash(password), "todos": {}}
    flash("Welcome! Now sign in.", "info")
    return redirect("/sign-in")


@app.post("/sign-in")
def sign_in_post():
    name, password = request.form["name"], request.form["password"]
    user = users.get(name)
    if user is None or not check_password_hash(user["password"], password):
        flash("Name and password do not fit together.", "error")
        return redirect("/sign-in")
    session.clear()
    session["user"] = name
    flash(f"Hello, {name}.", "info")
    return redirect("/")


@app.post("/sign-out")
def sign_out():
    session.clear()
    flash("See you.", "info")
    return redirect("/sign-in")


def signed_in():
    name = session.get("user")
    if name not in users:
        abort(401)
    return name, users[name]["todos"]
