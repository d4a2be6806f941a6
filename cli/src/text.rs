//! Reports for people.

use std::fmt::Display;
use std::io::{self, Write};

use anstyle::Style;
use scanner_core::{Evidence, Findings, NearbyCalls, StartUpStore, Tally};
use tcplimit_report::{FileFacts, ImageFacts, Report, State, english, limit_text};

use crate::summary::Summary;
use crate::terminal::{BAD, FAINT, GOOD, NOTICE, STRONG, printable};

/// The level of detail of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Detail {
    /// One line.
    Line,
    /// All facts without the evidence.
    Facts,
    /// All facts; the evidence is explained only if some is missing.
    Full,
    /// All facts, with each piece of evidence explained.
    Verbose,
}

/// Writes a report.
///
/// # Errors
/// If it can't be written.
pub(crate) fn report(out: &mut dyn Write, report: &Report, detail: Detail) -> io::Result<()> {
    let words = report.headline(english);
    let style = match report.checksum_flaw() {
        Some(_) => BAD,
        None => style(report.state),
    };
    let origin = report.origin.to_string();
    write!(
        out,
        "{STRONG}{}{STRONG:#}: {style}{words}{style:#}",
        printable(&origin)
    )?;
    if detail == Detail::Line {
        return line(out, report);
    }
    writeln!(out)?;
    if let Some(reason) = &report.reason {
        row(out, "because", printable(reason))?;
    }
    identity(out, report)?;
    addresses(out, report)?;
    file_facts(out, report)?;
    match report.search.as_ref().and_then(|search| search.findings()) {
        Some(findings) if detail != Detail::Facts => evidence(out, findings, detail),
        _ => Ok(()),
    }
}

fn style(state: State) -> Style {
    match state {
        State::Unpatched | State::Located => GOOD,
        State::Patched(_)
        | State::NoLimiter
        | State::TooOld
        | State::Compressed
        | State::Container => NOTICE,
        State::NotLocated
        | State::ConflictingNames
        | State::UnconfirmedName
        | State::Damaged
        | State::Unreadable
        | State::UnfitBase => BAD,
        State::OtherModule
        | State::NotDriver
        | State::UnsupportedMachine
        | State::NotPe
        | State::Cabinet
        | State::DiscImage => FAINT,
    }
}

/// The rest of a report in one line.
fn line(out: &mut dyn Write, report: &Report) -> io::Result<()> {
    if let Some(located) = report.located() {
        write!(out, " at RVA {}", located.threshold())?;
    }
    if let Some(module) = report.module {
        write!(out, " ({module}")?;
        if let Some(ImageFacts { arch, version, .. }) = report.image {
            if let Some(version) = version {
                write!(out, " {version}")?;
            }
            write!(out, " {arch}")?;
        }
        write!(out, ")")?;
    }
    match &report.reason {
        Some(reason) => writeln!(out, ": {}", printable(reason)),
        None => writeln!(out),
    }
}

fn identity(out: &mut dyn Write, report: &Report) -> io::Result<()> {
    if let Some(ImageFacts {
        arch,
        time_date_stamp,
        version,
    }) = report.image
    {
        let module = report.module.map_or("unknown", |module| module.file_name());
        let version = version.map_or_else(|| "without version".to_owned(), |v| v.to_string());
        let linked = date(time_date_stamp);
        row(
            out,
            "module",
            format!("{module} {version}, {arch}, linked {linked} ({time_date_stamp:X})"),
        )?;
    }
    if let Some(module) = report.module
        && report.names.contradict(module)
    {
        let names = format!("{}; overruled by --module", report.names.describe(english));
        row(out, "names", printable(&names))?;
    }
    if let Some(known) = report.file.as_ref().and_then(|file| file.known) {
        row(out, "known as", printable(known))?;
    }
    if let Some(base) = report.loaded_at {
        row(out, "searched", format!("as loaded at {base:X}"))?;
    }
    Ok(())
}

