//! The window's model over a simulated Windows: its calls, its texts, and that its changes equal
//! the command line's.

use tcplimit_protocol::Reason;
use tcplimit_xp::window::{Model, Order, Remedy, SPAN};
use tcplimit_xp::{Exit, Language, Version, Win32Error};

use crate::machine::{Data, Machine, PARAMETERS, record};
use crate::picture::{USUAL_FONTS, with_language};

/// Ticks one second later.
fn tick(model: &mut Model, machine: &Machine) -> Option<String> {
    machine.now.set(machine.now.get() + 1);
    model.tick(machine).balloon
}

#[test]
fn without_a_driver_the_window_advises_install_and_runs_it_after_a_question() {
    let machine = Machine::new();
    let mut model = Model::new(&machine);
    let head = model.status_pane();
    assert_eq!(head.labels.len(), head.texts.len());
    assert!(head.texts[0].contains("not installed"), "{head:?}");
    assert!(head.advice.contains("Run: tcplimit install"), "{head:?}");
    assert!(model.figures().starts_with("limit ?, half-open ?"));
    assert!(!model.can_set() && !model.has_ipv6());
    assert_eq!(model.remedies(), [Remedy::Install]);
    let change = model.propose_remedy(Remedy::Install);
    assert!(change.question.contains("system32"), "{change:?}");
    assert!(!machine.is_installed(), "nothing is done before the answer");
    let outcome = model.execute(&machine, &change);
    assert_eq!(outcome.exit, Exit::Done, "{outcome:?}");
    assert!(outcome.text.contains("Loaded tcplimit.sys."), "{outcome:?}");
    assert!(machine.is_installed() && model.can_set());
    assert_eq!(model.status_pane().advice, "No problems found.");
    assert_eq!(model.remedies(), []);
    assert!(
        model
            .figures()
            .starts_with("limit 10, half-open 3, queued 0")
    );
}

#[test]
fn a_driver_that_is_not_loaded_is_loaded_and_a_half_installation_mended() {
    let machine = Machine::installed();
    machine.succeeds("unload");
    let mut model = Model::new(&machine);
    assert_eq!(model.remedies(), [Remedy::Load]);
    let load = model.propose_remedy(Remedy::Load);
    assert_eq!(model.execute(&machine, &load).exit, Exit::Done);
    assert!(model.can_set());
    machine.files.borrow_mut().remove(crate::machine::DRIVER);
    model.refresh(&machine);
    assert_eq!(model.remedies(), [Remedy::Install, Remedy::Repair]);
    let repair = model.propose_remedy(Remedy::Repair);
    assert_eq!(model.execute(&machine, &repair).exit, Exit::Done);
    assert!(machine.is_clean());
}

#[test]
fn a_change_is_confirmed_with_its_values_and_runs_the_command_line() {
    let machine = Machine::installed();
    let mut model = Model::new(&machine);
    let change = model.propose_set("100", true, false);
    assert!(
        change.question.contains("from 10 to 100") && change.question.contains("kept after"),
        "{change:?}"
    );
    assert_eq!(change.commands, ["set 100 --persist"]);
    let outcome = model.execute(&machine, &change);
    assert!(
        outcome.text.contains("was 10 and is now 100"),
        "{outcome:?}"
    );
    assert_eq!(machine.limiters.borrow()[0].limit, 100);
    assert_eq!(machine.value(PARAMETERS, "Limit"), Some(Data::Number(100)));

    let change = model.propose_reset(false);
    assert!(
        change.question.contains("from 100 back to 10"),
        "{change:?}"
    );
    assert!(change.question.contains("The stored limit is deleted"));
    assert_eq!(change.commands, ["reset --persist"]);
    assert_eq!(model.execute(&machine, &change).exit, Exit::Done);
    assert_eq!(machine.limiters.borrow()[0].limit, 10);
    assert_eq!(model.propose_reset(false).commands, ["reset"]);
    assert!(
        model
            .propose_set("20", false, false)
            .question
            .contains("until Windows is restarted")
    );
}

#[test]
fn a_limit_of_other_software_is_named_in_the_question() {
    let machine = Machine::installed();
    machine.limiters.borrow_mut()[0].limit = 54;
    let mut model = Model::new(&machine);
    let change = model.propose_set("100", false, false);
    assert!(
        change.question.contains("tcplimit did not set 54"),
        "{change:?}"
    );
    assert_eq!(change.commands, ["set 100 --expect 54"]);
    // The limit changes before the answer.
    machine.limiters.borrow_mut()[0].limit = 55;
    let outcome = model.execute(&machine, &change);
    assert_eq!(outcome.exit, Exit::Refused);
    assert!(
        outcome.text.contains("It is 55, and 54 was expected"),
        "{outcome:?}"
    );
    assert_eq!(machine.limiters.borrow()[0].limit, 55);
}

