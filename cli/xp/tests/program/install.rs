//! `install`, `load`, `unload`, `uninstall`, `repair`.

use tcplimit_protocol::{Reason, State};
use tcplimit_xp::{Activity, Exit, Service, Start, Version, Win32};

use crate::machine::{
    DRIVER, Data, EVENTS, Fault, Machine, PARAMETERS, PART, SERVICE_KEY, SOURCE, USERS, X64, XP,
    descriptor,
};

#[test]
fn after_install_all_is_there_and_each_step_was_told() {
    let machine = Machine::new();
    let said = machine.done("install");
    assert!(machine.is_installed());
    let service = machine.service_named("TcpLimit").unwrap();
    assert_eq!(service.start, Start::Demand);
    for step in [
        "Copied tcplimit.sys to C:\\WINDOWS\\system32\\drivers\\tcplimit.sys.",
        "Registered the service TcpLimit",
        "Registered its messages for Event Viewer.",
        "Loaded tcplimit.sys.",
        "To undo it: tcplimit uninstall",
        "tcpip.sys: the limit is 10.",
    ] {
        assert!(said.contains(step), "{step}: {said}");
    }
}

#[test]
fn the_second_install_changes_nothing() {
    let machine = Machine::installed();
    let said = machine.done("install");
    assert_eq!(machine.changes.get(), 0);
    assert!(said.starts_with("Nothing was done: "), "{said}");
}

#[test]
fn an_upgrade_replaces_the_file_and_keeps_what_starts_with_windows() {
    let machine = Machine::installed();
    machine.done("set 100 --persist");
    let newer = [crate::machine::X86, b"newer"].concat();
    machine.files.borrow_mut().insert(SOURCE.into(), newer);
    let said = machine.done("install");
    assert!(
        said.starts_with("Unloaded the tcplimit.sys that was installed before."),
        "{said}"
    );
    assert!(machine.is_installed());
    assert_eq!(
        machine.service_named("TcpLimit").unwrap().start,
        Start::Auto
    );
}

#[test]
fn an_upgrade_from_0_1_0_keeps_limit_and_settings_and_makes_the_service_quiet() {
    for newer in [false, true] {
        let machine = Machine::installed();
        machine.done("set 100 --persist --expect 10");
        machine
            .services
            .borrow_mut()
            .get_mut("TcpLimit")
            .unwrap()
            .is_quiet = false;
        if newer {
            let newer = [crate::machine::X86, b"newer"].concat();
            machine.files.borrow_mut().insert(SOURCE.into(), newer);
        }
        let said = machine.done("install");
        assert!(
            said.contains("Registered the service TcpLimit anew."),
            "{said}"
        );
        assert!(said.contains("tcpip.sys: the limit is 100."), "{said}");
        assert!(machine.is_installed());
        let service = machine.service_named("TcpLimit").unwrap();
        assert!(service.is_quiet);
        assert_eq!(service.start, Start::Auto);
        for (value, number) in [("Limit", 100), ("Expect", 10)] {
            let kept = machine.value(PARAMETERS, value);
            assert_eq!(kept, Some(Data::Number(number)), "{value}");
        }
        assert!(machine.done("install").starts_with("Nothing was done"));
    }
}

#[test]
fn a_service_that_starts_with_windows_from_now_on_is_quiet() {
    let machine = Machine::installed();
    let change = |is_quiet| {
        let mut services = machine.services.borrow_mut();
        services.get_mut("TcpLimit").unwrap().is_quiet = is_quiet;
    };
    change(false);
    machine.done("set 100 --persist");
    assert!(machine.service_named("TcpLimit").unwrap().is_quiet);
}

#[test]
fn a_limit_that_is_not_ours_is_told_with_the_command_that_replaces_it() {
    let machine = Machine::new();
    machine.limiters.borrow_mut()[0].limit = 50;
    let said = machine.done("install");
    let command = "tcplimit set 100 --expect 50";
    let told = format!(
        "tcpip.sys: the limit is 50, which tcplimit has not set. To replace it:\n  {command}\n"
    );
    assert!(said.ends_with(&told), "{said}");
    machine.done(command.trim_start_matches("tcplimit "));
    // From then on it is ours.
    let said = machine.done("install");
    let told = "tcpip.sys: the limit is 100. To change it: tcplimit set 100\n";
    assert!(said.ends_with(told), "{said}");
}

