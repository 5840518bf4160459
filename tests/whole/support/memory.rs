//! What the operating system says about the memory of a process.

use std::fs;

/// The resident memory of `process` in bytes.
pub(crate) fn resident_bytes(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status"))
        .expect("a running process has a status");
    let kib = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .and_then(|line| line.split_whitespace().next())
        .expect("VmRSS is there");
    kib.parse::<u64>().expect("VmRSS is a number") * 1024
}
