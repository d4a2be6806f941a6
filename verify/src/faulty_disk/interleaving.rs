//! Two concurrent runs on one disk, in every order of their steps.
//!
//! A run is deterministic: the same results of its steps lead to the same next
//! step. So no threads are needed: a run is called with the results of its
//! steps so far, and the next step that it requests becomes a node of a tree. A
//! state is the disk and a node of each run; from each state either run takes
//! its step, and known states are not explored again. That reaches all states,
//! and so the outcome of all orders.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::thread;

use tcplimit::patch::filesystem::{FileSystem, LockOutcome};
use tcplimit::patch::mount::MountWarning;

use super::FaultyDisk;

/// The number of times a run may create the same file. Two runs can take each
/// other's new lock file for a stale one forever; beyond this limit the steps
/// repeat.
const CREATIONS: usize = 3;

/// The error of every step of a run that was killed.
pub const KILLED: &str = "the run was killed";

/// A step on the disk.
type Action = Rc<dyn Fn(&FaultyDisk) -> StepResult>;

/// The step that a run takes next.
#[derive(Clone)]
struct PendingCall {
    call: &'static str,
    path: PathBuf,
    action: Action,
}

/// The result of a step.
#[derive(Clone)]
struct StepResult {
    value: Result<Rc<dyn Any>, (io::ErrorKind, Option<i32>)>,
    digest: u64,
}

impl StepResult {
    fn new<T: Hash + 'static>(result: io::Result<T>) -> StepResult {
        let mut hasher = DefaultHasher::new();
        result.as_ref().map_err(io::Error::kind).hash(&mut hasher);
        let value: io::Result<Rc<dyn Any>> = result.map(|value| Rc::new(value) as _);
        StepResult {
            value: value.map_err(|error| (error.kind(), error.raw_os_error())),
            digest: hasher.finish(),
        }
    }

    fn get<T: Clone + 'static>(&self) -> io::Result<T> {
        match &self.value {
            Ok(value) => Ok(value
                .downcast_ref::<T>()
                .expect("a run is deterministic")
                .clone()),
            Err((_, Some(number))) => Err(io::Error::from_raw_os_error(*number)),
            Err((kind, None)) => Err((*kind).into()),
        }
    }
}

/// The disk as one of the two runs accesses it.
pub struct RunDisk<'n> {
    /// The results of its steps.
    results: &'n [StepResult],
    calls: RefCell<Calls>,
    splits_renames: Cell<bool>,
}

#[derive(Default)]
struct Calls {
    /// The number of its steps that were taken.
    taken: usize,
    /// The first step that was not.
    next: Option<PendingCall>,
    /// Warnings since the last step.
    notes: Vec<MountWarning>,
}

impl fmt::Debug for RunDisk<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RunDisk({} steps)", self.results.len())
    }
}

impl RunDisk<'_> {
    /// From now on a rename first removes the file that it replaces, in a step of its
    /// own, as on NTFS-3G.
    pub fn split_renames(&self) {
        self.splits_renames.set(true);
    }

    /// Returns the known result of a step. At the first step without one the
    /// run ends as if killed: nothing after that counts.
    fn step<T: Hash + Clone + 'static>(
        &self,
        call: &'static str,
        path: &Path,
        step: impl Fn(&FaultyDisk) -> io::Result<T> + 'static,
    ) -> io::Result<T> {
        let mut calls = self.calls.borrow_mut();
        if let Some(result) = self.results.get(calls.taken) {
            calls.taken += 1;
            return result.get();
        }
        calls.next.get_or_insert_with(|| PendingCall {
            call,
            path: path.to_owned(),
            action: Rc::new(move |disk| StepResult::new(step(disk))),
        });
        Err(io::Error::other(KILLED))
    }
}