#[test]
fn a_service_that_is_disabled_or_for_another_file_is_mended() {
    for (start, image) in [
        (Start::Disabled, DRIVER),
        (Start::Demand, r"\??\E:\old\tcplimit.sys"),
        (Start::Boot, r"system32\drivers\tcplimit.sys"),
    ] {
        let machine = Machine::installed();
        machine.done("unload");
        let broken = Service {
            activity: Activity::Stopped,
            start,
            is_quiet: true,
            image: image.into(),
        };
        machine
            .services
            .borrow_mut()
            .insert("TcpLimit".into(), broken);
        let said = machine.done("install");
        assert!(
            said.contains("Registered the service TcpLimit anew."),
            "{said}"
        );
        assert!(machine.is_installed(), "{image}");
    }
}

#[test]
fn a_path_in_the_registrys_form_is_the_same_file() {
    for image in [
        r"\??\C:\WINDOWS\system32\drivers\tcplimit.sys",
        r"\SystemRoot\System32\drivers\tcplimit.sys",
        r"system32\DRIVERS\tcplimit.sys",
    ] {
        let machine = Machine::installed();
        machine
            .services
            .borrow_mut()
            .get_mut("TcpLimit")
            .unwrap()
            .image = image.into();
        assert!(
            machine.done("install").starts_with("Nothing was done"),
            "{image}"
        );
    }
}

#[test]
fn a_driver_that_is_missing_damaged_or_for_another_processor_is_not_installed() {
    for (file, exit, says) in [
        (None, Exit::Unreadable, "not beside tcplimit.exe"),
        (Some(&b"<html>"[..]), Exit::Refused, "is no driver"),
        (
            Some(X64),
            Exit::Refused,
            "is for x64, and this Windows is not",
        ),
    ] {
        let machine = Machine::new();
        match file {
            None => machine.files.borrow_mut().remove(SOURCE),
            Some(bytes) => machine
                .files
                .borrow_mut()
                .insert(SOURCE.into(), bytes.into()),
        };
        let said = machine.fails("install", exit);
        assert!(said.contains(says), "{said}");
        assert!(machine.is_clean());
        assert_eq!(machine.changes.get(), 0);
    }
}

#[test]
fn a_copy_that_differs_is_taken_back() {
    let machine = Machine::new();
    machine.corrupts.set(true);
    let said = machine.fails("install", Exit::Unreadable);
    assert!(said.contains("The copy is not what was copied"), "{said}");
    assert!(said.contains("All that was done was taken back."), "{said}");
    assert!(machine.is_clean());
}

#[test]
fn what_keeps_the_driver_from_being_loaded_is_told_and_all_is_taken_back() {
    for (error, says) in [
        (Win32::ACCESS_DENIED, "other software blocks it"),
        (Win32::INVALID_IMAGE_HASH, "blocks tcplimit.sys"),
        (Win32::DRIVER_BLOCKED, "blocks tcplimit.sys"),
        (Win32::ALREADY_EXISTS, "sc stop tcpip_patcher"),
        (
            Win32::FILE_NOT_FOUND,
            "antivirus software may have taken it away",
        ),
        (Win32::BAD_EXE_FORMAT, "not the one for this Windows"),
        (Win32::SERVICE_DEPENDENCY_FAIL, "TCP/IP"),
        (Win32(4711), "net helpmsg 4711"),
    ] {
        let machine = Machine::new();
        machine.loads.borrow_mut().push(error);
        let said = machine.fails("install", Exit::Unreadable);
        assert!(said.contains(says), "{said}");
        assert!(machine.is_clean(), "{said}");
    }
}

#[test]
fn a_driver_that_windows_still_holds_on_to_is_loaded_a_little_later() {
    let machine = Machine::new();
    let reason = "entries wait for the event log. Waiting for up to 40 seconds.";
    *machine.loads.borrow_mut() = vec![Win32::SERVICE_ALREADY_RUNNING; 3];
    let said = machine.done("install");
    assert!(!said.contains(reason), "{said}");
    assert!(machine.is_installed());

    // As after a start of Windows, where the log takes nothing for 30 seconds.
    let machine = Machine::new();
    *machine.loads.borrow_mut() = vec![Win32::SERVICE_ALREADY_RUNNING; 30 * 4];
    let said = machine.done("install");
    assert_eq!(said.matches(reason).count(), 1, "{said}");
    assert!(machine.is_installed());

    let machine = Machine::new();
    *machine.loads.borrow_mut() = vec![Win32::SERVICE_ALREADY_RUNNING; 1000];
    let said = machine.fails("install", Exit::Unreadable);
    let seconds = machine.waits.get() / 4;
    assert!((35..=40).contains(&seconds), "{seconds}");
    assert!(
        said.contains("Windows still holds on to the tcplimit.sys"),
        "{said}"
    );
    assert!(machine.is_clean());
}

