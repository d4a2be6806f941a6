//! `cargo xtask report`: docs/claims.md with the results of the last `cargo xtask test`
//! for each piece of evidence, and all of its steps and tests.
//!
//! Without a run of the current sources, every claim is shown as not run.

use std::fs;

use crate::command::Failure;
use crate::figures::{End, Suite};
use crate::last_run::{LastRun, Sources, StepRecord, Verdict};
use crate::summary::Outcome;
use crate::workspace::Workspace;

/// The claims, each with the parts of a run that are its evidence.
const CLAIMS: &str = "docs/claims.md";

/// The standing of a claim or a piece of evidence, from best to worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Standing {
    Holds,
    Skipped,
    NotRun,
    Failed,
}

/// A part of a run that must have passed.
#[derive(Debug, PartialEq)]
enum Evidence<'a> {
    /// A crate's own tests, or `PROGRAM::MODULE` of integration tests.
    Tests(&'a str),
    /// A step, and the figures that it must have reported.
    Step(&'a str, Vec<&'a str>),
}

/// Writes `target/report/claims.md`.
pub(crate) fn run(workspace: &Workspace) -> Result<Outcome, Failure> {
    let claims = fs::read_to_string(workspace.path(CLAIMS))?;
    let now = Sources::now(workspace)?;
    let record = LastRun::read(workspace)?.filter(|record| record.sources == now);
    let (page, counts) = page(&claims, record.as_ref());
    let path = workspace.target("report/claims.md");
    fs::create_dir_all(workspace.target("report"))?;
    fs::write(&path, page)?;
    println!("{}", path.display());
    Ok(Outcome::Passed(counts))
}

/// The page, and the number of claims that hold, in words.
fn page(claims: &str, record: Option<&LastRun>) -> (String, String) {
    let mut sections = claims.split("\n### ");
    let head = sections.next().unwrap_or_default();
    let (title, introduction) = head.split_once('\n').unwrap_or((head, ""));
    let mut body = introduction.to_owned();
    let mut counts = [0; 4];
    for section in sections {
        let (mut worst, mut lines) = (None, Vec::new());
        for line in section.lines().skip(1) {
            match Evidence::of(line) {
                Some(evidence) => {
                    let (standing, details) = evidence.evaluate(record);
                    worst = worst.max(Some(standing));
                    lines.push(format!(
                        "* **{}**: {}{details}",
                        standing.label(),
                        &line[2..]
                    ));
                }
                None => lines.push(line.to_owned()),
            }
        }
        let standing = worst.unwrap_or(Standing::NotRun);
        counts[standing as usize] += 1;
        let title = section.lines().next().unwrap_or_default();
        body += &format!("\n### {title}: {}\n", standing.label());
        body += &(lines.join("\n") + "\n");
    }
    let [holds, skipped, not_run, failed] = counts;
    let counts = format!(
        "{holds} of {} claims hold, {failed} failed, {} not run",
        counts.iter().sum::<usize>(),
        skipped + not_run
    );
    let run = record.map_or_else(
        || "There is no run of these sources; `cargo xtask test` makes one.".into(),
        describe_run,
    );
    let rest = record.map_or_else(String::new, |record| steps(record) + &tests(record));
    (format!("{title}\n\n{counts}.\n{run}\n{body}{rest}"), counts)
}

/// The run, and whether it completed.
fn describe_run(record: &LastRun) -> String {
    let sum = record.sum();
    let end = match record.complete {
        true => "",
        false => " The run is incomplete: later steps are missing.",
    };
    format!(
        "The run, of {} with {}: {} passed, {} failed.{end}",
        record.sources.describe(),
        escape_markdown(&record.compiler),
        sum.passed,
        sum.failed
    )
}

fn steps(record: &LastRun) -> String {
    let mut text = "\n## Steps\n\n| step | | seconds | result |\n|---|---|---|---|\n".to_owned();
    for step in &record.steps {
        let figures = step.observations.figures.iter();
        let figures: Vec<String> = figures
            .map(|it| format!("{}: {}", it.name, it.value))
            .collect();
        text += &format!(
            "| {} | {} | {:.1} | {} |\n",
            step.name,
            Standing::of(step.verdict).label(),
            step.seconds,
            escape_markdown(&format!("{} {}", step.note, figures.join("; ")))
        );
    }
    text
}

