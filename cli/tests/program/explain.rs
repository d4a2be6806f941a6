//! `explain`.

use specimen::{Defect, Spec};

use crate::{Files, run};

#[test]
fn without_a_path_the_specimen_is_explained() {
    let explain = run(["explain"]);
    assert_eq!(explain.code, 0);
    assert!(explain.stdout.contains("It is not Microsoft's"));
}

#[test]
fn each_piece_is_shown_with_its_instructions_on_both_architectures() {
    for (name, spec) in Spec::presets() {
        let built = spec.build();
        let files = Files::new().with("driver.bin", &built.file);
        for arguments in [
            ["explain", "driver.bin"].as_slice(),
            &["explain", "--as-loaded", "driver.bin"],
        ] {
            let explain = files.run(arguments);
            assert_eq!(explain.code, 0, "{name}");
            let text = explain.stdout;
            // Two gates, each with its signed jump.
            assert_eq!(
                text.matches("[limit]").count(),
                3,
                "{name}: two gates, a store\n{text}"
            );
            assert!(
                text.contains("jge ") || text.contains("jle "),
                "{name}\n{text}"
            );
            assert!(text.contains("lock "), "{name}\n{text}");
            assert!(text.contains("[queue]"), "{name}\n{text}");
            assert!(text.contains("call "), "{name}\n{text}");
            let ipv6 = name.starts_with("tcpip6");
            assert_eq!(text.contains("80001082h"), !ipv6, "{name}\n{text}");
            let store = text.lines().last().unwrap();
            assert!(store.contains("[limit], 0Ah"), "{name}: {store}");
        }
    }
}

#[test]
fn missing_evidence_is_marked_and_its_counter_evidence_shown() {
    let spec = Spec {
        defect: Some(Defect::LiveWriter),
        ..Spec::xp_sp3()
    };
    let files = Files::new().with("tcpip.sys", &spec.build().file);
    let explain = files.run(&["explain", "tcpip.sys"]);
    assert_eq!(explain.code, 1);
    let text = explain.stdout;
    assert_eq!(text.matches("NoLiveWriter").count(), 2, "why, and shown");
    let missing = text.split("✗ NoLiveWriter:").nth(1).expect("a mark");
    let writer = missing.lines().nth(2).expect("an instruction");
    assert!(
        writer.contains("mov [limit], ") || writer.contains("[limit]"),
        "{writer}"
    );
}

#[test]
fn a_folder_and_a_missing_file_are_errors() {
    let files = Files::new().with("a/tcpip.sys", b"");
    let folder = files.run(&["explain", "a"]);
    assert_eq!(folder.code, 2);
    assert!(folder.stderr.contains("tcplimit probe -r a"));
    assert_eq!(files.run(&["explain", "nothing"]).code, 3);
    assert_eq!(files.run(&["explain", "a/tcpip.sys"]).code, 3);
}