#[test]
fn a_file_that_windows_still_holds_on_to_after_an_unload_is_replaced_a_little_later() {
    let newer = [crate::machine::X86, b"newer"].concat();
    let machine = Machine::installed();
    machine.files.borrow_mut().insert(SOURCE.into(), newer);
    machine.held.set(5);
    machine.done("install");
    assert!(machine.is_installed());

    // Nor does it matter who unloaded the driver, nor for how long.
    machine.done("unload");
    machine.held.set(30 * 4);
    let said = machine.done("uninstall");
    assert!(said.contains("Waiting for up to 40 seconds."), "{said}");
    assert!(machine.is_clean());

    // Where there was no driver nobody waits: it will not get better.
    let machine = Machine::new();
    machine.held.set(5);
    let said = machine.fails("install", Exit::Unreadable);
    assert!(said.contains("read-only"), "{said}");
    assert_eq!(machine.held.get(), 4);
    assert!(machine.is_clean());
}

#[test]
fn who_is_no_administrator_is_told_so() {
    let calls = {
        let machine = Machine::new();
        machine.done("install");
        machine.calls()
    };
    let mut told = 0;
    for call in 0..calls {
        let machine = Machine::new();
        let denied = Fault::Fails(Win32::ACCESS_DENIED);
        if machine.run_with("install", call, denied) == Some(Exit::Unreadable) {
            let error = machine.error.borrow();
            assert!(error.contains("Administrator"), "{call}: {error}");
            told += 1;
        }
    }
    assert!(told > 10, "{told}");
}

#[test]
fn the_program_for_32_bits_refuses_a_64_bit_windows() {
    let mut machine = Machine::new();
    machine.wow64 = true;
    for verb in [
        "install",
        "load",
        "unload",
        "uninstall",
        "repair",
        "status",
        "get",
        "set 50",
    ] {
        let said = machine.fails(verb, Exit::Refused);
        let zip = format!("tcplimit-{}-winxp-x64.zip", env!("CARGO_PKG_VERSION"));
        assert!(said.contains(&zip), "{verb}: {said}");
        assert_eq!(machine.changes.get(), 0);
    }
    machine.done("version");
    machine.done("help");
}

#[test]
fn another_windows_is_refused_but_for_what_takes_an_installation_away() {
    let vista = Version {
        major: 6,
        minor: 0,
        build: 6001,
        service_pack: 1,
    };
    let old = Version {
        service_pack: 1,
        ..XP
    };
    for (version, says) in [(vista, "not supported"), (old, "came with XP SP2")] {
        let mut machine = Machine::installed();
        machine.version = version;
        for verb in ["install", "load", "get", "set 50", "reset", "watch"] {
            let said = machine.fails(verb, Exit::Refused);
            assert!(said.contains(says), "{verb}: {said}");
        }
        machine.done("status");
        machine.done("repair");
        machine.done("unload");
        machine.done("uninstall");
        assert!(machine.is_clean());
    }
}

#[test]
fn installed_where_the_limit_is_not_located_it_says_so_and_how_to_report_it() {
    let machine = Machine::new();
    machine.limiters.borrow_mut()[0].query = Reason::EvidenceMissing;
    machine.limiters.borrow_mut()[0].state = State::NotLocated;
    // QueueTest, by the order of Evidence.
    machine.limiters.borrow_mut()[0].detail = [1 << 4, 0];
    let said = machine.fails("install", Exit::Refused);
    assert!(
        said.contains("tcplimit.sys is loaded, but tcpip.sys: "),
        "{said}"
    );
    assert!(said.contains("Missing: QueueTest."), "{said}");
    assert!(
        said.contains("tcplimit probe --json > report.txt"),
        "{said}"
    );
    assert!(machine.is_installed());
}

#[test]
fn load_and_unload_do_nothing_the_second_time() {
    let machine = Machine::installed();
    assert_eq!(
        machine.done("load"),
        "Nothing was done: tcplimit.sys is loaded already.\n"
    );
    assert!(machine.done("unload").starts_with("Unloaded tcplimit.sys."));
    assert_eq!(
        machine.done("unload"),
        "Nothing was done: tcplimit.sys is not loaded.\n"
    );
    assert!(machine.done("load").starts_with("Loaded tcplimit.sys."));
    assert!(machine.is_installed());
}

