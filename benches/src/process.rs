//! What the operating system says about a process, from `/proc`: CPU time, memory, open files.

use std::{
    fs, io,
    path::Path,
    process::Command,
    thread,
    time::{Duration, Instant},
};

/// `USER_HZ`, the unit of the times in `/proc/PID/stat` on Linux.
const TICK: Duration = Duration::from_millis(10);

/// User and system time of all threads of `process`, a process id or `self`.
pub(crate) fn cpu(process: &str) -> io::Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    parse_cpu(&stat).ok_or_else(|| io::Error::other(format!("cannot read {stat:?}")))
}

/// User and system time of the threads of this process that are called `name`.
pub(crate) fn thread_cpu(name: &str) -> io::Result<Duration> {
    let mut all = Duration::ZERO;
    for thread in fs::read_dir("/proc/self/task")? {
        let thread = format!("self/task/{}", thread?.file_name().display());
        // A thread may end between the two looks.
        let is_meant = fs::read_to_string(format!("/proc/{thread}/comm"))
            .is_ok_and(|found| found.trim_end() == name);
        if is_meant {
            all += cpu(&thread)?;
        }
    }
    Ok(all)
}

/// The times are the 14th and 15th field; the 2nd is a name in brackets that may hold anything.
fn parse_cpu(stat: &str) -> Option<Duration> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_ascii_whitespace().skip(11);
    let user: u32 = fields.next()?.parse().ok()?;
    let system: u32 = fields.next()?.parse().ok()?;
    Some(TICK * (user + system))
}

/// What all processes together have used, on all cores, for as long as the machine is up.
pub(crate) fn machine_cpu() -> io::Result<Duration> {
    let stat = fs::read_to_string("/proc/stat")?;
    parse_machine_cpu(&stat).ok_or_else(|| io::Error::other("cannot read /proc/stat"))
}

/// User, nice, system, then idle and waiting, which do not count, then interrupts and steal.
fn parse_machine_cpu(stat: &str) -> Option<Duration> {
    let line = stat.lines().next()?.strip_prefix("cpu ")?;
    let ticks: Vec<u32> = line
        .split_ascii_whitespace()
        .map_while(|field| field.parse().ok())
        .collect();
    Some(TICK * (ticks.get(..3)?.iter().sum::<u32>() + ticks.get(5..8)?.iter().sum::<u32>()))
}

/// Resident memory in bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Memory {
    pub(crate) resident: u64,
    /// The most that was ever resident.
    pub(crate) peak: u64,
}

/// The memory of `process`, a process id or `self`.
pub(crate) fn memory(process: &str) -> io::Result<Memory> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    parse_memory(&status)
        .ok_or_else(|| io::Error::other(format!("process {process} has no memory")))
}

fn parse_memory(status: &str) -> Option<Memory> {
    let bytes = |name: &str| -> Option<u64> {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        let kilobytes: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
        Some(kilobytes * 1024)
    };
    Some(Memory {
        resident: bytes("VmRSS:")?,
        peak: bytes("VmHWM:")?,
    })
}

/// True if `path` is in memory and not on a disk, where syncing costs nothing and proves nothing.
pub(crate) fn is_in_memory(path: &Path) -> io::Result<bool> {
    let path = path.canonicalize()?;
    Ok(
        parse_mount_type(&fs::read_to_string("/proc/self/mounts")?, &path)
            .is_some_and(|kind| kind == "tmpfs" || kind == "ramfs"),
    )
}

/// The type of the file system that holds `path`: of its longest mount point, the last if mounted over.
fn parse_mount_type(mounts: &str, path: &Path) -> Option<String> {
    mounts
        .lines()
        .filter_map(|line| {
            let mut fields = line.split(' ').skip(1);
            Some((fields.next()?, fields.next()?))
        })
        .filter(|(point, _)| path.starts_with(point))
        .max_by_key(|(point, _)| point.len())
        .map(|(_, kind)| kind.to_owned())
}

