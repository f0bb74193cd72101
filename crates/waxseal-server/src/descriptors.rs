//! Room for connections within the limit of open files.

/// The most connections, and the limit of open files on which that depends. `None` if the system has no such limit.
pub(crate) fn room() -> Option<(u32, u64)> {
    #[cfg(unix)]
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current?;
    #[cfg(not(unix))]
    let limit: u64 = None?;
    Some((room_in(limit), limit))
}

/// A quarter of the limit is kept for all other files: files that are sent and received, and stores. It is at least 64,
/// unless that would leave less than a quarter for connections.
fn room_in(limit: u64) -> u32 {
    let others = (limit / 4).max(64).min(limit - limit / 4);
    u32::try_from(limit - others).unwrap_or(u32::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_files_may_always_be_opened() {
        for (limit, connections) in [
            (0, 1),
            (3, 1),
            (64, 16),
            (128, 64),
            (256, 192),
            (1024, 768),
            (1 << 20, 786_432),
            (u64::MAX, u32::MAX),
        ] {
            assert_eq!(room_in(limit), connections, "{limit}");
        }
    }
}
