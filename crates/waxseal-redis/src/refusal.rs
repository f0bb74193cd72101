//! The server's refusals of commands.

use redis::{RedisError, Value};

/// The code of a refusal, such as `OOM` or `READONLY`, also if the refused command was inside a script.
///
/// Redis 6 wraps these as `ERR Error running script (call to f_…): @user_script:12: @user_script: 12: -OOM command …`.
/// Later servers answer the script with the refusal's own code.
pub(crate) fn code(error: &RedisError) -> Option<&str> {
    Some(unwrapped(error.code()?, error.detail()))
}

/// Returns `true` if an answer is a refusal with one of these codes.
pub(crate) fn is(answer: &Value, codes: &[&str]) -> bool {
    matches!(answer, Value::ServerError(error) if codes.contains(&unwrapped(error.code(), error.details())))
}

fn unwrapped<'a>(code: &'a str, detail: Option<&'a str>) -> &'a str {
    let within = || {
        let (_, behind) = detail?.strip_prefix("Error running script ")?.rsplit_once("@user_script:")?;
        let (_line, said) = behind.split_once(": ")?;
        let said = said.strip_prefix('-').unwrap_or(said);
        let code = said.split(' ').next()?;
        (!code.is_empty() && code.bytes().all(|byte| byte.is_ascii_uppercase())).then_some(code)
    };
    if code == "ERR" { within().unwrap_or(code) } else { code }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_within_a_script_has_its_own_code() {
        for (detail, expected) in [
            (
                "Error running script (call to f_c7): @user_script:12: @user_script: 12: -OOM command not allowed when \
                 used memory > 'maxmemory'.",
                "OOM",
            ),
            ("Error running script (call to f_c7): @user_script:1: -OOM command not allowed", "OOM"),
            (
                "Error running script (call to f_c7): @user_script:3: @user_script: 3: -READONLY You can't write \
                 against a read only replica. ",
                "READONLY",
            ),
            (
                "Error running script (call to f_c7): @user_script:1: WRONGTYPE Operation against a key holding the \
                 wrong kind of value",
                "WRONGTYPE",
            ),
            ("Error running script (call to f_c7): @user_script:7: attempt to index a nil value", "ERR"),
            ("Error compiling script (new function): user_script:1: -OOM", "ERR"),
            ("unknown command 'x'", "ERR"),
        ] {
            assert_eq!(unwrapped("ERR", Some(detail)), expected, "{detail}");
        }
        assert_eq!(unwrapped("OOM", Some("command not allowed, on @user_script:1: -X")), "OOM");
        assert_eq!(unwrapped("ERR", None), "ERR");
    }
}
