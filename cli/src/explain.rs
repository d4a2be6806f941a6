//! `tcplimit explain`: each piece of evidence with its code.

use std::io::{self, Write};

use scanner_core::{Directory, Evidence, Findings, Image, NearbyCalls, Rva, StartUpStore, Tally};
use tcplimit_report::{Exit, Report};

use crate::arguments::{Explain, hint_at_base};
use crate::default_inputs::{SPECIMEN, SPECIMEN_NAME, SPECIMEN_NOTE};
use crate::disassembly::{Line, Listing};
use crate::exit_codes::Outcome;
use crate::image_probe::{self, Options};
use crate::input::Input;
use crate::probe;
use crate::simulated_load::Loaded;
use crate::terminal::{
    self, BAD, FAINT, GOOD, STRONG, os_error_text, print_error, printable, quoted,
};
use crate::text::{self, Detail};

/// Runs `explain`.
///
/// # Errors
/// If the output can't be written.
pub(crate) fn run(args: &Explain) -> io::Result<Exit> {
    let options = args.search.options();
    let mut out = terminal::stdout();
    let Some(path) = &args.path else {
        let exit = file(&mut out, SPECIMEN_NAME, SPECIMEN, &options)?;
        writeln!(out, "\n{SPECIMEN_NOTE}")?;
        return Ok(out.finish(exit));
    };
    let shown = path.display();
    if path.is_dir() {
        print_error(&format!(
            "{shown} is a folder. explain takes one file; find candidates with: tcplimit probe -r {}",
            quoted(&path.to_string_lossy())
        ));
        return Ok(Exit::Usage);
    }
    hint_at_base(std::slice::from_ref(path));
    let content = match Input::named(path).and_then(Input::content) {
        Ok(content) => content,
        Err(error) => {
            print_error(&format!("{shown}: {}", os_error_text(&error)));
            return Ok(Exit::Unreadable);
        }
    };
    let exit = file(&mut out, &path.to_string_lossy(), &content, &options)?;
    Ok(out.finish(exit))
}

/// Explains a file, or each member of a cabinet that may be a module.
fn file(out: &mut dyn Write, path: &str, data: &[u8], options: &Options) -> io::Result<Exit> {
    let mut outcome = Outcome::default();
    let mut written = Ok(());
    let (mut members, mut shown) = (0, 0);
    probe::visit(path, data, options, &mut |report, data| {
        outcome.note(report.state, false);
        members += usize::from(report.origin.member.is_some());
        if written.is_ok() && (report.origin.member.is_none() || report.is_of_interest()) {
            shown += 1;
            written = image(
                out,
                &image_probe::with_file_facts(report, data),
                data,
                options,
            );
        }
    });
    written?;
    if shown == 0 {
        let text = text::no_member(path, members, "tcplimit probe -v");
        writeln!(out, "{}", printable(&text))?;
    }
    Ok(outcome.exit())
}

/// Explains one image, as loaded if requested.
fn image(out: &mut dyn Write, report: &Report, data: &[u8], options: &Options) -> io::Result<()> {
    text::report(out, report, Detail::Facts)?;
    let Some(findings) = report.search.as_ref().and_then(|search| search.findings()) else {
        return Ok(());
    };
    let Ok(image) = Image::from_file(data) else {
        return Ok(());
    };
    match options.as_loaded {
        None => evidence(out, &image, findings)?,
        Some(base) => {
            if let Ok(loaded) = Loaded::new(&image, data, base)
                && let Ok(written) = loaded.with_image(|image| evidence(out, image, findings))
            {
                written?;
            }
        }
    }
    start_up(out, report, &image, findings)
}

fn evidence(out: &mut dyn Write, image: &Image<'_>, findings: &Findings) -> io::Result<()> {
    let listing = Listing::new(image, findings);
    for piece in Evidence::ALL {
        let (style, mark) = match (
            findings.held().contains(piece),
            findings.missing().contains(piece),
        ) {
            (true, _) => (GOOD, '✓'),
            (_, true) => (BAD, '✗'),
            _ => continue,
        };
        writeln!(
            out,
            "\n{style}{mark} {piece}{style:#}: {}",
            piece.explanation()
        )?;
        writeln!(out, "  {FAINT}{}{FAINT:#}", piece.proves())?;
        let shown = EvidenceLines {
            image,
            listing: &listing,
            findings,
        };
        for line in shown.of(piece, mark == '✓') {
            match line.is_empty() {
                true => writeln!(out)?,
                false => writeln!(out, "  {line}")?,
            }
        }
    }
    Ok(())
}

/// Prints the start-up store, which is not evidence but the place that patches change.
fn start_up(
    out: &mut dyn Write,
    report: &Report,
    image: &Image<'_>,
    findings: &Findings,
) -> io::Result<()> {
    let Some(StartUpStore::Unique { rva, .. }) = report.start_up else {
        return Ok(());
    };
    writeln!(
        out,
        "\n{STRONG}· start-up store{STRONG:#}: sets the initial value of the limit"
    )?;
    writeln!(
        out,
        "  {FAINT}Not evidence: patched files store another value. The code is freed after start-up.{FAINT:#}"
    )?;
    for line in Listing::new(image, findings).from(rva).take(1) {
        writeln!(out, "  {line}")?;
    }
    Ok(())
}