impl FileSystem for RunDisk<'_> {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let at = path.to_owned();
        self.step("read", path, move |disk| disk.read(&at))
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<OsString>> {
        let at = folder.to_owned();
        self.step("list", folder, move |disk| disk.list(&at))
    }

    fn link_count(&self, path: &Path) -> io::Result<u64> {
        let at = path.to_owned();
        self.step("link_count", path, move |disk| disk.link_count(&at))
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        let at = path.to_owned();
        self.step("exists", path, move |disk| disk.exists(&at))
    }

    fn canonicalize(&self, path: &Path) -> io::Result<PathBuf> {
        Ok(path.to_owned())
    }

    fn check_writable(&self, folder: &Path) -> io::Result<()> {
        let at = folder.to_owned();
        self.step("check_writable", folder, move |disk| {
            disk.check_writable(&at)
        })
    }

    fn create(&self, path: &Path, content: &[u8]) -> io::Result<()> {
        let (at, content) = (path.to_owned(), content.to_owned());
        self.step("create", path, move |disk| disk.create(&at, &content))
    }

    fn sync(&self, path: &Path) -> io::Result<()> {
        let at = path.to_owned();
        self.step("sync", path, move |disk| disk.sync(&at))
    }

    fn copy_metadata(&self, from: &Path, to: &Path, all: bool) -> io::Result<()> {
        let (from, at) = (from.to_owned(), to.to_owned());
        self.step("copy_metadata", to, move |disk| {
            disk.copy_metadata(&from, &at, all)
        })
    }

    fn touch(&self, path: &Path) -> io::Result<()> {
        let at = path.to_owned();
        self.step("touch", path, move |disk| disk.touch(&at))
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        let (from, at) = (from.to_owned(), to.to_owned());
        self.step("link", to, move |disk| disk.link(&from, &at))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let (from, at) = (from.to_owned(), to.to_owned());
        if self.splits_renames.get() && self.exists(to)? {
            self.remove(to)?;
        }
        self.step("rename", to, move |disk| disk.rename(&from, &at))
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        let at = folder.to_owned();
        self.step("sync_folder", folder, move |disk| disk.sync_folder(&at))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let at = path.to_owned();
        self.step("remove", path, move |disk| disk.remove(&at))
    }

    fn lock(&self, path: &Path) -> io::Result<LockOutcome> {
        let at = path.to_owned();
        self.step("lock", path, move |disk| disk.lock(&at))
    }

    fn unlock(&self, path: &Path, remove: bool) -> io::Result<()> {
        let at = path.to_owned();
        self.step("unlock", path, move |disk| disk.unlock(&at, remove))
    }

    fn pause(&self, times: u32) -> bool {
        let nowhere = Path::new("");
        let pause = self.step("pause", nowhere, move |disk| Ok(disk.pause(times)));
        pause.unwrap_or(false)
    }

    fn warn(&self, warning: MountWarning) {
        let mut calls = self.calls.borrow_mut();
        // A warning before its last step is already on the disk.
        if calls.taken == self.results.len() && calls.next.is_none() {
            calls.notes.push(warning);
        }
    }
}

/// A run.
pub type Run<'r, R> = &'r dyn Fn(&RunDisk<'_>) -> R;

/// The state of a run after these results of its steps.
struct Node<R> {
    results: Vec<StepResult>,
    notes: Vec<MountWarning>,
    /// The next step; `None` if the run is done.
    next: Option<PendingCall>,
    /// The run's return value if it is done or killed here.
    result: R,
    created: Vec<PathBuf>,
}

/// The explored states of a run.
struct Tree<'r, R> {
    run: Run<'r, R>,
    nodes: Vec<Node<R>>,
    children: HashMap<(usize, u64), usize>,
}

impl<'r, R> Tree<'r, R> {
    fn new(run: Run<'r, R>) -> Tree<'r, R> {
        let mut tree = Tree {
            run,
            nodes: Vec::new(),
            children: HashMap::new(),
        };
        tree.add(Vec::new(), Vec::new());
        tree
    }

    fn add(&mut self, results: Vec<StepResult>, created: Vec<PathBuf>) -> usize {
        let disk = RunDisk {
            results: &results,
            calls: RefCell::default(),
            splits_renames: Cell::default(),
        };
        let result = (self.run)(&disk);
        let Calls { next, notes, taken } = disk.calls.into_inner();
        assert_eq!(taken, results.len(), "a run is deterministic");
        self.nodes.push(Node {
            results,
            notes,
            next,
            result,
            created,
        });
        self.nodes.len() - 1
    }

    /// The node that follows this one if its next step has this result.
    fn child(&mut self, node: usize, result: &StepResult) -> usize {
        if let Some(&child) = self.children.get(&(node, result.digest)) {
            return child;
        }
        let parent = &self.nodes[node];
        let mut created = parent.created.clone();
        if let Some(step) = &parent.next
            && step.call == "create"
        {
            created.push(step.path.clone());
        }
        let results = [parent.results.as_slice(), std::slice::from_ref(result)].concat();
        let child = self.add(results, created);
        self.children.insert((node, result.digest), child);
        child
    }
}

/// The state of the disk and of both runs.
#[derive(Clone)]
struct State {
    disk: FaultyDisk,
    /// The node of each run.
    nodes: [usize; 2],
    killed: bool,
    order: Option<Rc<Order>>,
}

/// The steps that led to a state, printed if a check fails there.
struct Order {
    before: Option<Rc<Order>>,
    run: usize,
    step: String,
}

impl State {
    fn digest(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        let disk = self.disk.fingerprint();
        (disk, self.nodes, self.killed).hash(&mut hasher);
        hasher.finish()
    }

