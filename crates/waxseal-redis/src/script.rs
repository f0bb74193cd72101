//! The scripts. Once a script has run, the server can call it by its hash.

use std::sync::LazyLock;

use redis::Cmd;
use waxseal_store::Timestamp;

/// A script, with its prelude.
pub(crate) struct Script {
    code: &'static str,
    hash: String,
}

macro_rules! scripts {
    ($($name:ident $file:literal)+) => {
        $(pub(crate) static $name: LazyLock<Script> = LazyLock::new(|| {
            Script::new(concat!(include_str!("scripts/prelude.lua"), include_str!(concat!("scripts/", $file))))
        });)+

        /// The code of each.
        #[cfg(test)]
        pub(crate) fn all() -> Vec<&'static str> {
            vec![$($name.code),+]
        }
    };
}

scripts! {
    FIND "find.lua"
    CREATE "create.lua"
    SWAP "swap.lua"
    TOUCH "touch.lua"
    DELETE "delete.lua"
    OWNED "owned.lua"
    END "end.lua"
    REWRAP "rewrap.lua"
    KEEP "keep.lua"
    BIND "bind.lua"
    RAISE "raise.lua"
    PAGE "page.lua"
    CONFIRM "confirm.lua"
    PROBE "probe.lua"
}

impl Script {
    fn new(code: &'static str) -> Self {
        Self { code, hash: redis::Script::new(code).get_hash().to_owned() }
    }

    /// A call by hash, for a server that knows the script.
    pub(crate) fn by_hash(&self, keys: &[String], first: &[&[u8]], others: &[&[u8]]) -> Cmd {
        call("EVALSHA", &self.hash, keys, [first, others])
    }

    /// A call with the whole code, for a server that does not know it.
    pub(crate) fn in_full(&self, keys: &[String], first: &[&[u8]], others: &[&[u8]]) -> Cmd {
        call("EVAL", self.code, keys, [first, others])
    }
}

fn call(name: &str, script: &str, keys: &[String], arguments: [&[&[u8]]; 2]) -> Cmd {
    let arguments = arguments.into_iter().flatten();
    let parts = keys.iter().map(String::len).chain(arguments.clone().map(|argument| argument.len()));
    let (count, bytes) =
        parts.fold((3, name.len() + script.len() + 1), |(count, bytes), part| (count + 1, bytes + part));
    let mut command = Cmd::with_capacity(count, bytes);
    command.arg(name).arg(script).arg(keys.len()).arg(keys);
    arguments.for_each(|argument| _ = command.arg(argument));
    command
}

/// A time in the form that scripts expect: decimal milliseconds.
pub(crate) fn decimal(moment: Timestamp) -> String {
    moment.as_millis().to_string()
}
