use serde_json::{Value, json};

use super::claim::Evidence;
use super::*;

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

fn sources() -> Sources {
    Sources {
        commit: Some(COMMIT.into()),
        changed: None,
    }
}

fn evidence() -> impl Iterator<Item = &'static Evidence> {
    let claims = GROUPS.iter().flat_map(|group| group.claims);
    claims.flat_map(|claim| claim.evidence)
}

/// A run in which all that is claimed was shown, as its file has it. Each figure
/// is a number that is nowhere else.
fn run() -> Value {
    let mut steps: Vec<Value> = Vec::new();
    let mut suites: Vec<Value> = Vec::new();
    let mut number = 70_001;
    for evidence in evidence() {
        let name = match evidence.source {
            Source::Suite(name) => {
                if !suites.iter().any(|suite| suite["name"] == name) {
                    let tests = json!([{ "name": "of::tests::it_holds", "end": "passed" }]);
                    suites.push(json!({ "name": name, "tests": tests, "finished": true }));
                }
                continue;
            }
            Source::Step(name) => name,
        };
        if !steps.iter().any(|step| step["name"] == name) {
            steps.push(step(name));
        }
        let step = steps.iter_mut().find(|step| step["name"] == name).unwrap();
        for figure in evidence.figures {
            let figures = step["seen"]["figures"].as_array_mut().unwrap();
            figures.push(json!({ "name": figure, "value": number.to_string() }));
            number += 1;
        }
    }
    let mut tests = step("tests");
    tests["seen"]["suites"] = json!(suites);
    steps.push(tests);
    json!({
        "schema": 2,
        "sources": { "commit": COMMIT, "changed": null },
        "compiler": "rustc 1.95.0",
        "began": 1_780_000_000,
        "complete": true,
        "steps": steps,
    })
}

fn step(name: &str) -> Value {
    json!({
        "name": name,
        "verdict": "passed",
        "seconds": 1.0,
        "note": format!("a note of {name}"),
        "passed": 0,
        "failed": 0,
        "ignored": 0,
        "seen": { "figures": [], "suites": [] },
    })
}

/// The same run with a step changed.
fn with(mut run: Value, name: &str, change: impl FnOnce(&mut Value)) -> Value {
    let steps = run["steps"].as_array_mut().unwrap();
    change(steps.iter_mut().find(|step| step["name"] == name).unwrap());
    run
}

fn layout() -> Layout {
    let section = |name: &str, rva: u32, discardable: bool| {
        json!({
            "name": name, "rva": rva, "size": 0x800, "offset": rva, "raw_size": 0x800,
            "discardable": discardable, "pageable": discardable, "read": name == ".text",
        })
    };
    let mark =
        |what: &str, rva: u32| json!({ "what": what, "rva": rva, "offset": rva, "bytes": "F0" });
    let layout = json!({
        "kind": "a-kind", "module": "tcpip.sys", "arch": "x86",
        "file_size": 28_800, "image_size": 28_801, "headers": 0x400,
        "sections": [section(".text", 0x400, false), section(".data", 0xC00, false), section("INIT", 0x1400, true)],
        "variables": { "queue": 0xD00, "threshold": 0xD04, "count": 0xD08, "located": [0xD00, 0xD04, 0xD08], "limit": 10 },
        "marks": [
            mark("gate", 0x500), mark("gate", 0x600), mark("queue test", 0x520), mark("event", 0x580),
            mark("atomic", 0x700), mark("atomic", 0x710), mark("atomic", 0x720), mark("start-up", 0x1410),
        ],
    });
    serde_json::from_value(layout).unwrap()
}

fn page(run: Run) -> Page {
    Page {
        run,
        layouts: vec![layout()],
    }
}

fn page_of(run: Value) -> Page {
    page(Run::of(
        Some(serde_json::from_value(run).unwrap()),
        sources(),
    ))
}

/// The part of a page that is about a claim.
fn article<'a>(page: &'a str, title: &str) -> &'a str {
    let title = format!("<h3>{}</h3>", capital(title).replace('\'', "&#39;"));
    let articles = page.split("<article ").skip(1);
    let article = articles.map(|article| article.split("</article>").next().unwrap());
    article.into_iter().find(|it| it.contains(&title)).unwrap()
}

