//! Processes as the kernel sees them: who listens on a port, CPU time, memory. From /proc (proc(5)).

use anyhow::{Context, anyhow};
use rustix::io::Errno;
use rustix::thread::{CpuSet, Pid, sched_setaffinity};
use std::fs;
use std::ops::Range;
use std::path::Path;

/// Server processes that take part.
#[derive(Clone, Copy, Debug)]
pub struct Servers {
    pub mysql: u32,
    pub gateway: u32,
    pub hbase: u32,
    pub memcached: u32,
}

/// What CPU time is told apart by; the order of [`Cpu::parts`].
pub const PARTS: [&str; 5] = ["tailfill", "mysql", "gateway", "hbase", "memcached"];

/// CPU seconds used so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cpu {
    /// By process, as [`PARTS`].
    pub parts: [f64; 5],
    /// This program, where it is not what is measured.
    pub bench: f64,
    /// The whole machine, interrupts left out: the kernel charges them to nobody.
    pub busy: f64,
}

impl Cpu {
    pub fn plus(&self, other: &Cpu) -> Cpu {
        Cpu {
            parts: std::array::from_fn(|part| self.parts[part] + other.parts[part]),
            bench: self.bench + other.bench,
            busy: self.busy + other.busy,
        }
    }

    pub fn minus(&self, earlier: &Cpu) -> Cpu {
        Cpu {
            parts: std::array::from_fn(|part| self.parts[part] - earlier.parts[part]),
            bench: self.bench - earlier.bench,
            busy: self.busy - earlier.busy,
        }
    }

    /// The point at `share` (0 to 1) of the way to `later`.
    pub fn towards(&self, later: &Cpu, share: f64) -> Cpu {
        let mix = |from: f64, to: f64| from + (to - from) * share;
        Cpu {
            parts: std::array::from_fn(|part| mix(self.parts[part], later.parts[part])),
            bench: mix(self.bench, later.bench),
            busy: mix(self.busy, later.busy),
        }
    }

    pub fn total(&self) -> f64 {
        self.parts.iter().sum()
    }

    /// What neither the servers nor tailfill nor this program used.
    pub fn others(&self) -> f64 {
        (self.busy - self.total() - self.bench).max(0.0)
    }
}

/// Reads the CPU time of everything that takes part.
#[derive(Clone, Copy, Debug)]
pub struct Meter {
    pids: [u32; 5],
}

impl Meter {
    /// `tailfill`: the process that is measured, which may be this one.
    pub fn new(servers: &Servers, tailfill: u32) -> Meter {
        let Servers { mysql, gateway, hbase, memcached } = *servers;
        Meter { pids: [tailfill, mysql, gateway, hbase, memcached] }
    }

    /// # Errors
    /// One of the processes is gone.
    pub fn read(&self) -> anyhow::Result<Cpu> {
        let mut cpu = Cpu { busy: busy_seconds()?, ..Cpu::default() };
        for (part, pid) in self.pids.into_iter().enumerate() {
            cpu.parts[part] = cpu_seconds(pid).with_context(|| format!("{} is gone", PARTS[part]))?;
        }
        let own = std::process::id();
        if !self.pids.contains(&own) {
            cpu.bench = cpu_seconds(own)?;
        }
        Ok(cpu)
    }
}

/// Keeps processes to cores of their own, as if they had machines of their own, until it is dropped.
pub struct Apart {
    pids: Vec<u32>,
}

impl Apart {
    /// The first half of the cores is for `first` (with the threads they have and begin), the other half for `others`.
    ///
    /// # Errors
    /// There is only one core, or the kernel refuses.
    pub fn keep(first: &[u32], others: &[u32]) -> anyhow::Result<Apart> {
        let cores = std::thread::available_parallelism()?.get();
        anyhow::ensure!(cores > 1, "there is only one core, and servers cannot be kept apart");
        let apart = Apart { pids: [first, others].concat() };
        first.iter().try_for_each(|pid| keep_to(*pid, 0..cores / 2))?;
        others.iter().try_for_each(|pid| keep_to(*pid, cores / 2..cores))?;
        Ok(apart)
    }
}

impl Drop for Apart {
    fn drop(&mut self) {
        for pid in &self.pids {
            // one that has ended needs none
            _ = keep_to(*pid, 0..CpuSet::MAX_CPU);
        }
    }
}

/// Threads that begin later inherit it.
fn keep_to(pid: u32, cores: Range<usize>) -> anyhow::Result<()> {
    let mut set = CpuSet::new();
    cores.for_each(|core| set.set(core));
    for thread in fs::read_dir(format!("/proc/{pid}/task"))?.flatten() {
        let Some(number) = thread.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        match sched_setaffinity(Pid::from_raw(number), &set) {
            Err(Errno::SRCH) | Ok(()) => {} // it has ended
            Err(error) => {
                return Err(error).with_context(|| format!("process {pid} cannot be kept to cores"));
            }
        }
    }
    Ok(())
}

/// User and system time of a process with all its threads, those that ended included; readable until it is waited for.
pub fn cpu_seconds(pid: u32) -> anyhow::Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let ticks = stat_ticks(&stat).ok_or_else(|| anyhow!("/proc/{pid}/stat is not understood: {stat}"))?;
    Ok(seconds(ticks))
}

