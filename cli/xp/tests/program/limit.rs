//! `get`, `set`, `reset`.

use tcplimit_protocol::Reason;
use tcplimit_xp::{Activity, Exit, Service, Start};

use crate::machine::{Data, Machine, PARAMETERS};

fn start(machine: &Machine) -> Start {
    machine.service_named("TcpLimit").unwrap().start
}

fn stored(machine: &Machine) -> [Option<Data>; 4] {
    ["Limit", "Limit6", "Expect", "Expect6"].map(|value| machine.value(PARAMETERS, value))
}

#[test]
fn get_prints_the_number_alone_for_scripts() {
    let machine = Machine::installed();
    assert_eq!(machine.succeeds("get"), "10\n");
    machine.succeeds("set 100");
    assert_eq!(machine.succeeds("get"), "100\n");
    assert_eq!(
        machine.succeeds("get --all"),
        "tcpip.sys   100\ntcpip6.sys  not loaded\n"
    );
}

#[test]
fn set_prints_the_old_and_new_limit_and_how_to_undo_it() {
    let machine = Machine::installed();
    let output = machine.succeeds("set 100");
    assert!(
        output.starts_with("tcpip.sys: the limit was 10 and is now 100.\n"),
        "{output}"
    );
    assert!(output.contains("To undo it: tcplimit reset"), "{output}");
    assert_eq!(machine.limiters.borrow()[0].limit, 100);
    assert_eq!(stored(&machine), [None, None, None, None]);
    let output = machine.succeeds("set 100");
    assert!(
        output.starts_with("tcpip.sys: the limit is 100, as before.\n"),
        "{output}"
    );
}

#[test]
fn ipv6_selects_tcpip6_and_all_selects_both() {
    let machine = Machine::installed().with_ipv6();
    machine.succeeds("set 50 --ipv6");
    let limits = || machine.limiters.borrow().map(|limiter| limiter.limit);
    assert_eq!(limits(), [10, 50]);
    machine.succeeds("set 60 --all");
    assert_eq!(limits(), [60, 60]);
    machine.succeeds("reset --ipv6");
    assert_eq!(limits(), [60, 10]);
    machine.succeeds("reset --all");
    assert_eq!(limits(), [10, 10]);
}

#[test]
fn ipv6_that_is_not_installed_is_an_error_only_where_it_is_named() {
    let machine = Machine::installed();
    assert!(
        machine
            .succeeds("set 50 --all")
            .contains("tcpip6.sys is not loaded")
    );
    let output = machine.fails("set 50 --ipv6", Exit::Refused);
    assert!(
        output.contains("normal where IPv6 is not installed"),
        "{output}"
    );
    machine.fails("get --ipv6", Exit::Refused);
}

#[test]
fn persist_stores_the_limit_and_loads_the_driver_at_start_and_reset_undoes_both() {
    let machine = Machine::installed();
    machine.succeeds("set 100 --persist");
    assert_eq!(
        stored(&machine),
        [Some(Data::Number(100)), None, None, None]
    );
    assert_eq!(start(&machine), Start::Auto);
    machine.succeeds("reset --persist");
    assert_eq!(stored(&machine), [None, None, None, None]);
    assert_eq!(start(&machine), Start::Demand);
    assert_eq!(machine.limiters.borrow()[0].limit, 10);
}

#[test]
fn while_one_limit_is_stored_the_driver_starts_with_windows() {
    let machine = Machine::installed().with_ipv6();
    machine.succeeds("set 100 --all --persist");
    machine.succeeds("reset --ipv6 --persist");
    assert_eq!(
        stored(&machine),
        [Some(Data::Number(100)), None, None, None]
    );
    assert_eq!(start(&machine), Start::Auto);
    machine.succeeds("reset --persist");
    assert_eq!(start(&machine), Start::Demand);
}

#[test]
fn expect_is_stored_with_its_limit_and_removed_by_the_next() {
    let machine = Machine::installed();
    machine.limiters.borrow_mut()[0].limit = 50;
    let output = machine.fails("set 100", Exit::Refused);
    assert!(
        output.ends_with(
            "It is 50, and 10 was expected. To replace it: tcplimit set 100 --expect 50"
        ),
        "{output}"
    );
    assert_eq!(machine.limiters.borrow()[0].limit, 50);
    machine.succeeds("set 100 --expect 50 --persist");
    assert_eq!(
        stored(&machine),
        [Some(Data::Number(100)), None, Some(Data::Number(50)), None]
    );
    machine.succeeds("set 110 --persist");
    assert_eq!(
        stored(&machine),
        [Some(Data::Number(110)), None, None, None]
    );
}

