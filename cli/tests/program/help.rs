//! Help, completions and manual.

use crate::{Files, run};

const VERBS: [&[&str]; 10] = [
    &["probe"],
    &["explain"],
    &["patch"],
    &["restore"],
    &["status"],
    &["clean"],
    &["corpus", "add"],
    &["corpus", "check"],
    &["completions"],
    &["man"],
];

#[test]
fn every_command_has_a_description_and_examples() {
    for verb in VERBS {
        let help = run(verb.iter().chain(&["--help"]));
        assert_eq!(help.code, 0);
        assert!(help.stdout.contains("Usage: tcplimit "), "{verb:?}");
        let example = format!("Examples:\n  tcplimit {}", verb.join(" "));
        assert!(help.stdout.contains(&example), "{verb:?}: {}", help.stdout);
    }
}

#[test]
fn exit_codes_are_in_the_help() {
    let reports = |verb: &&&[&str]| !["completions", "man"].contains(&verb[0]);
    let verbs: Vec<_> = VERBS.iter().filter(reports).collect();
    assert_eq!(verbs.len(), 8);
    for verb in verbs {
        let help = run(verb.iter().chain(&["--help"])).stdout;
        for code in ["0 ", "1 ", "2 ", "3 ", "130 "] {
            assert!(help.contains(&format!("\n  {code}")), "{verb:?} {code}");
        }
    }
}

#[test]
fn a_wrong_command_line_exits_with_2_and_names_the_error() {
    for (arguments, expected) in [
        (["prob", ""].as_slice(), "probe"),
        (&["probe", "--module", "afd"], "tcpip6"),
        (&["probe", "--threads", "0"], "1..=1024"),
        (&["completions", "cmd"], "powershell"),
        (&["corpus", "add"], "FILE"),
    ] {
        let wrong = run(arguments);
        assert_eq!(wrong.code, 2, "{arguments:?}");
        assert!(
            wrong.stderr.contains(expected),
            "{arguments:?}: {}",
            wrong.stderr
        );
    }
    let nothing = run::<&str>([]);
    assert_eq!(nothing.code, 2);
    assert!(nothing.stderr.contains("Usage"));
}

#[test]
fn the_version_is_printed() {
    let version = run(["--version"]);
    assert_eq!(version.code, 0);
    assert_eq!(
        version.stdout,
        format!("tcplimit {}\n", env!("CARGO_PKG_VERSION"))
    );
}

#[test]
fn there_are_completions_for_every_shell() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = run(["completions", shell]);
        assert_eq!(script.code, 0);
        assert!(script.stdout.contains("as-loaded"), "{shell}");
    }
}

#[test]
fn the_manual_has_the_date_of_the_version() {
    let page = run(["man"]).stdout;
    let title = page.lines().find(|line| line.starts_with(".TH")).unwrap();
    let date = title.split(' ').nth(3).unwrap().trim_matches('"');
    let parts: Vec<&str> = date.split('-').collect();
    assert_eq!(
        parts.iter().map(|part| part.len()).collect::<Vec<_>>(),
        [4, 2, 2],
        "{title}"
    );
    // The date in the changelog, once the version is released.
    let changes = include_str!("../../../CHANGELOG.md");
    let heading = format!("## [{}] - ", env!("CARGO_PKG_VERSION"));
    if let Some((_, released)) = changes.split_once(&heading) {
        assert!(released.starts_with(date), "{title}");
    }
}

#[test]
fn mandoc_accepts_the_manual() {
    let files = Files::new();
    assert_eq!(files.run(&["man", "--output", "man1"]).code, 0);
    for page in std::fs::read_dir(files.path().join("man1")).unwrap() {
        let page = page.unwrap().path();
        let mut command = std::process::Command::new("mandoc");
        let Ok(lint) = command
            .args(["-T", "lint", "-W", "warning"])
            .arg(&page)
            .output()
        else {
            eprintln!("not judged: no mandoc");
            return;
        };
        let output = String::from_utf8_lossy(&lint.stdout) + String::from_utf8_lossy(&lint.stderr);
        assert!(lint.status.success(), "{}: {output}", page.display());
    }
}

#[test]
fn every_command_has_a_manual_page() {
    let page = run(["man"]);
    assert_eq!(page.code, 0);
    page.prints(".TH tcplimit 1");
    let files = Files::new();
    assert_eq!(files.run(&["man", "--output", "man1"]).code, 0);
    for verb in VERBS {
        let name = format!("tcplimit-{}.1", verb.join("-"));
        let page = std::fs::read_to_string(files.path().join("man1").join(&name)).unwrap();
        let title = format!(".TH tcplimit-{} 1", verb.join("-"));
        assert!(page.contains(&title), "{name}: {page}");
        assert!(page.contains(".SH EXAMPLES"), "{name}: {page}");
        assert!(!page.contains(".SH EXTRA"), "{name}");
    }
}