#[test]
fn a_service_that_runs_without_its_device_is_told_from_one_that_is_loaded() {
    let machine = Machine::installed();
    machine.zombie.set(true);
    for verb in ["get", "set 100", "watch"] {
        let said = machine.fails(verb, Exit::Unreadable);
        assert!(said.contains("its device is gone"), "{verb}: {said}");
        assert!(said.contains("run: tcplimit load"), "{verb}: {said}");
    }
    assert_eq!(machine.run("status"), Exit::Unreadable);
    let said = machine.out.borrow().clone();
    let row = "driver       unloaded, and still held; loaded on demand\n";
    assert!(said.contains(row), "{said}");

    let load = || *machine.loads.borrow_mut() = vec![Win32::SERVICE_ALREADY_RUNNING; 1000];
    load();
    let said = machine.fails("load", Exit::Unreadable);
    assert!(said.contains("Windows still holds on to"), "{said}");
    machine.loads.borrow_mut().clear();
    for verb in ["load", "install"] {
        machine.zombie.set(true);
        let said = machine.done(verb);
        assert!(said.contains("Loaded tcplimit.sys."), "{verb}: {said}");
        assert!(machine.done("get") == "10\n" && machine.is_installed());
    }
}

#[test]
fn a_driver_in_use_is_not_unloaded_and_who_uses_it_is_asked_for() {
    let machine = Machine::installed();
    machine.in_use.set(true);
    let said = machine.fails("unload", Exit::Refused);
    assert!(said.contains("a program has it open"), "{said}");
}

#[test]
fn before_install_the_other_verbs_say_what_to_do() {
    let machine = Machine::new();
    for verb in ["load", "unload", "get", "set 100", "reset", "watch"] {
        let said = machine.fails(verb, Exit::Unreadable);
        assert!(said.contains("Run: tcplimit install"), "{verb}: {said}");
        assert_eq!(machine.changes.get(), 0, "{verb}");
    }
    assert!(machine.done("uninstall").contains("is not installed"));
    assert!(machine.done("repair").contains("nothing is left of it"));
}

#[test]
fn after_uninstall_nothing_is_left_and_a_limit_that_stays_is_told() {
    let machine = Machine::installed();
    machine.done("set 100 --persist");
    let said = machine.done("uninstall");
    assert!(machine.is_clean());
    assert!(
        said.contains("until Windows is restarted: tcpip.sys has 100."),
        "{said}"
    );
    assert!(machine.done("uninstall").starts_with("Nothing was done"));
}

#[test]
fn repair_leaves_what_is_whole_and_removes_what_is_not() {
    let machine = Machine::installed();
    assert!(machine.done("repair").contains("the installation is whole"));
    assert_eq!(machine.changes.get(), 0);
    assert!(machine.is_installed());

    type Break = fn(&Machine);
    let breaks: [Break; 5] = [
        // The file was taken away.
        |machine| drop(machine.files.borrow_mut().remove(DRIVER)),
        // A copy was interrupted.
        |machine| drop(machine.files.borrow_mut().insert(PART.into(), vec![1])),
        // The event source was not registered.
        |machine| drop(machine.keys.borrow_mut().remove(EVENTS)),
        // The service was deleted by hand.
        |machine| drop(machine.services.borrow_mut().remove("TcpLimit")),
        // It was disabled.
        |machine| {
            let mut services = machine.services.borrow_mut();
            services.get_mut("TcpLimit").unwrap().start = Start::Disabled;
        },
    ];
    for (index, break_it) in breaks.into_iter().enumerate() {
        let machine = Machine::installed();
        break_it(&machine);
        machine.done("repair");
        assert!(machine.is_clean(), "{index}");
        machine.done("install");
        assert!(machine.is_installed(), "{index}");
    }
}

#[test]
fn the_key_of_a_service_that_is_still_known_is_left_to_the_service_manager() {
    let machine = Machine::installed();
    machine.lingers.set(true);
    machine.done("uninstall");
    assert!(machine.keys.borrow().contains_key(SERVICE_KEY));
}

#[test]
fn a_key_that_the_service_manager_does_not_know_is_removed_with_what_is_below() {
    let machine = Machine::new();
    for key in [SERVICE_KEY, PARAMETERS] {
        machine
            .keys
            .borrow_mut()
            .insert(key.into(), Default::default());
    }
    machine.done("repair");
    assert!(machine.is_clean());
}