fn tests(record: &LastRun) -> String {
    let mut text = "\n## Tests\n".to_owned();
    for suite in record
        .steps
        .iter()
        .flat_map(|step| &step.observations.suites)
    {
        let (standing, counts) = suite_standing(suite);
        text += &format!(
            "\n### {}: {}, {counts}\n\n",
            escape_markdown(&suite.name),
            standing.label()
        );
        for test in &suite.tests {
            let end = match test.end {
                End::Passed => "",
                End::Failed => "**failed**: ",
                End::Ignored => "ignored: ",
            };
            text += &format!("* {end}{}\n", escape_markdown(&test.name.replace('_', " ")));
        }
    }
    text
}

impl<'a> Evidence<'a> {
    /// Parses a line of the claims that names evidence: "* tests `NAME`", or
    /// "* step `NAME`: FIGURE; FIGURE".
    fn of(line: &'a str) -> Option<Self> {
        if let Some(name) = line.strip_prefix("* tests `") {
            return name.strip_suffix('`').map(Self::Tests);
        }
        let (name, figures) = line.strip_prefix("* step `")?.split_once('`')?;
        let figures = figures
            .strip_prefix(": ")
            .map(|it| it.split("; ").collect());
        Some(Self::Step(name, figures.unwrap_or_default()))
    }

    /// Its standing, and the run's results.
    fn evaluate(&self, record: Option<&LastRun>) -> (Standing, String) {
        let found = match (self, record) {
            (Self::Tests(name), Some(record)) => record.suite(name).map(|suite| {
                let (standing, counts) = suite_standing(suite);
                (standing, format!(": {counts}"))
            }),
            (Self::Step(name, figures), Some(record)) => {
                record.step(name).map(|step| step_standing(step, figures))
            }
            (_, None) => None,
        };
        found.unwrap_or((Standing::NotRun, String::new()))
    }
}

fn suite_standing(suite: &Suite) -> (Standing, String) {
    let tests = suite.counts();
    let counts = format!("{} passed, {} failed", tests.passed, tests.failed);
    match (tests.passed, tests.failed) {
        _ if !suite.finished => (Standing::Failed, format!("{counts}, then crashed")),
        (0, 0) => (Standing::NotRun, counts),
        (_, 0) => (Standing::Holds, counts),
        _ => (Standing::Failed, counts),
    }
}

/// The standing of a step; a missing figure counts as not run.
fn step_standing(step: &StepRecord, figures: &[&str]) -> (Standing, String) {
    let mut standing = Standing::of(step.verdict);
    let mut text = format!("\n  * {}", escape_markdown(&step.note));
    for name in figures {
        let value = match step.figure(name) {
            Some(figure) => escape_markdown(&figure.value),
            None => {
                standing = standing.max(Standing::NotRun);
                "not in this run".into()
            }
        };
        text += &format!("\n  * {name}: {value}");
    }
    (standing, text)
}

impl Standing {
    fn of(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Passed => Self::Holds,
            Verdict::Skipped => Self::Skipped,
            Verdict::Failed => Self::Failed,
        }
    }

    fn label(self) -> &'static str {
        match self {
            Self::Holds => "holds",
            Self::Skipped => "skipped",
            Self::NotRun => "not run",
            Self::Failed => "FAILED",
        }
    }
}

