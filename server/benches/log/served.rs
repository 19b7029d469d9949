//! The server that is measured: this program started again, told by its standard input what to emit.

use std::io::BufRead as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use stepcast::config::Config;
use stepcast::log::{Budget, NewExecution};
use stepcast::step::StepRegistry;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::net::TcpListener;
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::recorded::{ID, end, event};

/// Set for the process that serves: its data directory.
pub(crate) const DATA_DIR: &str = "STEPCAST_BENCH_DATA_DIR";

/// A server process, seen from outside.
pub(crate) struct Served {
    child: Child,
    say: ChildStdin,
    told: Lines<BufReader<ChildStdout>>,
    pub(crate) address: String,
}

impl Served {
    pub(crate) async fn start(data_dir: &Path) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .env(DATA_DIR, data_dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let say = child.stdin.take().unwrap();
        let mut told = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = told.next_line().await.unwrap().unwrap();
        Self {
            child,
            say,
            told,
            address,
        }
    }

    /// Makes it emit so many events, each with a text of so many bytes, one every so many microseconds.
    pub(crate) async fn emit(&mut self, count: usize, bytes: usize, every_us: u64) {
        let line = format!("{count} {bytes} {every_us}\n");
        self.say.write_all(line.as_bytes()).await.unwrap();
    }

    /// Waits until what was asked for last is done.
    pub(crate) async fn done(&mut self) {
        assert_eq!(self.told.next_line().await.unwrap().unwrap(), "done");
    }

    /// Makes it end the execution.
    pub(crate) async fn end(&mut self) {
        self.say.write_all(b"end\n").await.unwrap();
        self.done().await;
    }

    /// Resident memory, in MiB.
    pub(crate) fn memory(&self) -> f64 {
        memory(self.child.id().unwrap())
    }

    /// The highest resident memory, in MiB, while this goes on; and what it gives.
    pub(crate) async fn peak<T>(&self, work: impl Future<Output = T>) -> (f64, T) {
        let pid = self.child.id().unwrap();
        let mut peak = memory(pid);
        let mut ticks = tokio::time::interval(Duration::from_millis(10));
        tokio::pin!(work);
        loop {
            tokio::select! {
                result = &mut work => return (peak.max(memory(pid)), result),
                _ = ticks.tick() => peak = peak.max(memory(pid)),
            }
        }
    }

    pub(crate) async fn stop(mut self) {
        self.child.kill().await.unwrap();
    }
}

/// Resident memory of a process, in MiB, from `/proc`; not a number elsewhere.
fn memory(pid: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|rest| rest.trim().trim_end_matches(" kB").parse::<f64>().ok());
    kib.map_or(f64::NAN, |kib| kib / 1024.0)
}

/// The process that serves.
pub(crate) async fn serve(data_dir: PathBuf) {
    let config = Config {
        listen: ([127, 0, 0, 1], 0).into(),
        data_dir,
        // Who stalls here stays: what is measured is that it costs nothing until it is cut.
        write_deadline_ms: 3_600_000,
        ..Config::default()
    };
    let listener = TcpListener::bind(config.listen).await.unwrap();
    println!("{}", listener.local_addr().unwrap());
    let executions = stepcast::open(config, StepRegistry::builtin())
        .await
        .unwrap();
    let new = NewExecution::named(ID.parse().unwrap(), "bench", 0);
    let stream = match executions.log().open(&new.id).unwrap() {
        Some(stream) => stream,
        None => executions.log().create(&new, Budget::default()).unwrap(),
    };
    let (sender, mut orders) = tokio::sync::mpsc::channel(8);
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines() {
            if sender.blocking_send(line.unwrap()).is_err() {
                return;
            }
        }
    });
    let emitting = async move {
        while let Some(order) = orders.recv().await {
            let numbers: Vec<u64> = order.split(' ').filter_map(|n| n.parse().ok()).collect();
            let last = if let [count, bytes, every_us] = numbers[..] {
                let every = Duration::from_micros(every_us.max(1));
                let mut ticks = tokio::time::interval(every);
                let mut last = 0;
                for _ in 0..count {
                    if every_us > 0 {
                        ticks.tick().await;
                    }
                    let draft = event(now_us(), usize::try_from(bytes).unwrap());
                    last = stream.append(&draft).await.unwrap();
                }
                last
            } else {
                stream.append(&end()).await.unwrap()
            };
            stream.settled(last).await.unwrap();
            println!("done");
        }
    };
    tokio::select! {
        served = stepcast::serve(listener, executions, std::future::pending()) => served.unwrap(),
        () = emitting => {}
    }
}

/// Microseconds since 1970: a clock that both processes share.
pub(crate) fn now_us() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    u64::try_from(since.as_micros()).unwrap()
}