#[test]
fn a_refusal_names_the_command_that_works() {
    for (line, command) in [
        ("set 100", "set 100 --expect 50"),
        ("set 100 --persist", "set 100 --expect 50 --persist"),
        ("set 100 --expect 54", "set 100 --expect 50"),
        ("set 100 --ipv6", "set 100 --ipv6 --expect 60"),
        ("reset", "reset --expect 50"),
        ("reset --persist", "reset --expect 50 --persist"),
        ("reset --ipv6 --expect 7", "reset --ipv6 --expect 60"),
    ] {
        let machine = Machine::installed().with_ipv6();
        machine.limiters.borrow_mut()[0].limit = 50;
        machine.limiters.borrow_mut()[1].limit = 60;
        let output = machine.fails(line, Exit::Refused);
        let (_, named) = output.split_once("To replace it: tcplimit ").unwrap();
        assert_eq!(named, command, "{line}");
        machine.succeeds(command);
    }
    // Where one of two was changed, the command names the other.
    let machine = Machine::installed().with_ipv6();
    machine.limiters.borrow_mut()[1].limit = 60;
    let output = machine.fails("set 100 --all", Exit::Refused);
    assert!(
        output.ends_with("tcplimit set 100 --ipv6 --expect 60"),
        "{output}"
    );
}

#[test]
fn a_refused_set_is_not_stored_and_its_reason_is_the_drivers() {
    for &reason in Reason::ALL.iter().filter(|&&reason| reason != Reason::Done) {
        let machine = Machine::installed();
        machine.limiters.borrow_mut()[0].refuses = reason;
        let output = machine.fails("set 100 --persist", Exit::Refused);
        assert!(output.contains(reason.text()), "{reason:?}: {output}");
        assert_eq!(stored(&machine), [None, None, None, None]);
        assert_eq!(start(&machine), Start::Demand);
        machine.fails("reset", Exit::Refused);
    }
}

#[test]
fn a_driver_that_another_program_has_loaded_is_used_and_nothing_is_stored_for_it() {
    let machine = Machine::new();
    let legacy_service = Service {
        activity: Activity::Running,
        start: Start::Demand,
        is_quiet: true,
        image: r"E:\Ares\tcpip_patcher.sys".into(),
    };
    let mut services = machine.services.borrow_mut();
    services.insert("tcpip_patcher".into(), legacy_service);
    drop(services);
    machine.succeeds("set 100");
    let output = machine.fails("set 110 --persist", Exit::Unreadable);
    assert!(output.contains("Run: tcplimit install"), "{output}");
    assert_eq!(machine.changes.get(), 0);
    machine.succeeds("reset --persist");
    assert_eq!(machine.limiters.borrow()[0].limit, 10);
    assert!(machine.keys.borrow().is_empty());
}

#[test]
fn reset_forgets_a_stored_limit_also_where_the_driver_is_not_loaded() {
    let machine = Machine::installed();
    machine.succeeds("set 100 --persist");
    machine.succeeds("unload");
    let output = machine.fails("reset --persist", Exit::Unreadable);
    assert!(output.contains("Run: tcplimit load"), "{output}");
    assert!(machine.out.borrow().contains("Deleted the stored limit."));
    assert_eq!(stored(&machine), [None, None, None, None]);
    assert_eq!(start(&machine), Start::Demand);
}

#[test]
fn the_values_are_those_that_the_driver_reads() {
    // docs/driver.md documents the driver's settings under these names.
    let documented = include_str!("../../../../docs/driver.md");
    let machine = Machine::installed().with_ipv6();
    machine.succeeds("set 20 --all --persist --expect 10");
    let keys = machine.keys.borrow();
    let names: Vec<&String> = keys[PARAMETERS].keys().collect();
    assert_eq!(names.len(), 4);
    for name in names {
        assert!(documented.contains(&format!("`{name}`")), "{name}");
    }
}

#[test]
fn json_has_every_field_of_the_answer() {
    let machine = Machine::installed();
    let output = machine.succeeds("set 100 --json");
    let object: serde_json::Value = serde_json::from_str(&output).expect("one object");
    let module = &object["modules"][0];
    assert_eq!(module["module"], "tcpip.sys");
    assert_eq!(module["limit"], 100);
    assert_eq!(module["original"], 10);
    assert_eq!(module["reason"], 0);
    assert_eq!(object["persisted"], false);

    machine.limiters.borrow_mut()[0].refuses = Reason::PageUnknown;
    machine.clear_output();
    assert_eq!(machine.run("set 50 --json"), Exit::Refused);
    let output = machine.out.borrow().clone();
    let object: serde_json::Value = serde_json::from_str(&output).expect("one object");
    assert_eq!(object["exit_code"], 1);
    assert_eq!(object["modules"][0]["reason"], 34);
    assert_eq!(*machine.error.borrow(), "");
}