#[test]
fn a_service_of_2005_is_removed_only_where_its_file_is_gone_and_it_does_not_run() {
    let image = r"C:\Program Files\Ares\tcpip_patcher.sys";
    for (there, activity, removed) in [
        (false, Activity::Stopped, true),
        (true, Activity::Stopped, false),
        (false, Activity::Running, false),
    ] {
        let machine = Machine::installed();
        let service = Service {
            activity,
            start: Start::Demand,
            is_quiet: true,
            image: format!(r"\??\{image}"),
        };
        machine
            .services
            .borrow_mut()
            .insert("tcpip_patcher".into(), service);
        if there {
            machine.files.borrow_mut().insert(image.into(), vec![0]);
        }
        machine.done("repair");
        assert_eq!(machine.service_named("tcpip_patcher").is_none(), removed);
        assert!(machine.is_installed());
    }
}

#[test]
fn compat_puts_the_driver_beside_a_program_and_keeps_the_one_that_was_there() {
    let (to, kept) = (
        r"E:\Ares\tcpip_patcher.sys",
        r"E:\Ares\tcpip_patcher.sys.original",
    );
    let machine = Machine::new();
    machine.done(r"install --compat E:\Ares\");
    assert_eq!(machine.file(to), machine.file(SOURCE));
    assert!(machine.services.borrow().is_empty());
    assert!(
        machine
            .done(r"install --compat E:\Ares")
            .starts_with("Nothing was done")
    );

    let machine = Machine::new();
    machine
        .files
        .borrow_mut()
        .insert(to.into(), b"theirs".into());
    let said = machine.done(r"install --compat E:\Ares");
    assert_eq!(machine.file(kept), Some(b"theirs".into()));
    assert!(
        said.contains("rename tcpip_patcher.sys.original back"),
        "{said}"
    );
    // A newer one of ours does not take its place.
    let newer = [crate::machine::X86, b"newer"].concat();
    machine.files.borrow_mut().insert(SOURCE.into(), newer);
    machine.done(r"install --compat E:\Ares");
    assert_eq!(machine.file(kept), Some(b"theirs".into()));
    assert_eq!(machine.file(to), machine.file(SOURCE));
}

#[test]
fn compat_is_for_32_bit_windows() {
    let mut machine = Machine::new();
    machine.x64 = true;
    machine.files.borrow_mut().insert(SOURCE.into(), X64.into());
    let said = machine.fails(r"install --compat E:\Ares --force", Exit::Refused);
    assert!(said.contains("load no driver on a 64-bit one"), "{said}");
    assert!(said.contains("they find the device of TcpLimit"), "{said}");
    assert_eq!(machine.changes.get(), 0);
    machine.done("install");
}

#[test]
fn compat_refuses_a_folder_that_any_user_can_write_to_and_warns_of_a_disk_without_lists() {
    let folder = r"E:\Ares";
    let to = r"E:\Ares\tcpip_patcher.sys";
    let with = |list: Option<Vec<u8>>| {
        let machine = Machine::new();
        machine.access.borrow_mut().insert(folder.into(), list);
        machine
    };
    let writable = || with(Some(descriptor(0x1F_01FF, &USERS)));
    let machine = writable();
    let said = machine.fails(r"install --compat E:\Ares\", Exit::Refused);
    assert!(
        said.contains(r"E:\Ares can be written to by: Users."),
        "{said}"
    );
    assert!(said.ends_with("or add: --force"), "{said}");
    assert_eq!(machine.changes.get(), 0);
    let said = machine.done(r"install --compat E:\Ares --force");
    assert!(
        said.starts_with(r"Warning: E:\Ares can be written to by: Users."),
        "{said}"
    );
    assert!(machine.file(to).is_some());

    let machine = with(None);
    let said = machine.done(r"install --compat E:\Ares");
    let warning = r"Warning: E:\Ares is on a disk without access lists.";
    assert!(said.starts_with(warning), "{said}");
    assert!(machine.file(to).is_some());

    let machine = with(Some(descriptor(0x12_00A9, &USERS)));
    let said = machine.done(r"install --compat E:\Ares");
    assert!(!said.contains("Warning"), "{said}");

    let machine = with(Some(vec![1, 0]));
    let said = machine.fails(r"install --compat E:\Ares", Exit::Unreadable);
    assert!(
        said.contains(r"Can't read the access list of E:\Ares"),
        "{said}"
    );
    assert_eq!(machine.changes.get(), 0);
}

#[test]
fn with_json_the_steps_are_in_one_object() {
    let machine = Machine::new();
    let said = machine.done("install --json");
    let object: serde_json::Value = serde_json::from_str(&said).expect("one object");
    assert_eq!(object["verb"], "install");
    assert_eq!(object["exit_code"], 0);
    assert_eq!(object["steps"].as_array().map(Vec::len), Some(4), "{said}");
    assert!(object["error"].is_null());
}
