//! A file, looked into: the answer of the workbench's `tcplimit probe`, by the
//! same locator and in the same words.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use scanner_core::{
    Arch, Checksum, FileVersion, Findings, Headers, Image, ImageError, Located, Module, NotLocated,
    Reason, RelocationCoverage, Rva, StartUp, Surroundings, Tally, Workspace, export_name,
    file_version, module_by_updates, original_name,
};

use crate::client::{REPORT, SHIPPED};
use crate::installation::{hash, hex};
use tcplimit_report::Era;
use tcplimit_report::Exit;

/// Hashes of known builds, with their names: made of corpus/builds.toml.
const KNOWN: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/known.rs"));

/// The answer in one word; docs/json.md has them all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Unpatched,
    Patched(u32),
    Located,
    NoLimiter,
    NotLocated,
    ConflictingNames,
    UnconfirmedName,
    TooOld,
    OtherModule,
    NotDriver,
    UnsupportedMachine,
    Damaged,
    NotPe,
    Compressed,
    Unreadable,
}

impl State {
    pub(crate) fn name(self) -> &'static str {
        match self {
            State::Unpatched => "unpatched",
            State::Patched(_) => "patched",
            State::Located => "located",
            State::NoLimiter => "no-limiter",
            State::NotLocated => "not-located",
            State::ConflictingNames => "conflicting-names",
            State::UnconfirmedName => "unconfirmed-name",
            State::TooOld => "too-old",
            State::OtherModule => "other-module",
            State::NotDriver => "not-a-driver",
            State::UnsupportedMachine => "unsupported-machine",
            State::Damaged => "damaged",
            State::NotPe => "not-pe",
            State::Compressed => "compressed",
            State::Unreadable => "unreadable",
        }
    }

    pub(crate) fn is_located(self) -> bool {
        matches!(self, State::Unpatched | State::Patched(_) | State::Located)
    }

    pub(crate) fn exit(self) -> Exit {
        match self {
            _ if self.is_located() => Exit::Done,
            State::Damaged | State::Unreadable => Exit::Unreadable,
            _ => Exit::Refused,
        }
    }
}

/// What the names say that a file has.
#[derive(Debug, Default)]
pub(crate) struct Names {
    pub(crate) file: Option<Module>,
    pub(crate) original: Option<String>,
    pub(crate) export: Option<String>,
}

/// All that is said of a file.
#[derive(Debug)]
pub(crate) struct Look {
    pub(crate) path: String,
    pub(crate) bytes: usize,
    pub(crate) state: State,
    /// Why it is not located, and what to do about it.
    pub(crate) reason: Option<String>,
    pub(crate) module: Option<Module>,
    pub(crate) names: Names,
    pub(crate) arch: Option<Arch>,
    pub(crate) version: Option<FileVersion>,
    pub(crate) time_date_stamp: Option<u32>,
    /// Whether there was a search.
    pub(crate) searched: bool,
    pub(crate) findings: Option<Findings>,
    pub(crate) start_up: Option<StartUp>,
    pub(crate) checksum: Option<Checksum>,
    pub(crate) relocations: Option<RelocationCoverage>,
    pub(crate) sha256: Option<String>,
    pub(crate) known: Option<&'static str>,
}

impl Look {
    /// A file that is not there or can't be read.
    pub(crate) fn unreadable(path: &str, reason: String) -> Look {
        let mut look = Look::nothing(path, 0);
        look.refuse(State::Unreadable, reason);
        look
    }

    fn nothing(path: &str, bytes: usize) -> Look {
        // Not by `rsplit`, which calls itself: see verify's checks of the file.
        let name = match path.rfind(['\\', '/']) {
            Some(at) => path.get(at.saturating_add(1)..).unwrap_or_default(),
            None => path,
        };
        Look {
            path: path.into(),
            bytes,
            state: State::NotLocated,
            reason: None,
            module: None,
            names: Names {
                file: Module::named(name),
                ..Names::default()
            },
            arch: None,
            version: None,
            time_date_stamp: None,
            searched: false,
            findings: None,
            start_up: None,
            checksum: None,
            relocations: None,
            sha256: None,
            known: None,
        }
    }