/// The addresses of the variables.
fn addresses(out: &mut dyn Write, report: &Report) -> io::Result<()> {
    let Some(findings) = report.search.as_ref().and_then(|search| search.findings()) else {
        return Ok(());
    };
    let located = report.located().is_some();
    let what = if located { "limit" } else { "candidate" };
    row(out, what, format!("RVA {}", findings.threshold()))?;
    row(out, "half-open", format!("RVA {}", findings.count()))?;
    if let Some(queue) = findings.queue() {
        row(out, "queued", format!("RVA {queue}"))?;
    }
    let gates: Vec<String> = findings.gates().map(|gate| gate.at().to_string()).collect();
    row(out, "gates", format!("RVA {}", gates.join(", ")))
}

fn file_facts(out: &mut dyn Write, report: &Report) -> io::Result<()> {
    let start_up = match report.start_up {
        Some(StartUpStore::Unique {
            rva,
            value_offset,
            value,
        }) => Some(format!(
            "stores {} (RVA {rva}; the value is at file offset {value_offset:X})",
            limit_text(value, english)
        )),
        Some(StartUpStore::None) => Some("no discardable code stores to it".to_owned()),
        Some(StartUpStore::Several) => {
            Some("several stores: which one sets the limit is unknown".to_owned())
        }
        None => None,
    };
    if let Some(start_up) = start_up {
        row(out, "start-up", start_up)?;
    }
    if let Some(FileFacts {
        checksum: Some(sum),
        ..
    }) = report.file
    {
        let text = match sum.is_right() {
            true => format!("{:X}, right", sum.stated),
            false => format!(
                "{:X} stated, {:X} computed: the file is damaged or was changed",
                sum.stated, sum.computed
            ),
        };
        row(out, "checksum", text)?;
    }
    if let Some(coverage) = report.relocations {
        row(
            out,
            "relocations",
            format!("{} of {} operands", coverage.covered, coverage.needed),
        )?;
    }
    match &report.file {
        Some(file) => row(out, "SHA-256", &file.sha256),
        None => Ok(()),
    }
}

/// The evidence by name; with explanations if some is missing, or on request.
fn evidence(out: &mut dyn Write, findings: &Findings, detail: Detail) -> io::Result<()> {
    let (held, missing) = (findings.held(), findings.missing());
    let all = held.len() + missing.len();
    let text = format!(
        "{} of {all} pieces, {} atomic updates of the count, {} calls through the import table",
        held.len(),
        findings.atomic_updates(),
        findings.import_calls(),
    );
    row(out, "evidence", text)?;
    row(out, "at the gates", around(findings))?;
    let pieces = Evidence::ALL.into_iter().filter_map(|piece| match piece {
        _ if held.contains(piece) => Some((piece, GOOD, '✓')),
        _ if missing.contains(piece) => Some((piece, BAD, '✗')),
        _ => None,
    });
    if detail == Detail::Verbose || !missing.is_empty() {
        for (piece, style, mark) in pieces {
            let (name, explanation) = (piece.name(), piece.explanation());
            writeln!(out, "    {style}{mark}{style:#} {name:<20} {explanation}")?;
        }
        return Ok(());
    }
    let pieces: Vec<_> = pieces.collect();
    for line in pieces.chunks(NAMES_A_LINE) {
        write!(out, "  {:<12}", "")?;
        for (piece, style, mark) in line {
            write!(out, " {style}{mark}{style:#} {piece}")?;
        }
        writeln!(out)?;
    }
    Ok(())
}

/// The calls around each gate in words.
fn around(findings: &Findings) -> String {
    let tallies = |of: fn(&NearbyCalls) -> Tally| -> String {
        let tallies = findings.nearby_calls().map(of);
        let texts: Vec<String> = tallies
            .filter(|tally| tally.total > 0)
            .map(|tally| tally.to_string())
            .collect();
        texts.join(", ")
    };
    let imports = tallies(|around| around.imports);
    let functions = tallies(|around| around.functions);
    match (imports.is_empty(), functions.is_empty()) {
        (true, _) => "no calls through pointers".to_owned(),
        (_, true) => format!("calls to imports {imports}"),
        _ => format!("calls to imports {imports}; to functions {functions}"),
    }
}

