//! `watch`: samples as they change.

use alloc::collections::VecDeque;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use scanner_core::Module;
use serde::Serialize;
use tcplimit_protocol::Answer;
use tcplimit_report::{Exit, SCHEMA};

use crate::arguments::Arguments;
use crate::chart;
use crate::console::{Console, NoFields};
use crate::driver_client;
use crate::event_log::{self, LimitEvent, LogPosition};
use crate::failure::Failure;
use crate::language::Text;
use crate::os::{Os, Stream, Tcp};
use crate::time;
use crate::who::{self, ConnectionOwner};

/// Maximum number of samples in the chart.
const HISTORY: usize = 60;
/// Minimum width of the chart, even on a narrower console.
const MIN_WIDTH: usize = 40;

/// Number of processes shown.
const SHOWN_PROCESSES: usize = 3;
/// Seconds that "per minute" covers.
const MINUTE: u32 = 60;

/// One sample.
struct Sample {
    /// Seconds since 1970.
    time: u32,
    answer: Answer,
    /// Counters of the TCP stack, if available.
    tcp: Option<Tcp>,
    /// Event 4226 in the last minute and since the last sample, if the log is readable.
    events: Option<Vec<LimitEvent>>,
    /// The processes with the most half-open connections, as far as the system lists them.
    who: Vec<ConnectionOwner>,
}

/// A sample as a line of JSON.
#[derive(Serialize)]
struct JsonSample<'a> {
    schema: u32,
    verb: &'static str,
    time: u32,
    limit: u32,
    half_open: u32,
    queued: u32,
    peak: u32,
    attempts: Option<u32>,
    failures: Option<u32>,
    established: Option<u32>,
    success_percent: Option<u32>,
    events_4226_last_minute: Option<usize>,
    who: Vec<JsonProcess<'a>>,
}

/// A process with half-open connections.
#[derive(Serialize)]
struct JsonProcess<'a> {
    pid: Option<u32>,
    name: Option<&'a str>,
    connections: usize,
}

impl Sample {
    /// Takes a sample; the last one was at `before`.
    fn take(os: &dyn Os, before: u32) -> Result<Sample, Failure> {
        let answer = driver_client::query(os, Module::Tcpip)?;
        if let Some(refusal) = driver_client::refusal(Module::Tcpip, &answer) {
            return Err(refusal);
        }
        let time = os.now();
        let events = event_log::limit_events_since(os, before.min(time.saturating_sub(MINUTE)));
        Ok(Sample {
            time,
            answer,
            tcp: os.tcp().ok(),
            events: events.ok(),
            who: {
                let mut who = who::owners(os, false).unwrap_or_default();
                who.truncate(SHOWN_PROCESSES);
                who
            },
        })
    }

    /// The percentage of attempts that did not fail; none without attempts.
    fn success_percent(&self) -> Option<u32> {
        let Tcp {
            attempts, failures, ..
        } = self.tcp?;
        let good = u64::from(attempts.saturating_sub(failures));
        let percent = good.checked_mul(100)?.checked_div(attempts.into())?;
        u32::try_from(percent).ok()
    }

    /// Event 4226 in the last minute.
    fn events_last_minute(&self) -> Option<usize> {
        let since = self.time.saturating_sub(MINUTE);
        let events = self.events.as_ref()?.iter();
        Some(events.filter(|event| event.at >= since).count())
    }

    fn json(&self) -> JsonSample<'_> {
        JsonSample {
            schema: SCHEMA,
            verb: "watch",
            time: self.time,
            limit: self.answer.limit.get(),
            half_open: self.answer.half_open.get(),
            queued: self.answer.queued.get(),
            peak: self.answer.peak.get(),
            attempts: self.tcp.map(|tcp| tcp.attempts),
            failures: self.tcp.map(|tcp| tcp.failures),
            established: self.tcp.map(|tcp| tcp.established),
            success_percent: self.success_percent(),
            events_4226_last_minute: self.events_last_minute(),
            who: self
                .who
                .iter()
                .map(|owner| JsonProcess {
                    pid: owner.pid,
                    name: owner.name.as_deref(),
                    connections: owner.connections,
                })
                .collect(),
        }
    }

    /// The three rows of the screen, as names and values.
    fn rows(&self) -> [Vec<(Text, String)>; 3] {
        let unknown = || "?".to_string();
        let tcp = |of: fn(&Tcp) -> u32| {
            let tcp = self.tcp.as_ref();
            tcp.map_or_else(unknown, |tcp| of(tcp).to_string())
        };
        let percent = |percent: u32| format!("{percent}%");
        [
            Vec::from([
                (Text::new("limit"), self.answer.limit.to_string()),
                (Text::new("half-open"), self.answer.half_open.to_string()),
                (Text::new("queued"), self.answer.queued.to_string()),
                (Text::new("peak"), self.answer.peak.to_string()),
            ]),
            Vec::from([
                (Text::new("attempts"), tcp(|tcp| tcp.attempts)),
                (Text::new("failed"), tcp(|tcp| tcp.failures)),
                (Text::new("connected"), tcp(|tcp| tcp.established)),
                (
                    Text::new("success"),
                    self.success_percent().map_or_else(unknown, percent),
                ),
            ]),
            Vec::from([(
                Text::new("4226/min"),
                self.events_last_minute()
                    .map_or_else(unknown, |events| events.to_string()),
            )]),
        ]
    }

    /// One line for a redirected output, in English because programs may read it.
    fn line(&self) -> String {
        let mut line = time::clock(self.time);
        for (name, value) in self.rows().iter().flatten() {
            line += &format!(" {} {value}", name.english());
        }
        if !self.who.is_empty() {
            line += &format!(" who {}", self.who());
        }
        line
    }

    /// `ares.exe (1234) 10, svchost.exe (900) 1`.
    fn who(&self) -> String {
        let each =
            |owner: &ConnectionOwner| format!("{} {}", owner.display_name(), owner.connections);
        let who: Vec<String> = self.who.iter().map(each).collect();
        who.join(", ")
    }

    /// The sample as text for the log, in English too.
    fn log_text(&self) -> String {
        let Answer {
            limit,
            half_open,
            queued,
            ..
        } = self.answer;
        let who = match self.who.is_empty() {
            true => "nobody".to_string(),
            false => self.who(),
        };
        let clock = time::clock(self.time);
        format!("at {clock} limit {limit} half-open {half_open} queued {queued} who {who}")
    }
}

