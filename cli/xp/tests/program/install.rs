//! `install`, `load`, `unload`, `uninstall`, `repair`.

use tcplimit_protocol::{Reason, State};
use tcplimit_xp::{Activity, Exit, Service, Start, Version, Win32Error};

use crate::machine::{
    DRIVER, Data, EVENTS, Fault, Machine, PARAMETERS, PART, SERVICE_KEY, SOURCE, USERS, X64, XP,
    descriptor,
};

#[test]
fn install_completes_and_prints_each_step() {
    let machine = Machine::new();
    let output = machine.succeeds("install");
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
        assert!(output.contains(step), "{step}: {output}");
    }
}

#[test]
fn the_second_install_changes_nothing() {
    let machine = Machine::installed();
    let output = machine.succeeds("install");
    assert_eq!(machine.changes.get(), 0);
    assert!(output.starts_with("Nothing was done: "), "{output}");
}

#[test]
fn an_upgrade_replaces_the_file_and_keeps_the_start_type() {
    let machine = Machine::installed();
    machine.succeeds("set 100 --persist");
    let newer = [crate::machine::X86, b"newer"].concat();
    machine.files.borrow_mut().insert(SOURCE.into(), newer);
    let output = machine.succeeds("install");
    assert!(
        output.starts_with("Unloaded the previous tcplimit.sys."),
        "{output}"
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
        machine.succeeds("set 100 --persist --expect 10");
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
        let output = machine.succeeds("install");
        assert!(
            output.contains("Registered the service TcpLimit again."),
            "{output}"
        );
        assert!(output.contains("tcpip.sys: the limit is 100."), "{output}");
        assert!(machine.is_installed());
        let service = machine.service_named("TcpLimit").unwrap();
        assert!(service.is_quiet);
        assert_eq!(service.start, Start::Auto);
        for (value, number) in [("Limit", 100), ("Expect", 10)] {
            let kept = machine.value(PARAMETERS, value);
            assert_eq!(kept, Some(Data::Number(number)), "{value}");
        }
        assert!(machine.succeeds("install").starts_with("Nothing was done"));
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
    machine.succeeds("set 100 --persist");
    assert!(machine.service_named("TcpLimit").unwrap().is_quiet);
}

#[test]
fn a_foreign_limit_is_reported_with_the_command_that_replaces_it() {
    let machine = Machine::new();
    machine.limiters.borrow_mut()[0].limit = 50;
    let output = machine.succeeds("install");
    let command = "tcplimit set 100 --expect 50";
    let told =
        format!("tcpip.sys: the limit is 50, not set by tcplimit. To replace it:\n  {command}\n");
    assert!(output.ends_with(&told), "{output}");
    machine.succeeds(command.trim_start_matches("tcplimit "));
    // From then on tcplimit has set it.
    let output = machine.succeeds("install");
    let told = "tcpip.sys: the limit is 100. To change it: tcplimit set 100\n";
    assert!(output.ends_with(told), "{output}");
}

#[test]
fn a_service_that_is_disabled_or_for_another_file_is_mended() {
    for (start, image) in [
        (Start::Disabled, DRIVER),
        (Start::Demand, r"\??\E:\old\tcplimit.sys"),
        (Start::Boot, r"system32\drivers\tcplimit.sys"),
    ] {
        let machine = Machine::installed();
        machine.succeeds("unload");
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
        let output = machine.succeeds("install");
        assert!(
            output.contains("Registered the service TcpLimit again."),
            "{output}"
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
            machine.succeeds("install").starts_with("Nothing was done"),
            "{image}"
        );
    }
}

#[test]
fn a_driver_that_is_missing_damaged_or_for_another_processor_is_not_installed() {
    for (file, exit, says) in [
        (None, Exit::Unreadable, "not beside tcplimit.exe"),
        (Some(&b"<html>"[..]), Exit::Refused, "not a driver"),
        (
            Some(X64),
            Exit::Refused,
            "is for x64, but this Windows is not",
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
        let output = machine.fails("install", exit);
        assert!(output.contains(says), "{output}");
        assert!(machine.is_clean());
        assert_eq!(machine.changes.get(), 0);
    }
}

#[test]
fn a_copy_that_differs_is_rolled_back() {
    let machine = Machine::new();
    machine.corrupts.set(true);
    let output = machine.fails("install", Exit::Unreadable);
    assert!(
        output.contains("The copy differs from the original"),
        "{output}"
    );
    assert!(output.contains("All changes were undone."), "{output}");
    assert!(machine.is_clean());
}

#[test]
fn a_driver_that_does_not_load_is_explained_and_rolled_back() {
    for (error, says) in [
        (Win32Error::ACCESS_DENIED, "other software blocks it"),
        (Win32Error::INVALID_IMAGE_HASH, "blocks tcplimit.sys"),
        (Win32Error::DRIVER_BLOCKED, "blocks tcplimit.sys"),
        (Win32Error::ALREADY_EXISTS, "sc stop tcpip_patcher"),
        (
            Win32Error::FILE_NOT_FOUND,
            "antivirus software may have removed it",
        ),
        (Win32Error::BAD_EXE_FORMAT, "not for this Windows"),
        (Win32Error::SERVICE_DEPENDENCY_FAIL, "TCP/IP"),
        (Win32Error(4711), "net helpmsg 4711"),
    ] {
        let machine = Machine::new();
        machine.load_errors.borrow_mut().push(error);
        let output = machine.fails("install", Exit::Unreadable);
        assert!(output.contains(says), "{output}");
        assert!(machine.is_clean(), "{output}");
    }
}

#[test]
fn a_driver_that_windows_still_holds_is_loaded_later() {
    let machine = Machine::new();
    let reason = "entries wait for the event log. Waiting up to 40 seconds.";
    *machine.load_errors.borrow_mut() = vec![Win32Error::SERVICE_ALREADY_RUNNING; 3];
    let output = machine.succeeds("install");
    assert!(!output.contains(reason), "{output}");
    assert!(machine.is_installed());

    // As after a start of Windows, when the log takes nothing for 30 seconds.
    let machine = Machine::new();
    *machine.load_errors.borrow_mut() = vec![Win32Error::SERVICE_ALREADY_RUNNING; 30 * 4];
    let output = machine.succeeds("install");
    assert_eq!(output.matches(reason).count(), 1, "{output}");
    assert!(machine.is_installed());

    let machine = Machine::new();
    *machine.load_errors.borrow_mut() = vec![Win32Error::SERVICE_ALREADY_RUNNING; 1000];
    let output = machine.fails("install", Exit::Unreadable);
    let seconds = machine.waits.get() / 4;
    assert!((35..=40).contains(&seconds), "{seconds}");
    assert!(
        output.contains("Windows still holds the unloaded tcplimit.sys"),
        "{output}"
    );
    assert!(machine.is_clean());
}

#[test]
fn a_file_that_windows_still_holds_is_replaced_later() {
    let newer = [crate::machine::X86, b"newer"].concat();
    let machine = Machine::installed();
    machine.files.borrow_mut().insert(SOURCE.into(), newer);
    machine.held_tries.set(5);
    machine.succeeds("install");
    assert!(machine.is_installed());

    // It does not matter who unloaded the driver, or for how long Windows holds it.
    machine.succeeds("unload");
    machine.held_tries.set(30 * 4);
    let output = machine.succeeds("uninstall");
    assert!(output.contains("Waiting up to 40 seconds."), "{output}");
    assert!(machine.is_clean());

    // Without a loaded driver it does not wait, because waiting would not help.
    let machine = Machine::new();
    machine.held_tries.set(5);
    let output = machine.fails("install", Exit::Unreadable);
    assert!(output.contains("read-only"), "{output}");
    assert_eq!(machine.held_tries.get(), 4);
    assert!(machine.is_clean());
}

#[test]
fn without_rights_an_administrator_is_asked_for() {
    let calls = {
        let machine = Machine::new();
        machine.succeeds("install");
        machine.calls()
    };
    let mut told = 0;
    for call in 0..calls {
        let machine = Machine::new();
        let denied = Fault::Fails(Win32Error::ACCESS_DENIED);
        if machine.run_with_fault("install", call, denied) == Some(Exit::Unreadable) {
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
        let output = machine.fails(verb, Exit::Refused);
        let zip = format!("tcplimit-{}-winxp-x64.zip", env!("CARGO_PKG_VERSION"));
        assert!(output.contains(&zip), "{verb}: {output}");
        assert_eq!(machine.changes.get(), 0);
    }
    machine.succeeds("version");
    machine.succeeds("help");
}

#[test]
fn unsupported_windows_refuse_all_but_removal() {
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
            let output = machine.fails(verb, Exit::Refused);
            assert!(output.contains(says), "{verb}: {output}");
        }
        machine.succeeds("status");
        machine.succeeds("repair");
        machine.succeeds("unload");
        machine.succeeds("uninstall");
        assert!(machine.is_clean());
    }
}

#[test]
fn a_limit_that_is_not_located_is_reported_after_install_with_advice() {
    let machine = Machine::new();
    machine.limiters.borrow_mut()[0].query = Reason::EvidenceMissing;
    machine.limiters.borrow_mut()[0].state = State::NotLocated;
    // QueueTest, in the order of Evidence.
    machine.limiters.borrow_mut()[0].detail = [1 << 4, 0];
    let output = machine.fails("install", Exit::Refused);
    assert!(
        output.contains("tcplimit.sys is loaded, but tcpip.sys: "),
        "{output}"
    );
    assert!(output.contains("Missing: QueueTest."), "{output}");
    assert!(
        output.contains("tcplimit probe --json > report.txt"),
        "{output}"
    );
    assert!(machine.is_installed());
}

#[test]
fn load_and_unload_do_nothing_the_second_time() {
    let machine = Machine::installed();
    assert_eq!(
        machine.succeeds("load"),
        "Nothing was done: tcplimit.sys is loaded already.\n"
    );
    assert!(
        machine
            .succeeds("unload")
            .starts_with("Unloaded tcplimit.sys.")
    );
    assert_eq!(
        machine.succeeds("unload"),
        "Nothing was done: tcplimit.sys is not loaded.\n"
    );
    assert!(machine.succeeds("load").starts_with("Loaded tcplimit.sys."));
    assert!(machine.is_installed());
}

#[test]
fn a_service_without_its_device_differs_from_a_loaded_one() {
    let machine = Machine::installed();
    machine.zombie.set(true);
    for verb in ["get", "set 100", "watch"] {
        let output = machine.fails(verb, Exit::Unreadable);
        assert!(
            output.contains("runs without its device"),
            "{verb}: {output}"
        );
        assert!(output.contains("run: tcplimit load"), "{verb}: {output}");
    }
    assert_eq!(machine.run("status"), Exit::Unreadable);
    let output = machine.out.borrow().clone();
    let row = "driver       unloaded, but still held; loaded on demand\n";
    assert!(output.contains(row), "{output}");

    let load =
        || *machine.load_errors.borrow_mut() = vec![Win32Error::SERVICE_ALREADY_RUNNING; 1000];
    load();
    let output = machine.fails("load", Exit::Unreadable);
    assert!(output.contains("Windows still holds"), "{output}");
    machine.load_errors.borrow_mut().clear();
    for verb in ["load", "install"] {
        machine.zombie.set(true);
        let output = machine.succeeds(verb);
        assert!(output.contains("Loaded tcplimit.sys."), "{verb}: {output}");
        assert!(machine.succeeds("get") == "10\n" && machine.is_installed());
    }
}

#[test]
fn a_driver_in_use_stays_loaded_with_advice() {
    let machine = Machine::installed();
    machine.in_use.set(true);
    let output = machine.fails("unload", Exit::Refused);
    assert!(output.contains("a program has it open"), "{output}");
}

#[test]
fn before_install_the_other_verbs_advise_to_install() {
    let machine = Machine::new();
    for verb in ["load", "unload", "get", "set 100", "reset", "watch"] {
        let output = machine.fails(verb, Exit::Unreadable);
        assert!(output.contains("Run: tcplimit install"), "{verb}: {output}");
        assert_eq!(machine.changes.get(), 0, "{verb}");
    }
    assert!(machine.succeeds("uninstall").contains("is not installed"));
    assert!(machine.succeeds("repair").contains("left no remnants"));
}

#[test]
fn uninstall_leaves_nothing_and_prints_a_limit_that_stays() {
    let machine = Machine::installed();
    machine.succeeds("set 100 --persist");
    let output = machine.succeeds("uninstall");
    assert!(machine.is_clean());
    assert!(
        output.contains("until Windows is restarted: tcpip.sys has 100."),
        "{output}"
    );
    assert!(
        machine
            .succeeds("uninstall")
            .starts_with("Nothing was done")
    );
}

#[test]
fn repair_keeps_whole_installations_and_removes_partial_ones() {
    let machine = Machine::installed();
    assert!(
        machine
            .succeeds("repair")
            .contains("the installation is complete")
    );
    assert_eq!(machine.changes.get(), 0);
    assert!(machine.is_installed());

    type Break = fn(&Machine);
    let breaks: [Break; 5] = [
        // The file was removed.
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
        machine.succeeds("repair");
        assert!(machine.is_clean(), "{index}");
        machine.succeeds("install");
        assert!(machine.is_installed(), "{index}");
    }
}

#[test]
fn the_key_of_a_known_service_is_left_to_the_service_manager() {
    let machine = Machine::installed();
    machine.lingers.set(true);
    machine.succeeds("uninstall");
    assert!(machine.keys.borrow().contains_key(SERVICE_KEY));
}

#[test]
fn a_key_unknown_to_the_service_manager_is_removed_with_its_subkeys() {
    let machine = Machine::new();
    for key in [SERVICE_KEY, PARAMETERS] {
        machine
            .keys
            .borrow_mut()
            .insert(key.into(), Default::default());
    }
    machine.succeeds("repair");
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
        machine.succeeds("repair");
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
    machine.succeeds(r"install --compat E:\Ares\");
    assert_eq!(machine.file(to), machine.file(SOURCE));
    assert!(machine.services.borrow().is_empty());
    assert!(
        machine
            .succeeds(r"install --compat E:\Ares")
            .starts_with("Nothing was done")
    );

    let machine = Machine::new();
    machine
        .files
        .borrow_mut()
        .insert(to.into(), b"theirs".into());
    let output = machine.succeeds(r"install --compat E:\Ares");
    assert_eq!(machine.file(kept), Some(b"theirs".into()));
    assert!(
        output.contains("rename tcpip_patcher.sys.original back"),
        "{output}"
    );
    // A newer driver of ours does not replace the kept one.
    let newer = [crate::machine::X86, b"newer"].concat();
    machine.files.borrow_mut().insert(SOURCE.into(), newer);
    machine.succeeds(r"install --compat E:\Ares");
    assert_eq!(machine.file(kept), Some(b"theirs".into()));
    assert_eq!(machine.file(to), machine.file(SOURCE));
}

#[test]
fn compat_is_for_32_bit_windows() {
    let mut machine = Machine::new();
    machine.x64 = true;
    machine.files.borrow_mut().insert(SOURCE.into(), X64.into());
    let output = machine.fails(r"install --compat E:\Ares --force", Exit::Refused);
    assert!(
        output.contains("load no driver on 64-bit Windows"),
        "{output}"
    );
    assert!(
        output.contains("they find the device of TcpLimit"),
        "{output}"
    );
    assert_eq!(machine.changes.get(), 0);
    machine.succeeds("install");
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
    let output = machine.fails(r"install --compat E:\Ares\", Exit::Refused);
    assert!(
        output.contains(r"E:\Ares is writable by: Users."),
        "{output}"
    );
    assert!(output.ends_with("or add: --force"), "{output}");
    assert_eq!(machine.changes.get(), 0);
    let output = machine.succeeds(r"install --compat E:\Ares --force");
    assert!(
        output.starts_with(r"Warning: E:\Ares is writable by: Users."),
        "{output}"
    );
    assert!(machine.file(to).is_some());

    let machine = with(None);
    let output = machine.succeeds(r"install --compat E:\Ares");
    let warning = r"Warning: E:\Ares is on a disk without access lists.";
    assert!(output.starts_with(warning), "{output}");
    assert!(machine.file(to).is_some());

    let machine = with(Some(descriptor(0x12_00A9, &USERS)));
    let output = machine.succeeds(r"install --compat E:\Ares");
    assert!(!output.contains("Warning"), "{output}");

    let machine = with(Some(vec![1, 0]));
    let output = machine.fails(r"install --compat E:\Ares", Exit::Unreadable);
    assert!(
        output.contains(r"Can't read the access list of E:\Ares"),
        "{output}"
    );
    assert_eq!(machine.changes.get(), 0);
}

#[test]
fn with_json_the_steps_are_in_one_object() {
    let machine = Machine::new();
    let output = machine.succeeds("install --json");
    let object: serde_json::Value = serde_json::from_str(&output).expect("one object");
    assert_eq!(object["verb"], "install");
    assert_eq!(object["exit_code"], 0);
    assert_eq!(
        object["steps"].as_array().map(Vec::len),
        Some(4),
        "{output}"
    );
    assert!(object["error"].is_null());
}