/// Number of evidence names per line.
const NAMES_A_LINE: usize = 4;

fn row(out: &mut dyn Write, label: &str, text: impl Display) -> io::Result<()> {
    writeln!(out, "  {FAINT}{label:<12}{FAINT:#} {text}")
}

/// Writes the totals.
///
/// # Errors
/// If they can't be written.
pub(crate) fn summary(out: &mut dyn Write, summary: &Summary) -> io::Result<()> {
    if summary.interrupted {
        writeln!(
            out,
            "{NOTICE}interrupted{NOTICE:#}: some files were not searched"
        )?;
    }
    let members = match summary.members {
        0 => String::new(),
        members => format!(", {} searched", count(members, "member")),
    };
    writeln!(
        out,
        "{STRONG}{} located{STRONG:#} in {}{members}; {} in {:.2} s",
        summary.located(),
        count(summary.files, "file"),
        size(summary.bytes),
        summary.seconds(),
    )?;
    if summary.searched_bytes != 0 {
        writeln!(
            out,
            "{} searched at {}/s on each thread; headers and names decided the rest",
            size(summary.searched_bytes),
            rate(summary.search_rate()),
        )?;
    }
    for (state, number) in summary.states() {
        let style = style(state);
        writeln!(out, "  {style}{:<20}{style:#} {number:>8}", state.name())?;
    }
    Ok(())
}

/// A number with its noun: `1 file`, `2 files`.
pub(crate) fn count(number: u64, thing: &str) -> String {
    match number {
        1 => format!("1 {thing}"),
        _ => format!("{number} {thing}s"),
    }
}

/// The text for an archive without a module.
pub(crate) fn no_member(path: &str, members: usize, lists: &str) -> String {
    let members = count(u64::try_from(members).unwrap_or(u64::MAX), "member");
    format!("{path}: {members} searched, none is tcpip.sys or tcpip6.sys ({lists} lists them)")
}

/// A number of bytes for people, in powers of ten.
#[expect(clippy::cast_precision_loss, reason = "for people")]
pub(crate) fn size(bytes: u64) -> String {
    rate(bytes as f64)
}

/// As [`size`], for a quotient.
pub(crate) fn rate(bytes: f64) -> String {
    let units = [(1e9, "GB"), (1e6, "MB"), (1e3, "kB")];
    match units.into_iter().find(|(unit, _)| bytes >= *unit) {
        Some((unit, name)) => format!("{:.2} {name}", bytes / unit),
        None => format!("{bytes:.0} bytes"),
    }
}

/// The date of a time stamp: seconds since 1970, without leap seconds.
fn date(stamp: u32) -> String {
    // Howard Hinnant, "chrono-compatible low-level date algorithms": years
    // begin in March, so that the leap day is at their end.
    let days = stamp / 86_400 + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 {
        (month + 3, 0)
    } else {
        (month - 9, 1)
    };
    format!("{:04}-{month:02}-{day:02}", year_of_era + era * 400 + next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        // facts: date -u -d @N +%F
        for (stamp, day) in [
            (0, "1970-01-01"),
            (0x4802_5CEC, "2008-04-13"),
            (0x45D6_A075, "2007-02-17"),
            (951_782_400, "2000-02-29"),
            (951_868_800, "2000-03-01"),
            (u32::MAX, "2106-02-07"),
        ] {
            assert_eq!(date(stamp), day);
        }
    }

    #[test]
    fn sizes_are_in_powers_of_ten() {
        assert_eq!(size(999), "999 bytes");
        assert_eq!(size(1_234_567), "1.23 MB");
        assert_eq!(size(2_500_000_000), "2.50 GB");
    }

    #[test]
    fn one_of_a_thing_is_singular() {
        assert_eq!(count(0, "file"), "0 files");
        assert_eq!(count(1, "member"), "1 member");
        assert_eq!(count(2, "member"), "2 members");
    }
}