/// The file of `--log`.
struct Log<'a> {
    os: &'a dyn Os,
    path: &'a str,
    /// The text of the last sample, and the position in the event log then.
    last: Option<(String, LogPosition)>,
}

impl<'a> Log<'a> {
    /// Checks that the file is writable before anything else happens.
    fn open(os: &'a dyn Os, path: &'a str) -> Result<Log<'a>, Failure> {
        let log = Log {
            os,
            path,
            last: None,
        };
        let now = time::date(os.now());
        log.add(&format!("{now} tcplimit watch begins"))?;
        Ok(log)
    }

    fn add(&self, line: &str) -> Result<(), Failure> {
        let bytes = format!("{line}\r\n").into_bytes();
        self.os
            .append(self.path, &bytes)
            .map_err(|error| Failure::file(phrase!("write"), self.path, error))
    }

    /// Appends a line for each event since the last sample, with that sample's text: the
    /// connections are gone by now.
    fn log_events(&mut self, sample: &Sample) -> Result<(), Failure> {
        let events = sample.events.as_deref().unwrap_or_default();
        let mut newest = LogPosition::default();
        if let Some((text, last)) = &self.last {
            newest = *last;
            for event in last.unseen(events) {
                self.add(&format!("{} event 4226; {text}", time::date(event.at)))?;
            }
        }
        self.last = Some((sample.log_text(), newest.after(sample.time, events)));
        Ok(())
    }
}

/// Shows samples until Ctrl-C, or until the output is closed.
pub(crate) fn run(os: &dyn Os, console: &Console<'_>, arguments: &Arguments) -> Exit {
    let seconds = arguments.interval;
    let mut log = match arguments.log.as_deref().map(|path| Log::open(os, path)) {
        None => None,
        Some(Ok(log)) => Some(log),
        Some(Err(failure)) => return console.finish(Some(&failure), NoFields {}),
    };
    os.catch_interrupt();
    let columns = os.columns(Stream::Out).filter(|_| !console.json);
    let mut history = VecDeque::new();
    let mut drawn = 0;
    let mut before = os.now();
    loop {
        let sample = match Sample::take(os, before) {
            Ok(sample) => sample,
            Err(failure) => return console.finish(Some(&failure), NoFields {}),
        };
        before = sample.time;
        if let Some(Err(failure)) = log.as_mut().map(|log| log.log_events(&sample)) {
            return console.finish(Some(&failure), NoFields {});
        }
        if history.len() == HISTORY {
            history.pop_front();
        }
        // It goes below 0 for a moment during an update.
        let half_open = i32::try_from(sample.answer.half_open.get());
        history.push_back(half_open.map_or(0, i32::unsigned_abs));
        match columns {
            None if console.json => console.print_json(&sample.json()),
            None => console.print(&sample.line()),
            Some(columns) => {
                os.move_up(drawn);
                let screen = screen(&sample, &history, columns, seconds);
                drawn = screen.lines().count();
                console.print_unwrapped(&screen);
            }
        }
        if !console.is_open() || os.wait(seconds.saturating_mul(1000)) {
            return Exit::Done;
        }
    }
}

/// The screen, which overwrites the one before.
fn screen(sample: &Sample, history: &VecDeque<u32>, columns: usize, seconds: u32) -> String {
    let width = columns.saturating_sub(1).max(MIN_WIDTH);
    let every = match seconds {
        1 => phrase!("every second").to_string(),
        _ => text!("every {seconds} seconds", seconds),
    };
    let mut lines = Vec::from([
        text!("tcplimit watch, {every}; Ctrl-C ends it", every),
        String::new(),
    ]);
    for row in sample.rows() {
        let fields = row
            .iter()
            .map(|(name, value)| format!("{:<9} {value:<8}", name.get()));
        lines.push(fields.collect());
    }
    // Always three lines, so that the next screen has the same height.
    for index in 0..SHOWN_PROCESSES {
        let name = if index == 0 { phrase!("who") } else { "" };
        let owner = sample.who.get(index);
        let owner = owner.map(|owner| format!("{:<7} {}", owner.connections, owner.display_name()));
        lines.push(format!("{name:<9} {}", owner.unwrap_or_default()));
    }
    lines.push(String::new());
    lines.extend(chart::lines(history, width));
    let mut text = String::new();
    for (index, line) in lines.iter().enumerate() {
        if index != 0 {
            text.push('\n');
        }
        // Spaces overwrite the old text.
        let cut: String = line.chars().take(width).collect();
        text += &format!("{cut:<width$}");
    }
    text
}