#[test]
fn refusals_have_the_texts_of_the_command_line() {
    let machine = Machine::installed();
    let mut model = Model::new(&machine);
    for number in ["", "0", "many", "-5", "16777216", "10 --expect 5"] {
        let change = model.propose_set(number, false, false);
        let outcome = model.execute(&machine, &change);
        assert_eq!(outcome.exit, Exit::Usage, "{number}: {outcome:?}");
        assert!(!outcome.text.is_empty());
    }
    assert_eq!(machine.limiters.borrow()[0].limit, 10);
    let output = model
        .execute(&machine, &model.propose_set("0", false, false))
        .text;
    assert_eq!(output, "N must be a number from 1 to 16777215, not \"0\".");
    machine.limiters.borrow_mut()[0].refuses = Reason::PageInvalid;
    let change = model.propose_set("100", false, false);
    let output = model.execute(&machine, &change).text;
    let line = machine.fails("set 100", Exit::Refused);
    assert_eq!(line, format!("tcplimit: {output}"));
}

#[test]
fn ipv6_is_offered_where_it_has_a_limit_and_both_changes_are_confirmed() {
    assert!(!Model::new(&Machine::installed()).has_ipv6());
    let machine = Machine::installed().with_ipv6();
    let mut model = Model::new(&machine);
    assert!(model.has_ipv6());
    let change = model.propose_set("50", false, true);
    assert_eq!(change.commands, ["set 50", "set 50 --ipv6"]);
    assert!(
        change
            .question
            .contains("tcpip6.sys: set the limit from 10 to 50?")
    );
    assert_eq!(model.execute(&machine, &change).exit, Exit::Done);
    assert_eq!(
        machine.limiters.borrow().map(|limiter| limiter.limit),
        [50, 50]
    );
    let labels = model.status_pane().labels.join(" ");
    assert!(labels.contains("IPv6 in memory"), "{labels}");
    assert!(model.status_pane().labels.len() <= 8);
}

#[test]
fn without_rights_the_window_advises_and_offers_run_as() {
    let machine = Machine::installed();
    machine.denied.set(true);
    let mut model = Model::new(&machine);
    assert!(model.is_denied() && !model.can_set());
    assert!(
        model.status_pane().advice.contains("Administrator"),
        "{:?}",
        model.status_pane()
    );
    let change = model.propose_set("100", false, false);
    let outcome = model.execute(&machine, &change);
    assert!(
        outcome.is_denied && outcome.exit == Exit::Unreadable,
        "{outcome:?}"
    );
    assert!(model.tooltip().contains("does not answer"));
}

#[test]
fn a_windows_without_the_limit_is_named_and_the_connections_are_shown() {
    let mut machine = Machine::new();
    machine.version = Version {
        major: 6,
        minor: 1,
        build: 7601,
        service_pack: 1,
    };
    machine
        .tables
        .borrow_mut()
        .insert("owned-v4", table(&[(7, 3)]));
    machine.processes.borrow_mut().push((7, "a.exe", None));
    let mut model = Model::new(&machine);
    tick(&mut model, &machine);
    assert!(
        model.status_pane().advice.contains("ended with Vista SP2"),
        "{:?}",
        model.status_pane()
    );
    assert_eq!(model.remedies(), []);
    assert_eq!(model.rows().len(), 1);
    assert!(model.figures().contains("established 7"));
}

/// A table with half-open connections of processes.
fn table(processes: &[(u32, u32)]) -> Vec<u32> {
    let rows = processes.iter().flat_map(|&(process, count)| {
        (0..count).map(move |port| [3, 0, 0, 0x0100_007F, port + 1, process])
    });
    let rows: Vec<[u32; 6]> = rows.collect();
    let count = u32::try_from(rows.len()).expect("few");
    [count]
        .into_iter()
        .chain(rows.into_iter().flatten())
        .collect()
}

