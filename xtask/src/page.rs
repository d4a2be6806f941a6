//! `cargo xtask report`: one page with every claim of safety and the evidence
//! for it from the last run of `cargo xtask test`, with a drawing of specimens.
//!
//! The page is made of that run's record and of nothing else: without one, or
//! with one of other sources, every claim is shown as not run.

mod claim;
mod date;
mod drawing;
mod html;
mod judgement;
mod label;
mod layout;
#[cfg(test)]
mod tests;

use std::fs;

use clap::Args;

use crate::command::Failure;
use crate::record::{Record, Sources, TESTS, Verdict};
use crate::report::Outcome;
use crate::seen::{End, Suite};
use crate::workspace::Workspace;
use claim::{Claim, GROUPS, NOT_SHOWN, Source};
use html::Html;
use judgement::{Finding, Standing};
use layout::{Layout, Mark, What};

const STYLE: &str = include_str!("page/style.css");
/// Drawn unless others are asked for.
const KINDS: [&str; 2] = ["tcpip-xp-sp3-x86", "tcpip-xp-x64"];

/// What to draw.
#[derive(Debug, Default, Args)]
pub(crate) struct Options {
    /// A kind of specimen to draw, instead of one for x86 and one for x64; may be repeated.
    #[arg(long, value_name = "KIND")]
    specimen: Vec<String>,
}

/// Writes `target/report/index.html`.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<Outcome, Failure> {
    let kinds = match &options.specimen[..] {
        [] => KINDS.map(str::to_owned).to_vec(),
        kinds => kinds.to_vec(),
    };
    let layouts: Result<Vec<Layout>, Failure> = kinds
        .iter()
        .map(|kind| Layout::of(workspace, kind))
        .collect();
    let page = Page {
        run: Run::of(Record::read(workspace)?, Sources::now(workspace)?),
        layouts: layouts?,
    };
    let text = page.write();
    let path = workspace.made("report/index.html");
    fs::create_dir_all(workspace.made("report"))?;
    fs::write(&path, &text)?;
    println!("{}", path.display());
    let [holds, skipped, not_run, failed] = page.standings();
    let claims = holds + skipped + not_run + failed;
    Ok(Outcome::Passed(format!(
        "{holds} of {claims} claims hold, {failed} failed, {} not run",
        skipped + not_run
    )))
}

/// What is known of a run.
#[derive(Debug)]
enum Run {
    /// A run of what stands in the repository now.
    Here(Record),
    /// There was none.
    Never,
    /// The last one was of other sources.
    Elsewhere {
        then: Sources,
        began: u64,
        now: Sources,
    },
}

impl Run {
    fn of(record: Option<Record>, now: Sources) -> Self {
        match record {
            None => Self::Never,
            Some(record) if record.sources == now => Self::Here(record),
            Some(record) => Self::Elsewhere {
                then: record.sources,
                began: record.began,
                now,
            },
        }
    }

    fn record(&self) -> Option<&Record> {
        match self {
            Self::Here(record) => Some(record),
            Self::Never | Self::Elsewhere { .. } => None,
        }
    }
}

struct Page {
    run: Run,
    layouts: Vec<Layout>,
}

impl Page {
    /// How many claims hold, were skipped, were not run, failed.
    fn standings(&self) -> [usize; 4] {
        let claims = GROUPS.iter().flat_map(|group| group.claims);
        let mut counts = [0; 4];
        for claim in claims {
            counts[Standing::of_claim(claim, self.run.record()) as usize] += 1;
        }
        counts
    }

    fn write(&self) -> String {
        let mut html = Html::document();
        html.element("html", &[("lang", "en")], |html| {
            html.element("head", &[], |html| {
                html.void("meta", &[("charset", "utf-8")]);
                let fit = "width=device-width, initial-scale=1";
                html.void("meta", &[("name", "viewport"), ("content", fit)]);
                html.void(
                    "meta",
                    &[("name", "color-scheme"), ("content", "light dark")],
                );
                html.leaf("title", &[], "tcplimit: the evidence");
                html.style(STYLE);
            });
            html.element("body", &[], |html| {
                self.head(html);
                html.element("main", &[], |html| {
                    self.claims(html);
                    self.not_shown(html);
                    self.drawings(html);
                    self.steps(html);
                    self.tests(html);
                });
                html.leaf("footer", &[], "Written by cargo xtask report.");
            });
        });
        html.finish()
    }