#[test]
fn each_claim_is_there_with_the_figures_of_the_run() {
    let run = run();
    let text = page_of(run.clone()).write();
    for claim in GROUPS.iter().flat_map(|group| group.claims) {
        let article = article(&text, claim.title);
        assert!(article.starts_with("class=\"claim holds\""), "{article}");
        for evidence in claim.evidence {
            let Source::Step(name) = evidence.source else {
                continue;
            };
            let steps = run["steps"].as_array().unwrap();
            let step = steps.iter().find(|step| step["name"] == name).unwrap();
            for wanted in evidence.figures {
                let figures = step["seen"]["figures"].as_array().unwrap();
                let figure = figures.iter().find(|it| it["name"] == *wanted).unwrap();
                let value = figure["value"].as_str().unwrap();
                let shown = format!("{},{}", &value[..2], &value[2..]);
                let shown = format!("<dd>{shown}</dd>");
                assert_eq!(article.matches(&shown).count(), 1, "{wanted}: {article}");
            }
        }
    }
}

#[test]
fn a_claim_with_a_test_that_failed_is_shown_as_failed_in_red() {
    let failed = with(run(), "tests", |step| {
        step["verdict"] = json!("failed");
        let suites = step["seen"]["suites"].as_array_mut().unwrap();
        let damage = suites
            .iter_mut()
            .find(|suite| suite["name"] == "proof::damage");
        damage.unwrap()["tests"][0]["end"] = json!("failed");
    });
    let page = page_of(failed);
    assert_eq!(page.standings()[Standing::Failed as usize], 1);
    let text = page.write();
    let article = article(&text, "damage never moves the answer");
    assert!(article.starts_with("class=\"claim failed\""), "{article}");
    assert!(article.contains("<li class=\"failed\">") && article.contains("1 of 1 tests failed"));
    assert!(text.contains("class=\"facts bad\"") && text.contains("it holds — failed"));
    let red = STYLE
        .lines()
        .find(|line| line.contains(".claim.failed > .standing"));
    assert!(red.unwrap().contains("color: var(--bad)"));
}

#[test]
fn tests_that_crashed_are_shown_as_failed_though_none_said_so() {
    let crashed = with(run(), "tests", |step| {
        step["seen"]["suites"][0]["finished"] = json!(false);
    });
    let text = page_of(crashed).write();
    let article = article(&text, GROUPS[0].claims[0].title);
    assert!(article.starts_with("class=\"claim failed\""), "{article}");
    assert!(article.contains("crashed after 1 tests"));
}

#[test]
fn a_claim_with_a_step_that_failed_is_shown_as_failed_with_what_it_said() {
    let failed = with(run(), "emulator", |step| {
        step["verdict"] = json!("failed");
        step["note"] = json!("again: cargo xtask emulate --seed 4226 --runs 1");
    });
    let text = page_of(failed).write();
    let article = article(&text, "the driver writes the limit and nothing else");
    assert!(article.starts_with("class=\"claim failed\""), "{article}");
    assert!(article.contains("--seed 4226"));
}

#[test]
fn what_was_skipped_or_not_said_is_not_shown_to_hold() {
    let skipped = with(run(), "wine", |step| step["verdict"] = json!("skipped"));
    let silent = with(run(), "wine", |step| {
        let figures = step["seen"]["figures"].as_array_mut().unwrap();
        figures.retain(|figure| figure["name"] != "x86: checks that hold");
    });
    for (run, class) in [(skipped, "skipped"), (silent, "not-run")] {
        let text = page_of(run).write();
        let article = article(&text, "a loaded driver serves programs of both interfaces");
        let expected = format!("class=\"claim {class}\"");
        assert!(article.starts_with(&expected), "{article}");
    }
}

#[test]
fn without_a_run_of_these_sources_no_claim_holds_and_no_figure_is_shown() {
    let elsewhere = Sources {
        changed: Some("1".into()),
        ..sources()
    };
    let record = serde_json::from_value(run()).unwrap();
    for (run, words) in [
        (Run::of(None, sources()), "There is no record of a run"),
        (Run::of(Some(record), elsewhere), "No run of these sources"),
    ] {
        let page = page(run);
        let [holds, skipped, not_run, failed] = page.standings();
        assert_eq!((holds, skipped, failed), (0, 0, 0));
        let text = page.write();
        assert!(text.contains(words) && !text.contains("href"));
        assert_eq!(text.matches("class=\"claim not-run\"").count(), not_run);
        assert!(!text.contains("70,0"), "a figure of another run");
    }
}

