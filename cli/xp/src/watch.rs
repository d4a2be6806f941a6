//! `watch`: what changes, as it does.

use alloc::collections::VecDeque;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use scanner_core::Module;
use serde::Serialize;
use tcplimit_protocol::Answer;

use crate::chart;
use crate::client;
use crate::console::{Console, Nothing, SCHEMA};
use crate::event_log;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::windows::{Stream, Tcp, Windows};

/// Looks that the chart shows at most.
const HISTORY: usize = 60;
/// Narrower consoles get a chart of this width all the same.
const NARROWEST: usize = 40;

/// One look.
struct Sample {
    /// Seconds since 1970.
    time: u32,
    answer: Answer,
    /// What the TCP stack tells, if it does.
    tcp: Option<Tcp>,
    /// Event 4226 in the last minute, if the log can be read.
    events: Option<usize>,
}

/// A look as a line of JSON.
#[derive(Serialize)]
struct Object {
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
}

impl Sample {
    fn take(windows: &dyn Windows) -> Result<Sample, Failure> {
        let answer = client::query(windows, Module::Tcpip)?;
        if let Some(refusal) = client::refusal(Module::Tcpip, &answer) {
            return Err(refusal);
        }
        let time = windows.now();
        let events = event_log::reached_since(windows, time.saturating_sub(60));
        Ok(Sample {
            time,
            answer,
            tcp: windows.tcp().ok(),
            events: events.ok().map(|events| events.len()),
        })
    }

    /// Of a hundred attempts so many did not fail; none without attempts.
    fn success(&self) -> Option<u32> {
        let Tcp {
            attempts, failures, ..
        } = self.tcp?;
        let good = u64::from(attempts.saturating_sub(failures));
        let percent = good.checked_mul(100)?.checked_div(attempts.into())?;
        u32::try_from(percent).ok()
    }

    fn object(&self) -> Object {
        Object {
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
            success_percent: self.success(),
            events_4226_last_minute: self.events,
        }
    }

    /// What the three rows of the screen show: name and value.
    fn rows(&self) -> [Vec<(&'static str, String)>; 3] {
        let unknown = || "?".to_string();
        let tcp = |of: fn(&Tcp) -> u32| {
            let tcp = self.tcp.as_ref();
            tcp.map_or_else(unknown, |tcp| of(tcp).to_string())
        };
        let percent = |percent: u32| format!("{percent}%");
        [
            Vec::from([
                ("limit", self.answer.limit.to_string()),
                ("half-open", self.answer.half_open.to_string()),
                ("queued", self.answer.queued.to_string()),
                ("peak", self.answer.peak.to_string()),
            ]),
            Vec::from([
                ("attempts", tcp(|tcp| tcp.attempts)),
                ("failed", tcp(|tcp| tcp.failures)),
                ("connected", tcp(|tcp| tcp.established)),
                ("success", self.success().map_or_else(unknown, percent)),
            ]),
            Vec::from([(
                "4226/min",
                self.events
                    .map_or_else(unknown, |events| events.to_string()),
            )]),
        ]
    }

    /// All in one line, for a file.
    fn line(&self) -> String {
        let (minutes, seconds) = (self.time / 60, self.time % 60);
        let mut line = format!("{:02}:{:02}:{seconds:02}Z", minutes / 60 % 24, minutes % 60);
        for (name, value) in self.rows().iter().flatten() {
            line += &format!(" {name} {value}");
        }
        line
    }
}

/// Shows one look after the other until Ctrl-C, or until nobody reads on.
pub(crate) fn run(windows: &dyn Windows, console: &Console<'_>, seconds: u32) -> Exit {
    windows.catch_interrupt();
    let columns = windows.columns(Stream::Out).filter(|_| !console.json);
    let mut history = VecDeque::new();
    let mut drawn = 0;
    loop {
        let sample = match Sample::take(windows) {
            Ok(sample) => sample,
            Err(failure) => return console.finish(Some(&failure), Nothing {}),
        };
        if history.len() == HISTORY {
            history.pop_front();
        }
        // It goes below 0 for a moment when an update is half done.
        let half_open = i32::try_from(sample.answer.half_open.get());
        history.push_back(half_open.map_or(0, i32::unsigned_abs));
        match columns {
            None if console.json => console.object(&sample.object()),
            None => console.say(&sample.line()),
            Some(columns) => {
                windows.move_up(drawn);
                let screen = screen(&sample, &history, columns, seconds);
                drawn = screen.lines().count();
                console.draw(&screen);
            }
        }
        if !console.is_read() || windows.wait(seconds.saturating_mul(1000)) {
            return Exit::Done;
        }
    }
}

/// What is drawn, over the same of before.
fn screen(sample: &Sample, history: &VecDeque<u32>, columns: usize, seconds: u32) -> String {
    let width = columns.saturating_sub(1).max(NARROWEST);
    let every = match seconds {
        1 => "every second".to_string(),
        _ => format!("every {seconds} seconds"),
    };
    let mut lines = Vec::from([
        format!("tcplimit watch, {every}; Ctrl-C ends it"),
        String::new(),
    ]);
    for row in sample.rows() {
        let fields = row
            .iter()
            .map(|(name, value)| format!("{name:<9} {value:<8}"));
        lines.push(fields.collect());
    }
    lines.push(String::new());
    lines.extend(chart::lines(history, width));
    let mut text = String::new();
    for (index, line) in lines.iter().enumerate() {
        if index != 0 {
            text.push('\n');
        }
        // Spaces over whatever was there.
        let cut: String = line.chars().take(width).collect();
        text += &format!("{cut:<width$}");
    }
    text
}
