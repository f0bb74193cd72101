"""A shop in Flask, of which a part has moved: everything below /old. Its twin, twin.rs, has the same below /new.

    python app.py PORT
"""

import os
import sys

from flask import Flask, flash, get_flashed_messages, redirect, render_template_string, request, session, url_for
from werkzeug.serving import WSGIRequestHandler

USERS = {"albus": 1, "minerva": 2}
NAMES = {number: name for name, number in USERS.items()}

PAGE = """<!doctype html>
<html lang="en">
<title>The old part</title>
<h1>The old part</h1>
{% for message in messages %}<p class="message">{{ message }}</p>{% endfor %}
<p id="user">{{ user or 'nobody' }}</p>
<ul id="cart">{% for owl in cart %}<li>{{ owl }}</li>{% endfor %}</ul>
<p id="note">{{ note }}</p>
<form method="post" action="{{ url_for('sign_in') }}">
  <input name="name" id="name">
  <button id="sign-in">Sign in</button>
</form>
<form method="post" action="{{ url_for('sign_out') }}">
  <button id="sign-out">Sign out</button>
</form>
<form method="post" action="{{ url_for('add') }}">
  <input name="owl" id="owl">
  <button id="add">Put into the cart</button>
</form>
<a id="other" href="/new/">The new part</a>
</html>
"""

app = Flask(__name__)
app.config["SECRET_KEY"] = os.environ["FLASK_SECRET_KEY"]


@app.route("/old/")
def index():
    return render_template_string(
        PAGE,
        user=NAMES.get(session.get("user_id")),
        cart=session.get("cart", []),
        # A value that is not shared with the other app.
        note=session.setdefault("note", "of Flask"),
        messages=get_flashed_messages(),
    )


@app.route("/old/sign-in", methods=["POST"])
def sign_in():
    user_id = USERS.get(request.form["name"])
    if user_id is None:
        flash("Nobody of that name.")
        return redirect(url_for("index"))
    session.clear()
    session["user_id"] = user_id
    session.permanent = request.form.get("remember") == "yes"
    flash("Welcome to the old part.")
    return redirect(url_for("index"))


@app.route("/old/sign-out", methods=["POST"])
def sign_out():
    session.clear()
    return redirect(url_for("index"))


@app.route("/old/cart", methods=["POST"])
def add():
    session["cart"] = session.get("cart", []) + [request.form["owl"]]
    return redirect(url_for("index"))


@app.route("/old/types")
def types():
    """The types of what is in the cart's place, as Python has them."""
    return {key: type(value).__name__ for key, value in session.items()}


class Quiet(WSGIRequestHandler):
    def log(self, type, message, *args):
        pass


if __name__ == "__main__":
    app.run(port=int(sys.argv[1]), request_handler=Quiet)
