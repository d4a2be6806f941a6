//! Two runs at once on one disk, in every order of their steps.
//!
//! Each run has a thread of its own, and takes a step when it is its turn: who
//! comes to a step when the other waits too, or is done, says whose. What
//! a run does next follows from what its steps have given so far, so two orders
//! that have led to the same disk, and given both runs the same, go on in the
//! same way: only one of them is followed. That way all orders can be covered:
//! they are in the nightly run, and a fixed sample of them in every other.

use std::collections::HashSet;
use std::env;
use std::ffi::OsString;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, MutexGuard};
use std::thread;

use tcplimit::patch::disk::{Disk, Lock};
use tcplimit::patch::mount::Shortcoming;

use super::Brittle;

/// What happens next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Choice {
    /// This run takes a step.
    Step(usize),
    /// The first run is killed.
    Kill,
}

/// How a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Stand {
    Thinking,
    Waiting,
    Killed,
    Done,
}

/// Where the order could have been another.
#[derive(Debug)]
struct Point {
    /// Disk and runs, in a number.
    state: u64,
    choice: Choice,
    others: Vec<Choice>,
}

#[derive(Debug)]
struct State {
    disk: Brittle,
    stands: [Stand; 2],
    /// All that each run's steps have given, in a number.
    given: [u64; 2],
    turn: Option<usize>,
    /// The order to follow; behind it the first run comes before the second.
    beginning: Vec<Choice>,
    points: Vec<Point>,
    /// Whether the first run may still be killed.
    may_kill: bool,
}

impl State {
    /// Says whose turn it is, once no run is between two steps.
    fn decide(&mut self) {
        let settled = |stand: &Stand| matches!(stand, Stand::Waiting | Stand::Done);
        if self.turn.is_some() || !self.stands.iter().all(settled) {
            return;
        }
        let mut others: Vec<Choice> = (0..2)
            .filter(|&run| self.stands[run] == Stand::Waiting)
            .map(Choice::Step)
            .collect();
        let Some(&first) = others.first() else {
            return;
        };
        if self.may_kill && self.stands[0] == Stand::Waiting {
            others.push(Choice::Kill);
        }
        let choice = *self.beginning.get(self.points.len()).unwrap_or(&first);
        others.retain(|other| *other != choice);
        let mut hasher = DefaultHasher::new();
        let disk = self.disk.fingerprint();
        (disk, self.stands, self.given, self.may_kill).hash(&mut hasher);
        self.points.push(Point {
            state: hasher.finish(),
            choice,
            others,
        });
        match choice {
            Choice::Step(run) => self.turn = Some(run),
            Choice::Kill => {
                self.may_kill = false;
                self.disk.end_run(0);
                self.stands[0] = Stand::Killed;
            }
        }
    }
}

#[derive(Debug)]
struct Table {
    state: Mutex<State>,
    changed: Condvar,
}

impl Table {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no run panics in a step")
    }

    /// A run comes to a step, or is done. Whoever was killed takes no more.
    fn set(&self, run: usize, stand: Stand) -> MutexGuard<'_, State> {
        let mut state = self.lock();
        if stand == Stand::Done {
            state.disk.end_run(run);
        }
        if stand == Stand::Done || state.stands[run] != Stand::Killed {
            state.stands[run] = stand;
        }
        state.decide();
        // The other run is woken for its turn only: that takes longer than a step.
        if state.turn != Some(run) {
            self.changed.notify_all();
        }
        state
    }
}

/// The disk as one of the two runs has it.
#[derive(Debug)]
pub struct Seat<'t> {
    table: &'t Table,
    run: usize,
}

impl Seat<'_> {
    /// Waits for this run's turn, and takes a step.
    fn step<T: Hash>(&self, step: impl FnOnce(&Brittle) -> io::Result<T>) -> io::Result<T> {
        let mut state = self.table.set(self.run, Stand::Waiting);
        while state.turn != Some(self.run) && state.stands[self.run] != Stand::Killed {
            state = self.table.changed.wait(state).expect("no run panics");
        }
        if state.stands[self.run] == Stand::Killed {
            return Err(io::Error::other("the run was killed"));
        }
        state.disk.run.set(self.run);
        let result = step(&state.disk);
        let mut hasher = DefaultHasher::new();
        let given = result.as_ref().map_err(io::Error::kind);
        (state.given[self.run], given).hash(&mut hasher);
        state.given[self.run] = hasher.finish();
        state.stands[self.run] = Stand::Thinking;
        state.turn = None;
        result
    }
}

