//! A server process that ends with its test, however the test ends.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// The user and group to run a program as.
pub(crate) type User = Option<(u32, u32)>;

/// A shell with a server as its child. The shell waits for the end of its input, which comes at the latest with the end
/// of this process, and then ends the server.
pub(crate) struct Process {
    shell: Child,
    pub(crate) server: u32,
}

impl Process {
    /// Starts the shell that [`shell`] describes.
    pub(crate) fn start(mut shell: Command) -> Self {
        let mut shell = shell.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("sh starts");
        let mut server = String::new();
        BufReader::new(shell.stdout.take().unwrap()).read_line(&mut server).unwrap();
        Self { shell, server: server.trim().parse().unwrap() }
    }

    /// Checks whether the server runs. An ended server stays in the system's process list until its shell waits for it.
    pub(crate) fn is_running(&self) -> bool {
        let output =
            Command::new("ps").args(["-o", "stat=", "-p", &self.server.to_string()]).output().unwrap();
        !matches!(output.stdout.trim_ascii_start().first(), None | Some(b'Z'))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        _ = self.shell.wait();
    }
}

/// A shell that starts the program, prints its process id, and ends it with a signal at the end of its own input. The
/// program's output goes to the folder's `log`, because no test reads it.
pub(crate) fn shell(program: &Path, end: &str, user: User, folder: &Path) -> Command {
    let mut command = as_user(Path::new("/bin/sh"), user, folder);
    // A stopped process receives other signals only when it continues.
    let script = format!(
        r#""$@" >> log 2>&1 & echo $!; read -r line; kill -{end} $! 2> /dev/null && kill -CONT $! 2> /dev/null; wait"#
    );
    command.args(["-c", &script, "sh"]).arg(program);
    command
}

pub(crate) fn as_user(program: &Path, user: User, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder).env_clear().env("LC_ALL", "C").stdin(Stdio::null());
    command.envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
    if let Some((user, group)) = user {
        command.uid(user).gid(group);
    }
    command
}

pub(crate) fn signal(name: &str, pids: &[u32]) {
    let pids = pids.iter().map(ToString::to_string);
    _ = Command::new("kill").arg(format!("-{name}")).args(pids).stderr(Stdio::null()).status().unwrap();
}

/// A port that was free a moment ago.
pub fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}