    fn head(&self, html: &mut Html) {
        html.element("header", &[], |html| {
            html.leaf("h1", &[], "tcplimit: the evidence");
            html.leaf(
                "p",
                &[("class", "lead")],
                "A driver that changes one dword of a running kernel must be able to show why \
                 that is safe. Here is each claim, and what the last run of all tests saw of it.",
            );
            match &self.run {
                Run::Here(record) => self.facts(html, record),
                Run::Never => banner(
                    html,
                    "No run",
                    "There is no record of a run, so no claim is shown to hold. \
                     `cargo xtask test` makes one.",
                ),
                Run::Elsewhere { then, began, now } => {
                    let words = format!(
                        "The last run, of {}, was of {}. What stands here now is {}. So no claim is \
                         shown to hold; `cargo xtask test` runs all.",
                        date::utc(*began),
                        then.describe(),
                        now.describe()
                    );
                    banner(html, "No run of these sources", &words);
                }
            }
        });
    }

    fn facts(&self, html: &mut Html, record: &Record) {
        let [holds, skipped, not_run, failed] = self.standings();
        let sum = record.sum();
        let claims = holds + skipped + not_run + failed;
        let class = match (failed, sum.failed) {
            (0, 0) => "facts",
            _ => "facts bad",
        };
        html.element("dl", &[("class", class)], |html| {
            let mut fact = |name: &str, value: &str| {
                html.element("div", &[], |html| {
                    html.leaf("dt", &[], name);
                    html.leaf("dd", &[], value);
                });
            };
            let other = match (failed, skipped + not_run) {
                (0, 0) => String::new(),
                (failed, 0) => format!(", {failed} failed"),
                (0, missing) => format!(", {missing} not wholly run"),
                (failed, missing) => format!(", {failed} failed, {missing} not wholly run"),
            };
            fact("claims", &format!("{holds} of {claims} hold{other}"));
            let counts = format!(
                "{} passed, {} failed",
                grouped(&sum.passed.to_string()),
                sum.failed
            );
            fact("tests and checks", &counts);
            fact("sources", &record.sources.describe());
            fact("compiler", &record.compiler);
            fact("begun", &date::utc(record.began));
        });
        if !record.complete {
            let words = "It was interrupted, or is still at it: what comes later is not here.";
            banner(html, "A run without an end", words);
        }
    }

    fn claims(&self, html: &mut Html) {
        for group in GROUPS {
            html.element("section", &[], |html| {
                html.leaf("h2", &[], group.title);
                for claim in group.claims {
                    self.claim(html, claim);
                }
            });
        }
    }

    fn claim(&self, html: &mut Html, claim: &Claim) {
        let run = self.run.record();
        let standing = Standing::of_claim(claim, run);
        let class = format!("claim {}", standing.class());
        html.element("article", &[("class", &class)], |html| {
            html.leaf("p", &[("class", "standing")], standing.words());
            html.element("div", &[], |html| {
                html.leaf("h3", &[], &capital(claim.title));
                html.leaf("p", &[], claim.how);
                html.element("ul", &[("class", "evidence")], |html| {
                    for evidence in claim.evidence {
                        let finding = Finding::of(evidence, run);
                        html.element("li", &[("class", finding.standing.class())], |html| {
                            finding_of(html, evidence.source, &finding);
                        });
                    }
                });
            });
        });
    }

    fn not_shown(&self, html: &mut Html) {
        html.element("section", &[], |html| {
            html.leaf("h2", &[], "What no run here can show");
            html.element("dl", &[("class", "limits")], |html| {
                for (title, words) in NOT_SHOWN {
                    html.leaf("dt", &[], title);
                    html.element("dd", &[], |html| prose(html, words));
                }
            });
        });
    }