    fn refuse(&mut self, state: State, reason: impl Into<String>) {
        self.state = state;
        self.reason = Some(reason.into());
    }

    /// Looks into the bytes of a file.
    pub(crate) fn into(path: &str, file: &[u8]) -> Look {
        let mut look = Look::nothing(path, file.len());
        look.look(file);
        look
    }

    fn look(&mut self, file: &[u8]) {
        if [&b"MSCF"[..], b"SZDD", b"KWAJ"]
            .iter()
            .any(|magic| file.starts_with(magic))
        {
            return self.refuse(
                State::Compressed,
                phrase!("It is compressed. Expand it first: expand FILE tcpip.sys"),
            );
        }
        let image = match Headers::parse(file) {
            Ok(headers) if !headers.is_native() => {
                return self.refuse(
                    State::NotDriver,
                    phrase!("It is a program or library, not a driver."),
                );
            }
            Ok(_) => Image::from_file(file),
            Err(error) => Err(error),
        };
        let image = match image {
            Ok(image) => image,
            Err(error) => {
                if self.names.file.is_some() {
                    self.identify(file);
                }
                return self.no_image(error);
            }
        };
        let headers = image.headers();
        self.arch = Some(image.arch());
        self.version = file_version(&image);
        self.time_date_stamp = Some(headers.time_date_stamp());
        self.names.original = original_name(&image).map(|text| text.chars().collect());
        self.names.export =
            export_name(&image).map(|name| String::from_utf8_lossy(name).into_owned());
        let named = self.names.module();
        if named != Ok(None) {
            self.identify(file);
        }
        match named {
            Ok(module) => self.module = module,
            Err(said) => {
                return self.refuse(
                    State::ConflictingNames,
                    text!("Its names contradict each other: {said}.", said),
                );
            }
        }
        let Some(module) = self.module else {
            return self.refuse(
                State::OtherModule,
                phrase!("No name in or of it is that of tcpip.sys or tcpip6.sys."),
            );
        };
        self.search(&image, module);
    }

    /// Says which file it is, whole or not.
    fn identify(&mut self, file: &[u8]) {
        let sha256 = hex(&hash(file));
        let known = KNOWN.iter().find(|(_, hash)| *hash == sha256);
        self.known = known.map(|(name, _)| *name);
        self.sha256 = Some(sha256);
        let headers = Headers::parse(file).ok();
        self.checksum = headers.map(|headers| Checksum::of(&headers, file));
    }

    fn search(&mut self, image: &Image<'_>, module: Module) {
        self.searched = true;
        match Workspace::new().locate(image, module) {
            Ok(located) if !self.names.confirm(located) => {
                self.findings = Some(*located.findings());
                let updates = located.findings().atomic_updates();
                self.refuse(
                    State::UnconfirmedName,
                    text!(
                        "One name says that it is {module}, and nothing else does, while its \
                         count has {updates} atomic updates, as in tcpip.sys.",
                        module,
                        updates
                    ),
                );
            }
            Ok(located) => {
                let store = StartUp::of(image, located);
                self.state = match store {
                    StartUp::Unique { value: SHIPPED, .. } => State::Unpatched,
                    StartUp::Unique { value, .. } => State::Patched(value),
                    StartUp::None | StartUp::Several => State::Located,
                };
                self.start_up = Some(store);
                self.relocations = RelocationCoverage::of(image, located);
                self.findings = Some(*located.findings());
            }
            Err(refusal) => {
                self.findings = refusal.best().copied();
                let (state, reason) = refused(refusal, module, self.version);
                self.refuse(state, reason);
            }
        }
    }

    fn no_image(&mut self, error: ImageError) {
        self.module = self.names.file;
        match error {
            ImageError::NotPe => {
                self.refuse(State::NotPe, phrase!("It is not a PE file."));
            }
            ImageError::NoVirtualSizes => self.refuse(
                State::TooOld,
                text!("It is whole, but older than the limit: {error}.", error),
            ),
            ImageError::UnsupportedMachine(_) => {
                self.refuse(State::UnsupportedMachine, format!("{error}."));
            }
            _ => self.refuse(
                State::Damaged,
                text!(
                    "It is damaged: {error}. Take a fresh copy of the file.",
                    error
                ),
            ),
        }
    }

