//! Apps with a database of their own in SQLite, by sqlx, beside the sessions' one: the examples `blog` and `sign_in`.