    fn drawings(&self, html: &mut Html) {
        html.element("section", &[("class", "drawn")], |html| {
            html.leaf("h2", &[], "A driver, and what is looked for in it");
            html.leaf(
                "p",
                &[],
                "Specimens: drivers made by the tests, in the shape of genuine ones, with what the \
                 locator needs where the builder put it and where the locator finds it. Addresses \
                 are hexadecimal: offsets in the file, RVAs in memory. Heights are to one scale, \
                 but nothing is lower than a line.",
            );
            html.element("ul", &[("class", "legend")], |html| {
                for (class, words) in [
                    ("read", "the driver may read it"),
                    ("plain", "there, and never read"),
                    ("paged", "may be paged out"),
                    ("freed", "freed after start-up"),
                ] {
                    html.element("li", &[], |html| {
                        html.leaf("span", &[("class", &format!("key {class}"))], "");
                        html.text(words);
                    });
                }
            });
            html.element("div", &[("class", "drawings")], |html| {
                for layout in &self.layouts {
                    html.element("figure", &[], |html| {
                        html.element("figcaption", &[], |html| {
                            html.leaf("strong", &[], &layout.kind);
                            html.text(&caption(layout));
                        });
                        drawing::draw(html, layout);
                        marks(html, layout);
                    });
                }
            });
        });
    }

    fn steps(&self, html: &mut Html) {
        let Some(record) = self.run.record() else {
            return;
        };
        html.element("section", &[], |html| {
            html.leaf("h2", &[], "The steps of the run");
            html.element("div", &[("class", "wide")], |html| {
                html.element("table", &[("class", "steps")], |html| {
                    row(html, "th", &["step", "", "seconds", "what it said"]);
                    for step in &record.steps {
                        let standing = Standing::of_step(step.verdict);
                        html.element("tr", &[("class", standing.class())], |html| {
                            html.leaf("td", &[], &step.name);
                            let words = match step.verdict {
                                Verdict::Passed => "passed",
                                _ => standing.words(),
                            };
                            html.leaf("td", &[("class", "standing")], words);
                            let seconds = format!("{:.1}", step.seconds);
                            html.leaf("td", &[("class", "number")], &seconds);
                            html.element("td", &[], |html| {
                                html.leaf("span", &[("class", "note")], &step.note);
                                let unsaid = step.seen.figures.iter();
                                figures(html, unsaid.map(|it| (it.name.as_str(), Some(&it.value))));
                            });
                        });
                    }
                });
            });
        });
    }

    fn tests(&self, html: &mut Html) {
        let steps = self.run.record().into_iter().flat_map(|run| &run.steps);
        let suites = steps.flat_map(|step| {
            // Other steps have programs of the same names.
            let of = match step.name.as_str() {
                TESTS => String::new(),
                name => format!("{name}: "),
            };
            let suites = step.seen.suites.iter();
            suites.map(move |suite| (format!("{of}{}", suite.name), suite))
        });
        let suites: Vec<(String, &Suite)> = suites.collect();
        if suites.is_empty() {
            return;
        }
        html.element("section", &[], |html| {
            html.leaf("h2", &[], "Every test, by what it says");
            for (name, suite) in suites {
                let tally = suite.tally();
                let failed = match tally.failed {
                    0 => String::new(),
                    failed => format!(", {failed} failed"),
                };
                // What went wrong is shown without being asked for.
                let open: html::Attributes<'_> = match tally.failed {
                    0 => &[],
                    _ => &[("open", "")],
                };
                let id = [("id", anchor(&name))];
                let id = id.each_ref().map(|(name, value)| (*name, value.as_str()));
                html.element("details", &[&id[..], open].concat(), |html| {
                    let words = format!("{name}: {} passed{failed}", tally.passed);
                    html.leaf("summary", &[], &words);
                    html.element("ul", &[("class", "tests")], |html| {
                        for test in &suite.tests {
                            let (class, end) = match test.end {
                                End::Passed => ("holds", ""),
                                End::Failed => ("failed", " — failed"),
                                End::Ignored => ("skipped", " — left out"),
                            };
                            let words = format!("{}{end}", sentence(&test.name));
                            html.leaf("li", &[("class", class)], &words);
                        }
                    });
                });
            }
        });
    }
}