    /// The limit that Windows will start with, where it is located and known.
    pub(crate) fn limit(&self) -> Option<u32> {
        match self.state {
            State::Unpatched => Some(SHIPPED),
            State::Patched(value) => Some(value),
            _ => None,
        }
    }

    /// Whether it is a known build, to the byte, that stores 10.
    pub(crate) fn is_as_shipped(&self) -> bool {
        self.state == State::Unpatched && self.known.is_some()
    }

    /// The answer in a few words, a wrong checksum among them.
    pub(crate) fn headline(&self) -> String {
        let checksum = match self.checksum {
            Some(sum) if sum.is_right() => "",
            Some(Checksum { stated: 0, .. }) => phrase!(", without checksum"),
            Some(_) => phrase!(", wrong checksum"),
            None => "",
        };
        match self.state {
            State::Unpatched if self.is_as_shipped() => {
                phrase!("located, as shipped: the limit is 10").into()
            }
            State::Unpatched => text!("located, unpatched{checksum}: the limit is 10", checksum),
            State::Patched(value) => text!(
                "located, patched{checksum}: the limit is {value}",
                checksum,
                value
            ),
            State::Located => {
                text!(
                    "located{checksum}, but no single start-up store says its first value",
                    checksum
                )
            }
            State::NotLocated => text!("not located{checksum}", checksum),
            State::UnconfirmedName => text!("not located, unconfirmed name{checksum}", checksum),
            State::TooOld => phrase!("too old for a limiter").into(),
            State::NoLimiter => phrase!("no limiter").into(),
            State::ConflictingNames => phrase!("conflicting names").into(),
            State::OtherModule => phrase!("other module").into(),
            State::NotDriver => phrase!("not a driver").into(),
            State::UnsupportedMachine => phrase!("unsupported machine").into(),
            State::Damaged => phrase!("damaged").into(),
            State::NotPe => phrase!("not pe").into(),
            State::Compressed => phrase!("compressed").into(),
            State::Unreadable => phrase!("unreadable").into(),
        }
    }

    /// All of it, in lines.
    pub(crate) fn lines(&self) -> Vec<String> {
        let mut lines = alloc::vec![format!("{}: {}", self.path, self.headline())];
        let mut row = |label: &str, text: String| lines.push(format!("  {label:<11} {text}"));
        if let (Some(arch), Some(stamp)) = (self.arch, self.time_date_stamp) {
            let name = self
                .module
                .map_or_else(|| phrase!("unknown"), Module::file_name);
            let version = match self.version {
                Some(version) => version.to_string(),
                None => phrase!("without version").into(),
            };
            row(
                phrase!("module"),
                text!(
                    "{name} {version}, {arch}, linked {stamp}",
                    name,
                    version,
                    arch,
                    stamp = format_args!("{stamp:X}")
                ),
            );
        }
        if let Some(known) = self.known {
            row(phrase!("known as"), known.into());
        }
        if let Some(findings) = &self.findings {
            let located = self.state.is_located();
            let what = if located {
                phrase!("limit")
            } else {
                phrase!("candidate")
            };
            row(what, format!("RVA {}", findings.threshold()));
            row(phrase!("half-open"), format!("RVA {}", findings.count()));
            if let Some(queue) = findings.queue() {
                row(phrase!("queued"), format!("RVA {queue}"));
            }
            let gates: Vec<String> = findings.gates().map(|gate| gate.at().to_string()).collect();
            row(phrase!("gates"), format!("RVA {}", gates.join(", ")));
            let (held, missing) = (findings.held(), findings.missing());
            row(
                phrase!("evidence"),
                text!(
                    "{held} of {all} pieces, {updates} atomic updates",
                    held = held.len(),
                    all = held.len() + missing.len(),
                    updates = findings.atomic_updates()
                ),
            );
            row(phrase!("calls"), calls_at_gates(findings));
            for evidence in missing.iter() {
                row(
                    phrase!("missing"),
                    format!("{evidence}: {}", evidence.explanation()),
                );
            }
        }
        if let Some(sum) = self.checksum {
            let verdict = match sum.is_right() {
                true => phrase!("right").into(),
                false => text!(
                    "but {computed} computed: the file is damaged, or was changed",
                    computed = format_args!("{:X}", sum.computed)
                ),
            };
            row(phrase!("checksum"), format!("{:X}, {verdict}", sum.stated));
        }
        if let Some(sha256) = &self.sha256 {
            row("SHA-256", sha256.clone());
        }
        lines
    }
}

