//! Apps with a database of their own in SQLite, by sqlx, beside the sessions' one: the examples `blog` and `sign_in`. And
//! an app whose requests are spans of OpenTelemetry: the example `telemetry`.
