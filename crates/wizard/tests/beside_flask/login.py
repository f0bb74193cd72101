"""A part of the shop with Flask-Login, which remembers who has signed in: everything below /old.

    python login.py PORT
"""

import os
import sys

from flask import Flask, redirect, request
from flask_login import LoginManager, UserMixin, current_user, login_user, logout_user
from werkzeug.serving import WSGIRequestHandler

USERS = {"albus": "1", "minerva": "2"}
NAMES = {number: name for name, number in USERS.items()}

app = Flask(__name__)
app.config["SECRET_KEY"] = os.environ["FLASK_SECRET_KEY"]
manager = LoginManager(app)


class User(UserMixin):
    def __init__(self, id):
        self.id = id


manager.user_loader(User)


@app.route("/old/")
def index():
    return f'<p id="user">{NAMES.get(current_user.get_id(), "nobody")}</p>'


@app.route("/old/sign-in", methods=["POST"])
def sign_in():
    login_user(User(USERS[request.form["name"]]), remember=request.form.get("remember") == "yes")
    return redirect("/old/")


@app.route("/old/sign-out", methods=["POST"])
def sign_out():
    logout_user()
    return redirect("/old/")


class Quiet(WSGIRequestHandler):
    def log(self, type, message, *args):
        pass


if __name__ == "__main__":
    app.run(port=int(sys.argv[1]), request_handler=Quiet)