#[test]
fn a_run_that_was_cut_short_says_so() {
    let mut short = run();
    short["complete"] = json!(false);
    assert!(page_of(short).write().contains("A run without an end"));
    assert!(!page_of(run()).write().contains("A run without an end"));
}

#[test]
fn nothing_is_loaded_from_elsewhere() {
    // The emulator's tests have a program of the same name as others.
    let run = with(run(), "emulator", |step| {
        let tests = json!([{ "name": "it_runs", "end": "passed" }]);
        let suite = json!({ "name": "proof::shipped", "tests": tests, "finished": true });
        step["seen"]["suites"] = json!([suite]);
    });
    let text = page_of(run).write();
    for part in text.split(" id=\"").skip(1) {
        let id = part.split('"').next().unwrap();
        assert_eq!(text.matches(&format!(" id=\"{id}\"")).count(), 1, "{id}");
    }
    for loads in [
        "<script", "<link", "<img", "<iframe", "@import", " src=", "//",
    ] {
        assert!(!text.contains(loads), "{loads}");
    }
    // What is linked to is on the page.
    for part in text.split(" href=\"").skip(1) {
        let anchor = part.strip_prefix('#').and_then(|it| it.split('"').next());
        let target = format!("id=\"{}\"", anchor.unwrap());
        assert!(text.contains(&target), "{target}");
    }
    for part in text.split("url(").skip(1) {
        assert!(part.starts_with('#'), "{part:.40}");
    }
}

#[test]
fn what_programs_said_is_never_taken_for_html() {
    const HOSTILE: &str = "<i onclick=\"x\">'&";
    fn poison(value: &mut Value) {
        match value {
            Value::Object(fields) => fields
                .iter_mut()
                .filter(|(key, _)| !["verdict", "end"].contains(&key.as_str()))
                .for_each(|(_, value)| poison(value)),
            Value::Array(values) => values.iter_mut().for_each(poison),
            Value::String(text) => text.push_str(HOSTILE),
            _ => {}
        }
    }
    let mut hostile = run();
    hostile["steps"]
        .as_array_mut()
        .unwrap()
        .iter_mut()
        .for_each(|step| {
            let name = step["name"].clone();
            poison(step);
            step["name"] = name;
        });
    hostile["compiler"] = json!(HOSTILE);
    let text = page_of(hostile).write();
    assert!(!text.contains("<i ") && !text.contains("\"x\""));
    assert!(text.contains("&lt;i onclick=&quot;x&quot;&gt;&#39;&amp;"));
}

#[test]
fn the_drawing_has_each_mark_in_file_and_memory_and_what_may_be_read_shaded() {
    let mut html = Html::default();
    drawing::draw(&mut html, &layout());
    let text = html.finish();
    for (class, count) in [
        ("mark gate", 4),
        ("mark queue", 2),
        ("mark event", 2),
        ("mark atomic", 6),
        ("mark start", 2),
        ("mark limit", 2),
        ("cell", 2),
        ("cell limit", 1),
        // Headers and .text; INIT; .data. In the file nothing is shaded.
        ("section read", 2),
        ("section freed", 1),
        ("section", 5),
    ] {
        let found = text.matches(&format!("class=\"{class}\"")).count();
        assert_eq!(found, count, "{class}");
    }
    for words in [
        ">gate at 500<",
        ">3 atomic updates of the count<",
        ">D04<",
        ">limit, 10<",
    ] {
        assert!(text.contains(words), "{words}");
    }
}

#[test]
fn the_sentence_of_a_test_keeps_the_modules_that_say_more() {
    assert_eq!(sentence("tests::it_holds"), "it holds");
    assert_eq!(sentence("gate::tests::it_holds"), "gate: it holds");
    assert_eq!(sentence("it_holds"), "it holds");
    assert_eq!(grouped("12345"), "12,345");
    assert_eq!(grouped("1234"), "1234");
    assert_eq!(grouped("10.36"), "10.36");
}