/// The lines that show the evidence for a candidate.
struct EvidenceLines<'a> {
    image: &'a Image<'a>,
    listing: &'a Listing<'a>,
    findings: &'a Findings,
}

impl EvidenceLines<'_> {
    /// Lines that show a piece of evidence or its counter-evidence.
    fn of(&self, piece: Evidence, held: bool) -> Vec<String> {
        let found = self.findings;
        match piece {
            Evidence::TwoGates => self.gates(),
            Evidence::Adjacent => self.variables(),
            Evidence::SameDataSection => self.section(),
            Evidence::AtomicCounter => {
                let mut lines = self.with(found.first_atomic(), 5, |line| line.locked);
                if found.atomic_updates() > 1 {
                    lines.push(format!("and {} more", found.atomic_updates() - 1));
                }
                lines
            }
            Evidence::QueueTest => self.with(found.queue_test(), 3, |line| is_jump(&line.text)),
            Evidence::GateReadsOnly | Evidence::NoLiveWriter | Evidence::NoAtomicOnThreshold
                if !held =>
            {
                self.with(found.offender(), 1, |_| true)
            }
            Evidence::AnchoredBase => {
                let mut lines = texts(self.import_call());
                lines.push(format!("{} such calls checked", found.import_calls()));
                lines
            }
            Evidence::LocalImports => self.around(|around| around.imports),
            Evidence::LocalFunctions => self.around(|around| around.functions),
            Evidence::Relocated => vec![format!("{} operands", found.relocated())],
            Evidence::EventId | Evidence::NoEventId => self.with(found.event(), 1, |_| true),
            // The absence of an instruction can't be shown.
            _ => Vec::new(),
        }
    }

    /// Each gate, with an empty line between two.
    fn gates(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for gate in self.findings.gates() {
            if !lines.is_empty() {
                lines.push(String::new());
            }
            lines.extend(texts(self.listing.range(gate.at(), gate.length())));
        }
        lines
    }

    /// How many of the calls around each gate match the evidence.
    fn around(&self, tally: impl Fn(&NearbyCalls) -> Tally) -> Vec<String> {
        let gates = self.findings.gates().zip(self.findings.nearby_calls());
        gates
            .map(|(gate, around)| {
                let at = gate.at().to_string();
                format!("{at:>6}  {} calls around the gate", tally(around))
            })
            .collect()
    }

    fn variables(&self) -> Vec<String> {
        let queue = self.findings.queue().map(|rva| (rva, "queue"));
        let others = [
            (self.findings.threshold(), "limit"),
            (self.findings.count(), "count"),
        ];
        let mut all: Vec<(Rva, &str)> = queue.into_iter().chain(others).collect();
        all.sort();
        all.into_iter()
            .map(|(rva, name)| format!("{:>6}  {name}", rva.to_string()))
            .collect()
    }

    fn section(&self) -> Vec<String> {
        let sections = self.image.headers().sections();
        let threshold = self.findings.threshold();
        let holding = sections.filter(|section| section.contains(threshold, 4));
        let lines = holding.map(|section| {
            format!(
                "{:>6}  {}, {:X} bytes, flags {:08X}",
                section.rva().to_string(),
                section.name().escape_ascii(),
                section.extent(),
                section.flags().0,
            )
        });
        lines.collect()
    }

    /// The instruction with this operand and those after it, up to one for which `last` is true, at
    /// most `most`.
    fn with(&self, operand: Option<Rva>, most: usize, last: impl Fn(&Line) -> bool) -> Vec<String> {
        let Some(at) = operand.and_then(|operand| self.listing.instruction_with(operand)) else {
            return Vec::new();
        };
        let lines: Vec<Line> = self.listing.from(at).take(most).collect();
        let shown = lines.iter().position(last).map_or(1, |index| index + 1);
        texts(lines.into_iter().take(shown))
    }

    /// The first call through the import address table.
    fn import_call(&self) -> Option<Line> {
        let (table, size) = self
            .image
            .headers()
            .directory(Directory::ImportAddressTable)?;
        let sections = self
            .image
            .headers()
            .sections()
            .filter(|section| section.is_live_code());
        for section in sections {
            let code = self.image.bytes(&section);
            let calls = code
                .windows(2)
                .enumerate()
                .filter(|(_, bytes)| *bytes == [0xFF, 0x15]);
            for (offset, _) in calls {
                let at = section.rva().plus(u32::try_from(offset).ok()?)?;
                let slot = self.listing.operand_of(at);
                if slot.is_some_and(|slot| slot >= table && slot.distance(table) < size) {
                    return self.listing.from(at).next();
                }
            }
        }
        None
    }
}

fn is_jump(text: &str) -> bool {
    text.starts_with('j')
}

fn texts(lines: impl IntoIterator<Item = Line>) -> Vec<String> {
    lines.into_iter().map(|line| line.to_string()).collect()
}