/// Where something came from, and what it is.
fn finding_of(html: &mut Html, source: Source, finding: &Finding) {
    match source {
        // Tests that did not run are not listed below.
        Source::Suite(name) if finding.standing != Standing::NotRun => {
            html.leaf(
                "a",
                &[("class", "source"), ("href", &format!("#{}", anchor(name)))],
                name,
            );
        }
        Source::Suite(name) | Source::Step(name) => {
            html.leaf("span", &[("class", "source")], name);
        }
    }
    html.element("div", &[], |html| {
        let holds = finding.standing == Standing::Holds;
        if !holds {
            html.leaf("span", &[("class", "standing")], finding.standing.words());
        }
        // Where there are figures the note would say them again.
        if finding.figures.is_empty() || !holds {
            html.leaf("span", &[("class", "note")], &finding.note);
        }
        // Without a run there is nothing to say that the standing does not.
        if finding.figures.iter().any(|(_, value)| value.is_some()) {
            let said = finding.figures.iter();
            figures(html, said.map(|(name, value)| (*name, value.as_ref())));
        }
    });
}

/// Names and values, side by side.
fn figures<'a>(html: &mut Html, figures: impl Iterator<Item = (&'a str, Option<&'a String>)>) {
    let figures: Vec<_> = figures.collect();
    if figures.is_empty() {
        return;
    }
    html.element("dl", &[("class", "figures")], |html| {
        for (name, value) in figures {
            html.element("div", &[], |html| {
                html.leaf("dt", &[], name);
                match value {
                    Some(value) => html.leaf("dd", &[], &grouped(value)),
                    None => html.leaf("dd", &[("class", "absent")], "not in this run"),
                }
            });
        }
    });
}

fn banner(html: &mut Html, title: &str, words: &str) {
    html.element("p", &[("class", "banner")], |html| {
        html.leaf("strong", &[], title);
        html.text(" ");
        prose(html, words);
    });
}

fn caption(layout: &Layout) -> String {
    let size = |bytes: u32| grouped(&bytes.to_string());
    let limit = layout.limit_in_file().map_or_else(
        || "is not in the file, but in the part of .data that is filled with zeros".into(),
        |offset| format!("holds 0 in the file, at {offset:X}"),
    );
    format!(
        " imitates {} for {}: {} bytes, {} in memory. The limit {limit}; start-up code stores {} \
         there, and is then freed.",
        layout.module,
        layout.arch,
        size(layout.file_size),
        size(layout.image_size),
        layout.variables.limit
    )
}

/// The drawing's marks in words.
fn marks(html: &mut Html, layout: &Layout) {
    let mut marks: Vec<&Mark> = layout.marks.iter().collect();
    marks.sort_by_key(|mark| (mark.what, mark.rva));
    html.element("details", &[], |html| {
        html.leaf("summary", &[], "All of it, in bytes");
        html.element("div", &[("class", "wide")], |html| {
            html.element("table", &[("class", "marks")], |html| {
                row(html, "th", &["what", "RVA", "in the file", "bytes"]);
                for mark in marks {
                    let (rva, offset) = (format!("{:X}", mark.rva), format!("{:X}", mark.offset));
                    let what = match mark.what {
                        What::Atomic => "atomic update",
                        what => what.words(),
                    };
                    row(html, "td", &[what, &rva, &offset, &mark.bytes]);
                }
            });
        });
    });
}

fn row(html: &mut Html, cell: &'static str, cells: &[&str]) {
    html.element("tr", &[], |html| {
        for text in cells {
            html.leaf(cell, &[], text);
        }
    });
}

/// Text with `code` in it.
fn prose(html: &mut Html, words: &str) {
    for (at, part) in words.split('`').enumerate() {
        if at % 2 == 0 {
            html.text(part);
        } else {
            html.leaf("code", &[], part);
        }
    }
}

/// A number of five digits or more with commas; all else as it is.
fn grouped(text: &str) -> String {
    if text.len() < 5 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.to_owned();
    }
    let mut grouped = String::new();
    for (at, digit) in text.chars().enumerate() {
        if at > 0 && (text.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// A test's name as the sentence that it is, after the modules that it is in.
fn sentence(name: &str) -> String {
    let Some((modules, last)) = name.rsplit_once("::") else {
        return name.replace('_', " ");
    };
    let modules = modules.trim_end_matches("tests").trim_end_matches("::");
    match modules {
        "" => last.replace('_', " "),
        modules => format!("{modules}: {}", last.replace('_', " ")),
    }
}

fn capital(words: &str) -> String {
    let mut characters = words.chars();
    let first = characters
        .next()
        .map(|first| first.to_uppercase().to_string());
    first.unwrap_or_default() + characters.as_str()
}

fn anchor(suite: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    format!("suite-{}", suite.chars().map(plain).collect::<String>())
}