/// utime and stime, the 14th and 15th field; the second is a name in parentheses that may hold anything.
fn stat_ticks(stat: &str) -> Option<u64> {
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    Some(fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?)
}

fn seconds(ticks: u64) -> f64 {
    ticks as f64 / rustix::param::clock_ticks_per_second() as f64
}

fn busy_seconds() -> anyhow::Result<f64> {
    let stat = fs::read_to_string("/proc/stat")?;
    let ticks = busy_ticks(&stat).ok_or_else(|| anyhow!("/proc/stat is not understood"))?;
    Ok(seconds(ticks))
}

/// user, nice and system of all CPUs.
fn busy_ticks(stat: &str) -> Option<u64> {
    let line = stat.lines().find(|line| line.starts_with("cpu "))?;
    let fields: Vec<u64> = line.split_whitespace().skip(1).filter_map(|field| field.parse().ok()).collect();
    Some(fields.first()? + fields.get(1)? + fields.get(2)?)
}

/// Resident memory at most so far, bytes; `None` once the process is gone.
pub fn memory_high(pid: u32) -> Option<u64> {
    Some(status_number(&fs::read_to_string(format!("/proc/{pid}/status")).ok()?, "VmHWM:")? * 1_024)
}

/// Lets [`memory_high`] of this process begin again.
pub fn forget_memory_high() -> anyhow::Result<()> {
    fs::write("/proc/self/clear_refs", "5").context("the peak of the memory cannot be reset")
}

/// How often the threads of a process have waited (voluntary context switches).
pub fn wakeups(pid: u32) -> anyhow::Result<u64> {
    let mut sum = 0;
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        // a thread may end meanwhile
        let status = fs::read_to_string(task?.path().join("status")).unwrap_or_default();
        sum += status_number(&status, "voluntary_ctxt_switches:").unwrap_or(0);
    }
    Ok(sum)
}

fn status_number(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find(|line| line.starts_with(name))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// The words of a process's command line.
pub fn command_line(pid: u32) -> Vec<String> {
    let bytes = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let words = bytes.split(|byte| *byte == 0).filter(|word| !word.is_empty());
    words.map(|word| String::from_utf8_lossy(word).into_owned()).collect()
}

/// The process that listens on a TCP port of this machine.
///
/// # Errors
/// Nobody does, or not in a process that we may look at.
pub fn listener(port: u16, what: &str) -> anyhow::Result<u32> {
    let mut inodes = Vec::new();
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        inodes.extend(listening_inodes(&fs::read_to_string(table).unwrap_or_default(), port));
    }
    let sockets: Vec<String> = inodes.iter().map(|inode| format!("socket:[{inode}]")).collect();
    for entry in fs::read_dir("/proc")?.flatten() {
        let pid = entry.file_name().to_str().and_then(|name| name.parse().ok());
        if let Some(pid) = pid
            && holds(&entry.path().join("fd"), &sockets)
        {
            return Ok(pid);
        }
    }
    Err(anyhow!(
        "no process that may be looked at listens on port {port} ({what}); scripts/bench starts the servers"
    ))
}

fn holds(descriptors: &Path, sockets: &[String]) -> bool {
    let Ok(entries) = fs::read_dir(descriptors) else { return false };
    let mut links = entries.flatten().filter_map(|entry| fs::read_link(entry.path()).ok());
    links.any(|link| link.to_str().is_some_and(|link| sockets.iter().any(|socket| socket == link)))
}

/// Inodes of the sockets that listen (state 0A) on a port, of the text of /proc/net/tcp.
fn listening_inodes(table: &str, port: u16) -> Vec<String> {
    let suffix = format!(":{port:04X}");
    let rows = table.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>());
    rows.filter(|row| row.len() > 9 && row[1].ends_with(&suffix) && row[3] == "0A")
        .map(|row| row[9].to_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_name_with_parentheses_does_not_shift_the_fields() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194560 100 0 0 0 250 50 9 9 20 0 1 0 100 0 0";
        assert_eq!(stat_ticks(stat), Some(300));
        assert_eq!(stat_ticks("7 (a"), None);
    }

    #[test]
    fn interrupts_are_not_busy_time() {
        let stat = "cpu  100 20 30 5000 60 7 8 9 0 0\ncpu0 1 2 3 4 5 6 7 8 0 0\n";
        assert_eq!(busy_ticks(stat), Some(150));
    }

    #[test]
    fn only_sockets_that_listen_on_the_port_count() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
            0: 0100007F:33FA 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 111 1 0\n\
            1: 0100007F:33FA 0100007F:D431 01 00000000:00000000 00:00000000 00000000     0        0 222 1 0\n\
            2: 0100007F:33FB 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 333 1 0\n";
        assert_eq!(listening_inodes(table, 13306), ["111"]);
    }

    #[test]
    fn this_process_is_found_by_its_port_and_uses_memory() {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let port = socket.local_addr().expect("it is bound").port();
        assert_eq!(listener(port, "this test").expect("it listens"), std::process::id());
        assert!(memory_high(std::process::id()).expect("it runs") > 1 << 20);
    }
}