/// Lets this process, and those that it starts, open `wanted` files.
pub(crate) fn allow_open_files(wanted: u64) -> io::Result<()> {
    let limits = fs::read_to_string("/proc/self/limits")?;
    let (soft, hard) = parse_open_files(&limits)
        .ok_or_else(|| io::Error::other(format!("cannot read {limits:?}")))?;
    if soft >= wanted {
        return Ok(());
    }
    if hard < wanted {
        return Err(io::Error::other(format!(
            "the machine allows a process {hard} open files; {wanted} are needed (ulimit -Hn)"
        )));
    }
    let raised = Command::new("prlimit")
        .args(["--pid", &std::process::id().to_string()])
        .arg(format!("--nofile={hard}:{hard}"))
        .status()?;
    if raised.success() {
        Ok(())
    } else {
        Err(io::Error::other(format!("prlimit ended with {raised}")))
    }
}

/// The soft and the hard limit.
fn parse_open_files(limits: &str) -> Option<(u64, u64)> {
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))?;
    let mut numbers = line.split_ascii_whitespace().map(|limit| match limit {
        "unlimited" => Some(u64::MAX),
        limit => limit.parse().ok(),
    });
    Some((numbers.next()??, numbers.next()??))
}

/// Waits until `moment`; for pacing, never for something to have happened.
pub(crate) fn wait_until(moment: Instant) {
    loop {
        let left = moment.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        }
        thread::park_timeout(left);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_is_found_behind_a_name_with_brackets_and_blanks() {
        let stat = "42 (a (b) c) S 1 42 42 0 -1 4194560 90 0 0 0 25 17 0 0 20 0 1 0 100 1 2";
        assert_eq!(parse_cpu(stat), Some(Duration::from_millis(420)));
        assert_eq!(parse_cpu("42 (a) S 1"), None);
    }

    #[test]
    fn a_busy_machine_is_one_that_neither_idles_nor_waits() {
        let stat = "cpu  1 2 3 400000 50000 10 20 30 7 0\ncpu0 1 1 1 1 1 1 1 1 0 0\n";
        assert_eq!(parse_machine_cpu(stat), Some(Duration::from_millis(660)));
        assert!(machine_cpu().is_ok());
    }

    #[test]
    fn memory_is_read_in_bytes() {
        let status = "Name:\tx\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\n";
        assert_eq!(
            parse_memory(status),
            Some(Memory {
                resident: 1 << 20,
                peak: 2 << 20
            })
        );
        assert_eq!(parse_memory("Name:\tzombie\n"), None);
    }

    #[test]
    fn open_files_have_a_soft_and_a_hard_limit() {
        let limits =
            "Max processes    1  2  processes\nMax open files   1024   unlimited   files\n";
        assert_eq!(parse_open_files(limits), Some((1024, u64::MAX)));
        assert_eq!(parse_open_files("Max processes 1 2 processes"), None);
        assert!(allow_open_files(1).is_ok());
    }

    #[test]
    fn the_longest_mount_point_says_what_the_file_system_is() {
        let mounts =
            "/dev/vda / ext4 rw 0 0\ntmpfs /tmp tmpfs rw 0 0\n/dev/vdb /tmp/disk xfs rw 0 0\n";
        let kind = |path: &str| parse_mount_type(mounts, Path::new(path));
        assert_eq!(kind("/home").as_deref(), Some("ext4"));
        assert_eq!(kind("/tmp/a").as_deref(), Some("tmpfs"));
        assert_eq!(kind("/tmp/disk/a").as_deref(), Some("xfs"));
        assert_eq!(kind("/tmpfile").as_deref(), Some("ext4"));
    }

    #[test]
    fn this_process_has_memory_and_a_file_system() {
        let memory = memory("self").unwrap();
        assert!(
            memory.resident > 0 && memory.peak >= memory.resident,
            "{memory:?}"
        );
        assert!(cpu("self").is_ok());
        assert_eq!(thread_cpu("nobody").ok(), Some(Duration::ZERO));
        assert!(is_in_memory(Path::new("/dev/shm")).unwrap_or(true));
    }
}
