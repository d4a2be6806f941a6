//! Parallel work on many files, with the results in the order of the files. Ctrl-C ends it at any
//! moment without losing finished results.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender, TryRecvError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use crate::interrupt::on_interrupt;
use crate::progress::Progress;
use crate::walk::{self, Item};

/// The files of a run.
pub(crate) struct Plan {
    /// Files and folders.
    pub(crate) paths: Vec<PathBuf>,
    /// Number of threads; 0 for one per processor.
    pub(crate) threads: usize,
    /// Counts each file found.
    pub(crate) progress: Progress,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// All files were processed.
    Complete,
    /// Ctrl-C ended it.
    Interrupted,
}

/// Receives the results, in the order of the files.
pub(crate) trait Sink<T> {
    /// Receives a result.
    ///
    /// # Errors
    /// If it can't be written; the run ends.
    fn take(&mut self, item: &Item, result: T) -> io::Result<()>;

    /// Called when no result is waiting: flushes buffered output.
    ///
    /// # Errors
    /// If it can't be written; the run ends.
    fn idle(&mut self) -> io::Result<()>;
}

enum Event<T> {
    Done(u64, Item, T),
    WorkerLeft,
    Interrupted,
}

/// Runs `work` on each file, several in parallel. Ctrl-C ends the run without waiting for files
/// that are being read, but passes on the finished results; a second Ctrl-C ends the program.
///
/// # Errors
/// If the sink can't write.
pub(crate) fn run<T: Send + 'static>(
    plan: Plan,
    work: impl Fn(&Item) -> T + Send + Sync + 'static,
    sink: &mut dyn Sink<T>,
) -> io::Result<End> {
    let (events, results) = mpsc::channel();
    let stop = Arc::new(AtomicBool::new(false));
    let interrupted = events.clone();
    on_interrupt(move || {
        let _ = interrupted.send(Event::Interrupted);
    });

    let (jobs, waiting) = mpsc::channel();
    let waiting = Arc::new(Mutex::new(waiting));
    let work = Arc::new(work);
    let threads = match plan.threads {
        0 => thread::available_parallelism().map_or(1, usize::from),
        threads => threads,
    };
    for _ in 0..threads {
        let worker = Worker {
            waiting: Arc::clone(&waiting),
            leave: Leave(events.clone()),
            stop: Arc::clone(&stop),
        };
        let work = Arc::clone(&work);
        thread::spawn(move || worker.run(&*work));
    }
    let stopped = Arc::clone(&stop);
    thread::spawn(move || {
        let mut index = 0_u64;
        walk::each(&plan.paths, |item| {
            plan.progress.found(&item.path);
            let sent = jobs.send((index, item)).is_ok();
            index += 1;
            sent && !stopped.load(Ordering::Relaxed)
        });
    });

    let end = collect(&results, threads, sink);
    stop.store(true, Ordering::Relaxed);
    end
}

/// Passes the results on in order. A slow one delays those after it.
fn collect<T>(
    results: &Receiver<Event<T>>,
    workers: usize,
    sink: &mut dyn Sink<T>,
) -> io::Result<End> {
    let mut early = BTreeMap::new();
    let (mut next, mut left) = (0, 0);
    let mut interrupted = false;
    loop {
        let event = match results.try_recv() {
            Ok(event) => event,
            Err(_) if interrupted => break,
            Err(TryRecvError::Empty) => {
                sink.idle()?;
                match results.recv() {
                    Ok(event) => event,
                    Err(_) => break,
                }
            }
            Err(TryRecvError::Disconnected) => break,
        };
        match event {
            Event::Done(index, item, result) => {
                early.insert(index, (item, result));
                while let Some((item, result)) = early.remove(&next) {
                    sink.take(&item, result)?;
                    next += 1;
                }
            }
            Event::WorkerLeft => left += 1,
            Event::Interrupted => interrupted = true,
        }
        if left == workers {
            break;
        }
    }
    // Pass on results after a gap left by an unfinished file.
    for (item, result) in early.into_values() {
        sink.take(&item, result)?;
    }
    sink.idle()?;
    Ok(if interrupted {
        End::Interrupted
    } else {
        End::Complete
    })
}

/// Reports the end of a worker, also after a panic.
struct Leave<T>(Sender<Event<T>>);

impl<T> Drop for Leave<T> {
    fn drop(&mut self) {
        let _ = self.0.send(Event::WorkerLeft);
    }
}

struct Worker<T> {
    waiting: Arc<Mutex<Receiver<(u64, Item)>>>,
    leave: Leave<T>,
    stop: Arc<AtomicBool>,
}

impl<T> Worker<T> {
    fn run(self, work: &impl Fn(&Item) -> T) {
        while !self.stop.load(Ordering::Relaxed)
            && let Some((index, item)) = self.next()
        {
            let result = work(&item);
            if self.leave.0.send(Event::Done(index, item, result)).is_err() {
                return;
            }
        }
    }

    fn next(&self) -> Option<(u64, Item)> {
        self.waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .recv()
            .ok()
    }
}