impl Names {
    /// Whether a limit that was located in the file is that of the module which
    /// they agree on: as the workbench has it, in `identity`.
    fn confirm(&self, located: &Located) -> bool {
        let module = located.module();
        let names = [
            self.file.is_some(),
            self.original.is_some(),
            self.export.is_some(),
        ];
        module == Module::Tcpip
            || names.iter().filter(|&&says| says).count() > 1
            || module_by_updates(located.findings()) == module
    }

    /// The module that they agree on, if they name one; or who says what.
    fn module(&self) -> Result<Option<Module>, String> {
        let named = |text: &str| {
            // Where texts are kept in a file of their own, the resource names that.
            let plain = match text
                .len()
                .checked_sub(4)
                .and_then(|at| text.split_at_checked(at))
            {
                Some((plain, end)) if end.eq_ignore_ascii_case(".mui") => plain,
                _ => text,
            };
            Module::named(plain)
        };
        let mut votes = Vec::new();
        if let Some(module) = self.file {
            votes.push((phrase!("the file's name"), module.file_name(), Some(module)));
        }
        if let Some(text) = &self.original {
            votes.push((phrase!("its version resource"), text, named(text)));
        }
        if let Some(text) = &self.export {
            votes.push((phrase!("its export directory"), text, named(text)));
        }
        let module = votes.iter().find_map(|&(_, _, module)| module);
        if module.is_none() || votes.iter().all(|&(_, _, vote)| vote == module) {
            return Ok(module);
        }
        let said = votes
            .iter()
            .map(|(who, text, _)| text!("{who} says {text}", who, text));
        Err(said.collect::<Vec<String>>().join(", "))
    }
}

/// What a refusal means for the module.
fn refused(refusal: &NotLocated, module: Module, version: Option<FileVersion>) -> (State, String) {
    match (refusal.reason(), version.and_then(Era::of)) {
        (_, Some(Era::Before)) => (
            State::NoLimiter,
            text!("This {module} is older than the limit, which came with XP SP2 and Server 2003 SP1.", module),
        ),
        (_, Some(Era::Vista)) => (
            State::NotLocated,
            phrase!("Windows Vista before SP2 limits half-open connections in another way, which is not \
             supported.")
                .into(),
        ),
        (_, Some(Era::After)) => (
            State::NoLimiter,
            text!("This {module} is newer than the limit, which ended with Vista SP2: there is \
                 nothing to lift.", module),
        ),
        (Reason::NoGate, None) => (
            State::NotLocated,
            text!("No code compares two variables as the limiter does: damaged, or unknown. {report}", report = REPORT.get()),
        ),
        (_, None) => (
            State::NotLocated,
            text!("Not located: {refusal}. {report}", refusal, report = REPORT.get()),
        ),
    }
}

/// A place in the image, as a number.
pub(crate) fn number(rva: Rva) -> u32 {
    rva.0
}

/// Describes the calls around each gate.
fn calls_at_gates(findings: &Findings) -> String {
    let counts = |of: fn(&Surroundings) -> Tally| {
        let counts = findings.surroundings().map(of);
        let counts = counts.filter(|count| count.total > 0);
        let counts: Vec<String> = counts.map(|count| count.to_string()).collect();
        counts.join(", ")
    };
    let imports = counts(|around| around.imports);
    let functions = counts(|around| around.functions);
    match (imports.is_empty(), functions.is_empty()) {
        (true, _) => phrase!("none through pointers near the gates").into(),
        (_, true) => text!("near the gates to imports {imports}", imports),
        _ => text!(
            "near the gates to imports {imports}; to functions {functions}",
            imports,
            functions
        ),
    }
}