#[test]
fn a_tick_queries_the_driver_once_a_module_and_counts_rates_by_the_second() {
    for machine in [Machine::installed(), Machine::installed().with_ipv6()] {
        let mut model = Model::new(&machine);
        let mut calls = Vec::new();
        for second in 0..3 * SPAN {
            machine.queries.set([0; 2]);
            calls.push(machine.calls_of(|| {
                tick(&mut model, &machine);
            }));
            let [one, other] = machine.queries.get();
            assert_eq!(one, 1, "{second}");
            // Once a minute, all facts include tcpip6.sys.
            assert_eq!(other, u32::from(second % 60 == 59), "{second}");
        }
        calls.sort_unstable();
        // The driver, the stack, the event log, the connections of IPv4 and of IPv6; once a minute
        // also the facts of `status`: files, registry, service manager.
        assert_eq!(calls[calls.len() * 9 / 10], 5, "{calls:?}");
        assert!(calls[calls.len() - 1] <= 40, "{calls:?}");
    }
    let machine = Machine::installed();
    let mut model = Model::new(&machine);
    tick(&mut model, &machine);
    tick(&mut model, &machine);
    assert!(
        model
            .figures()
            .contains("attempts per second 0, failures per second 0")
    );
}

/// The work of the window in one second: a sample, all texts, and the graph.
#[inline(never)]
fn second_of_the_window(model: &mut Model, machine: &Machine) -> usize {
    tick(model, machine);
    let head = model.status_pane();
    let shapes = model.graph(736, 206, &USUAL_FONTS[0]);
    let texts = [head.advice, model.figures(), model.tooltip()];
    texts.iter().map(String::len).sum::<usize>() + shapes.len() + model.rows().len()
}

/// Instructions a second, counted once (x86-64, opt-level 1, with the simulated
/// Windows): 830,000, 570,000 of them for the graph and 130,000 for the sample. By
///
/// ```text
/// valgrind --tool=callgrind --collect-atstart=no --toggle-collect='*second_of_the_window*' \
///     target/debug/deps/program-* an_hour --test-threads=1
/// ```
#[test]
fn an_hour_leaves_no_more_than_five_minutes_do() {
    let machine = Machine::installed();
    let mut tables = machine.tables.borrow_mut();
    tables.insert("owned-v4", table(&[(7, 2), (5, 4)]));
    drop(tables);
    let mut model = Model::new(&machine);
    let mut counts = Vec::new();
    for second in 0..3600 {
        machine.limiters.borrow_mut()[0].half_open = second % 11;
        counts.push(second_of_the_window(&mut model, &machine));
    }
    // The history is full after five minutes; then its drawings repeat.
    let most = |counts: &[usize]| counts.iter().copied().max();
    assert_eq!(most(&counts[600..900]), most(&counts[3300..]));
}

#[test]
fn event_4226_makes_a_balloon_once_in_ten_minutes() {
    let machine = Machine::installed();
    let old = machine.now.get() - 60;
    machine.log.borrow_mut().push(record(old, 4226, "Tcpip"));
    let mut model = Model::new(&machine);
    assert_eq!(tick(&mut model, &machine), None, "it was logged before");
    let mut shown = 0;
    for second in 0..1300 {
        if second % 100 == 50 {
            let at = machine.now.get() + 1;
            machine
                .log
                .borrow_mut()
                .insert(0, record(at, 4226, "Tcpip"));
        }
        shown += usize::from(tick(&mut model, &machine).is_some());
    }
    assert_eq!(shown, 3);
    assert!(
        model.figures().contains("event 4226 in 5 minutes: 3"),
        "{}",
        model.figures()
    );
}

#[test]
fn the_table_is_sorted_and_the_selection_stays_with_its_process() {
    let machine = Machine::installed();
    machine
        .tables
        .borrow_mut()
        .insert("owned-v4", table(&[(7, 2), (5, 4), (9, 1)]));
    for process in [
        (5, "b.exe", Some(r"C:\b.exe")),
        (7, "C.exe", None),
        (9, "a.exe", None),
    ] {
        machine.processes.borrow_mut().push(process);
    }
    let mut model = Model::new(&machine);
    let processes =
        |model: &Model| -> Vec<u32> { model.rows().iter().filter_map(|row| row.process).collect() };
    assert_eq!(processes(&model), [5, 7, 9]);
    assert_eq!(model.rows()[0].line, "4\tb.exe (5)\tC:\\b.exe");
    model.select(Some(1));
    model.sort(Order::Name);
    assert_eq!(processes(&model), [9, 5, 7]);
    assert_eq!(model.selected(), Some(2));
    machine
        .tables
        .borrow_mut()
        .insert("owned-v4", table(&[(7, 2)]));
    tick(&mut model, &machine);
    assert_eq!(model.selected(), Some(0));
    machine
        .tables
        .borrow_mut()
        .insert("owned-v4", table(&[(5, 1)]));
    tick(&mut model, &machine);
    assert_eq!(model.selected(), None);
    model.pause(&machine);
    machine
        .tables
        .borrow_mut()
        .insert("owned-v4", table(&[(7, 2)]));
    tick(&mut model, &machine);
    assert_eq!(processes(&model), [5], "it stands still");
    model.pause(&machine);
    assert_eq!(processes(&model), [7]);
    model.sort(Order::Process);
    assert!(
        model.copied().contains("\r\n2\tC.exe (7)\t\r\n"),
        "{:?}",
        model.copied()
    );
}