impl Disk for Seat<'_> {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.step(|disk| disk.read(path))
    }

    fn names(&self, folder: &Path) -> io::Result<Vec<OsString>> {
        self.step(|disk| disk.names(folder))
    }

    fn links(&self, path: &Path) -> io::Result<u64> {
        self.step(|disk| disk.links(path))
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        self.step(|disk| disk.exists(path))
    }

    fn real(&self, path: &Path) -> io::Result<PathBuf> {
        Ok(path.to_owned())
    }

    fn may_write(&self, folder: &Path) -> io::Result<()> {
        self.table.lock().disk.may_write(folder)
    }

    fn create(&self, path: &Path, content: &[u8]) -> io::Result<()> {
        self.step(|disk| disk.create(path, content))
    }

    fn sync(&self, path: &Path) -> io::Result<()> {
        self.step(|disk| disk.sync(path))
    }

    fn keep(&self, from: &Path, to: &Path, all: bool) -> io::Result<()> {
        self.step(|disk| disk.keep(from, to, all))
    }

    fn touch(&self, path: &Path) -> io::Result<()> {
        self.step(|disk| disk.touch(path))
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step(|disk| disk.link(from, to))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step(|disk| disk.rename(from, to))
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        self.step(|disk| disk.sync_folder(folder))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.step(|disk| disk.remove(path))
    }

    fn lock(&self, path: &Path) -> io::Result<Lock> {
        self.step(|disk| disk.lock(path))
    }

    fn unlock(&self, path: &Path, remove: bool) -> io::Result<()> {
        self.step(|disk| disk.unlock(path, remove))
    }

    fn pause(&self, times: u32) -> bool {
        self.step(|disk| Ok(disk.pause(times))).unwrap_or(false)
    }

    fn note(&self, shortcoming: Shortcoming) {
        self.table.lock().disk.note(shortcoming);
    }
}

/// What a run does, and what is known of it then.
pub type Run<'r, R> = &'r (dyn Fn(&Seat<'_>) -> R + Sync);

/// Where this variable is set all orders are followed.
const ALL: &str = "TCPLIMIT_EVERY_ORDER";
/// Otherwise so many at most.
const SAMPLE: u32 = 1000;

/// Two runs in the orders of their steps, and with `kill` also with the first
/// killed before any of its steps. `check` gets the disk in the end and what
/// each run returned. Returns how often it was called.
pub fn every_order<R: Send>(
    disk: &Brittle,
    kill: bool,
    runs: [Run<'_, R>; 2],
    mut check: impl FnMut(&Brittle, [R; 2]),
) -> u32 {
    let mut seen = HashSet::new();
    let mut ahead = vec![Vec::new()];
    let mut executions = 0;
    let most = match env::var_os(ALL) {
        Some(_) => u32::MAX,
        None => SAMPLE,
    };
    while !ahead.is_empty() && executions < most {
        // From all over those that are known, not the nearest: a sample is of all.
        let place = executions.wrapping_mul(0x9E37_79B1) as usize % ahead.len();
        let beginning = ahead.swap_remove(place);
        let (end, results, points) = execute(disk, kill, runs, &beginning);
        executions += 1;
        check(&end, results);
        let mut taken: Vec<Choice> = Vec::new();
        for (index, point) in points.into_iter().enumerate() {
            if index >= beginning.len() && seen.insert(point.state) {
                for other in point.others {
                    ahead.push([taken.as_slice(), &[other]].concat());
                }
            }
            taken.push(point.choice);
        }
    }
    executions
}

/// Both runs, in the order of `beginning`, and then the first before the second.
fn execute<R: Send>(
    disk: &Brittle,
    kill: bool,
    runs: [Run<'_, R>; 2],
    beginning: &[Choice],
) -> (Brittle, [R; 2], Vec<Point>) {
    let table = Table {
        state: Mutex::new(State {
            disk: disk.clone(),
            stands: [Stand::Thinking; 2],
            given: [0; 2],
            turn: None,
            beginning: beginning.to_vec(),
            points: Vec::new(),
            may_kill: kill,
        }),
        changed: Condvar::new(),
    };
    let take = |run: usize| {
        let table = &table;
        let result = runs[run](&Seat { table, run });
        drop(table.set(run, Stand::Done));
        result
    };
    let results = thread::scope(|scope| {
        let second = scope.spawn(|| take(1));
        [take(0), second.join().expect("a run")]
    });
    let state = table.state.into_inner().expect("no run panics");
    (state.disk, results, state.points)
}