/// A text as one line, with Markdown and HTML escaped.
fn escape_markdown(text: &str) -> String {
    let mut escaped = String::new();
    for character in text.trim().chars() {
        match character {
            '\n' | '\r' => escaped.push(' '),
            '<' => escaped += "&lt;",
            '&' => escaped += "&amp;",
            '|' | '*' | '_' | '`' | '[' | '\\' => escaped.extend(['\\', character]),
            _ => escaped.push(character),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::json;

    use super::*;
    use crate::plan::STEPS;

    const TWO: &str = "# Title\n\nWords.\n\n## Group\n\n### first\n\nHow.\n\n* tests `proof::one`\n\
                       \n### second\n\n* tests `proof::one`\n* step `emulator`: runs; writes\n";

    fn run(end: &str, verdict: &str, figures: &[&str]) -> LastRun {
        let figure = |name: &&str| json!({ "name": name, "value": "70001" });
        let figures: Vec<_> = figures.iter().map(figure).collect();
        let suite = json!({
            "name": "proof::one", "finished": end != "crashed",
            "tests": [{ "name": "it_holds", "end": if end == "failed" { end } else { "passed" } }],
        });
        let step = |name: &str, verdict: &str, observations| {
            json!({
                "name": name, "verdict": verdict, "seconds": 1.0, "note": "a <note>",
                "passed": 0, "failed": 0, "ignored": 0, "observations": observations,
            })
        };
        let run = json!({
            "schema": 2, "sources": { "commit": "0123456789abcdef", "changed": null },
            "compiler": "rustc", "complete": true,
            "steps": [
                step("tests", "passed", json!({ "figures": [], "suites": [suite] })),
                step("emulator", verdict, json!({ "figures": figures, "suites": [] })),
            ],
        });
        serde_json::from_value(run).unwrap()
    }

    #[test]
    fn a_claim_has_the_worst_standing_of_its_evidence() {
        let both: &[&str] = &["runs", "writes"];
        for (end, verdict, figures, first, second) in [
            ("passed", "passed", both, "holds", "holds"),
            ("failed", "passed", both, "FAILED", "FAILED"),
            ("crashed", "passed", both, "FAILED", "FAILED"),
            ("passed", "failed", both, "holds", "FAILED"),
            ("passed", "skipped", both, "holds", "skipped"),
            ("passed", "passed", &["runs"], "holds", "not run"),
        ] {
            let (page, _) = page(TWO, Some(&run(end, verdict, figures)));
            assert!(page.contains(&format!("### first: {first}\n")), "{page}");
            assert!(page.contains(&format!("### second: {second}\n")), "{page}");
            assert!(page.contains("runs: 70001") && page.contains("a &lt;note>"));
        }
    }

    #[test]
    fn without_a_run_of_these_sources_no_claim_holds() {
        let (page, counts) = page(TWO, None);
        assert_eq!(counts, "0 of 2 claims hold, 0 failed, 2 not run");
        assert!(page.contains("There is no run of these sources") && !page.contains("passed"));
    }

    #[test]
    fn all_evidence_that_the_claims_name_exists() {
        fn sources(folder: &Path, text: &mut String) {
            for entry in fs::read_dir(folder).unwrap().flatten() {
                let path = entry.path();
                if path.is_dir() {
                    sources(&path, text);
                } else if path.extension().is_some_and(|it| it == "rs")
                    && !path.ends_with("claims_report.rs")
                {
                    *text += &fs::read_to_string(path).unwrap();
                }
            }
        }
        let workspace = Workspace::current();
        let mut text = String::new();
        for folder in [
            "xtask/src",
            "verify/checker/src",
            "verify/examples",
            "verify/emulator/src",
        ] {
            sources(&workspace.path(folder), &mut text);
        }
        let claims = fs::read_to_string(workspace.path(CLAIMS)).unwrap();
        let lines = claims.lines().filter(|line| line.starts_with("* "));
        let evidence: Vec<_> = lines.filter_map(Evidence::of).collect();
        assert!(evidence.len() > 30);
        for evidence in evidence {
            match evidence {
                Evidence::Tests(name) => {
                    let places = match name.split_once("::") {
                        Some((program, module)) => [
                            "driver",
                            "scanner-core",
                            "verify",
                            "verify/checker",
                            "verify/specimen",
                        ]
                        .map(|package| format!("{package}/tests/{program}/{module}.rs"))
                        .to_vec(),
                        None => vec![format!("verify/{name}/src/lib.rs")],
                    };
                    assert!(
                        places.iter().any(|it| workspace.path(it).is_file()),
                        "{name}"
                    );
                }
                Evidence::Step(name, figures) => {
                    assert!(STEPS.iter().any(|step| step.name == name), "{name}");
                    for figure in figures {
                        // The part before the colon is filled in at run time.
                        let name = figure.rsplit(": ").next().unwrap();
                        let texts = [
                            format!("\"{name}\""),
                            format!(": {name}\""),
                            format!(": {name} = "),
                        ];
                        assert!(texts.iter().any(|it| text.contains(it)), "{figure}");
                    }
                }
            }
        }
    }

    #[test]
    fn every_claim_of_the_readme_has_evidence() {
        let workspace = Workspace::current();
        let claims = fs::read_to_string(workspace.path(CLAIMS)).unwrap();
        for section in claims.split("\n### ").skip(1) {
            assert!(
                section.lines().any(|line| Evidence::of(line).is_some()),
                "{section}"
            );
        }
        let readme = fs::read_to_string(workspace.path("README.md")).unwrap();
        let (_, table) = readme.split_once("\n## Why believe it\n").unwrap();
        let (table, _) = table.split_once("\n\n`verify/`").unwrap();
        let rows = table.lines().filter_map(|line| line.strip_prefix("| "));
        let titles: Vec<_> = rows
            .filter_map(|row| row.split(" |").next())
            .skip(1)
            .collect();
        assert!(titles.len() > 5);
        for title in titles {
            assert!(claims.contains(&format!("\n### {title}\n")), "{title}");
        }
    }
}