#[test]
fn one_row_is_copied_where_one_is_selected() {
    let machine = Machine::installed();
    let mut tables = machine.tables.borrow_mut();
    tables.insert("owned-v4", table(&[(7, 2), (5, 4)]));
    drop(tables);
    for process in [(5, "b.exe", Some(r"C:\b.exe")), (7, "c.exe", None)] {
        machine.processes.borrow_mut().push(process);
    }
    let mut model = Model::new(&machine);
    assert_eq!(model.copied_row(), None);
    model.select(Some(0));
    let row = model.copied_row();
    assert_eq!(row.as_deref(), Some("4\tb.exe (5)\tC:\\b.exe\r\n"));
    model.select(None);
    assert_eq!(model.copied_row(), None);
}

#[test]
fn in_german_all_texts_and_questions_are_german() {
    with_language(Language::German, || {
        let machine = Machine::new();
        let mut model = Model::new(&machine);
        let install = model.propose_remedy(Remedy::Install);
        assert!(install.question.starts_with("Den Treiber installieren?"));
        let outcome = model.execute(&machine, &install);
        assert!(
            outcome.text.contains("tcplimit.sys wurde geladen."),
            "{outcome:?}"
        );
        let head = model.status_pane();
        assert_eq!(head.labels[..2], ["Treiber", "im Speicher"]);
        assert_eq!(head.advice, "Alles in Ordnung.");
        let change = model.propose_set("100", true, false);
        assert_eq!(
            change.question,
            "tcpip.sys: das Limit von 10 auf 100 setzen?\n\
             Es bleibt nach einem Neustart von Windows erhalten."
        );
        // Its commands are the same in any language.
        assert_eq!(change.commands, ["set 100 --persist"]);
        assert_eq!(model.execute(&machine, &change).exit, Exit::Done);
        assert!(model.tooltip().contains("halboffen 3"));
        assert!(
            model
                .figures()
                .starts_with("Limit 100, halboffen 3, wartend 0")
        );
    });
}

#[test]
fn a_limit_that_someone_else_sets_is_shown_in_the_head() {
    let machine = Machine::installed();
    let mut model = Model::new(&machine);
    machine.succeeds("set 77");
    for _ in 0..2 {
        tick(&mut model, &machine);
    }
    assert!(
        model.status_pane().texts[1].starts_with("77 ("),
        "{:?}",
        model.status_pane()
    );
    machine.succeeds("unload");
    for _ in 0..2 {
        tick(&mut model, &machine);
    }
    assert_eq!(model.remedies(), [Remedy::Load]);
    assert!(model.details(&machine).contains("not loaded"));
}

#[test]
fn a_fault_at_any_call_leaves_a_window_with_texts() {
    let machine = Machine::installed();
    let count = {
        machine.succeeds("version");
        let _ = Model::new(&machine);
        machine.calls()
    };
    assert!(count > 20);
    for call in 0..count {
        machine.succeeds("version");
        let model = machine.with_fault(call, Win32Error::NO_SYSTEM_RESOURCES, || {
            Model::new(&machine)
        });
        assert!(!model.status_pane().advice.is_empty(), "{call}");
        assert!(!model.figures().is_empty());
    }
}

#[test]
fn uninstall_deletes_the_settings_of_the_window() {
    let machine = Machine::installed();
    machine
        .settings
        .borrow_mut()
        .insert("HideOnClose".into(), 1);
    assert!(
        machine
            .succeeds("uninstall")
            .contains("Deleted the settings of the window.")
    );
    assert!(machine.settings.borrow().is_empty() && machine.is_clean());
    assert!(!machine.succeeds("uninstall").contains("settings"));
}