    /// After one more step.
    fn after_step(&self, run: usize, step: String) -> State {
        let mut next = self.clone();
        let before = self.order.clone();
        next.order = Some(Rc::new(Order { before, run, step }));
        next
    }

    /// Applies the warnings and the end of a run that reached a node.
    fn arrive<R>(&self, run: usize, node: &Node<R>) {
        for &note in &node.notes {
            self.disk.warn(note);
        }
        if node.next.is_none() {
            self.disk.end_run(run);
        }
    }
}

/// Prints the order of steps if the check of a state fails.
struct OrderOnPanic<'s>(&'s State);

impl Drop for OrderOnPanic<'_> {
    fn drop(&mut self) {
        if !thread::panicking() {
            return;
        }
        let mut steps = Vec::new();
        let mut order = self.0.order.as_ref();
        while let Some(last) = order {
            steps.push(format!("run {}: {}", last.run, last.step));
            order = last.before.as_ref();
        }
        steps.reverse();
        eprintln!("in this order:\n{}", steps.join("\n"));
    }
}

/// The extent of an exploration.
#[derive(Clone, Copy, Debug)]
pub struct Explored {
    /// States of disk and runs.
    pub states: usize,
    /// States in which both runs are done or killed.
    pub ends: usize,
}

/// Explores two runs in all orders of their steps, and with `kill` also with
/// the first killed before any of its steps. `check` gets the final disk and
/// the result of each run.
pub fn every_order<R>(
    disk: &FaultyDisk,
    kill: bool,
    runs: [Run<'_, R>; 2],
    mut check: impl FnMut(&FaultyDisk, [&R; 2]),
) -> Explored {
    let mut trees = runs.map(Tree::new);
    let mut seen = HashSet::new();
    let mut ends = 0;
    let first = State {
        disk: disk.clone(),
        nodes: [0, 0],
        killed: false,
        order: None,
    };
    for (run, tree) in trees.iter().enumerate() {
        first.arrive(run, &tree.nodes[0]);
    }
    let mut queue = vec![first];
    while let Some(state) = queue.pop() {
        if !seen.insert(state.digest()) {
            continue;
        }
        let at = [0, 1].map(|run: usize| &trees[run].nodes[state.nodes[run]]);
        let steps = at.map(|node| node.next.is_some());
        let goes_on = [steps[0] && !state.killed, steps[1]];
        if goes_on == [false; 2] {
            let _order = OrderOnPanic(&state);
            check(&state.disk, at.map(|node| &node.result));
            ends += 1;
            continue;
        }
        if kill && goes_on[0] {
            let mut next = state.after_step(0, "killed".to_owned());
            next.killed = true;
            next.disk.end_run(0);
            queue.push(next);
        }
        for run in [0, 1].into_iter().filter(|&run| goes_on[run]) {
            let node = &trees[run].nodes[state.nodes[run]];
            let step = node.next.clone().expect("it may step");
            let created = node.created.iter().filter(|path| **path == step.path);
            if step.call == "create" && created.count() == CREATIONS {
                continue;
            }
            let mut next = state.after_step(run, format!("{} {}", step.call, step.path.display()));
            next.disk.run.set(run);
            let result = (step.action)(&next.disk);
            next.nodes[run] = trees[run].child(state.nodes[run], &result);
            next.arrive(run, &trees[run].nodes[next.nodes[run]]);
            queue.push(next);
        }
    }
    Explored {
        states: seen.len(),
        ends,
    }
}
