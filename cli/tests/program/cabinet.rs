//! `probe` on cabinets.

use std::io::{Cursor, Write};

use crate::{Files, xp};

/// A cabinet with these members, compressed by MSZIP.
pub(crate) fn mszip(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = cab::CabinetBuilder::new();
    let folder = builder.add_folder(cab::CompressionType::MsZip);
    for (name, _) in members {
        folder.add_file(*name);
    }
    let mut writer = builder.build(Cursor::new(Vec::new())).unwrap();
    let mut contents = members.iter().map(|(_, content)| content);
    while let Some(mut file) = writer.next_file().unwrap() {
        file.write_all(contents.next().unwrap()).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// A cabinet with one member of at most 32 KiB, in one LZX block that is not
/// compressed: no library writes the others.
pub(crate) fn lzx(name: &str, content: &[u8]) -> Vec<u8> {
    let size = u32::try_from(content.len()).unwrap();
    // No translation of calls (one bit), block type 3 (three bits), size (24
    // bits), and four bits to fill the second word.
    let head = 3 << 28 | size << 4;
    let mut block = Vec::new();
    block.extend(u16::try_from(head >> 16).unwrap().to_le_bytes());
    block.extend(u16::try_from(head & 0xFFFF).unwrap().to_le_bytes());
    block.extend([1, 0, 0, 0].repeat(3));
    block.extend(content);

    let data = 36 + 8 + 16 + u32::try_from(name.len()).unwrap() + 1;
    let mut cabinet = b"MSCF\0\0\0\0\0\0\0\0\0\0\0\0".to_vec();
    cabinet.extend(44_u32.to_le_bytes());
    cabinet.extend([0, 0, 0, 0, 3, 1, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
    cabinet.extend(data.to_le_bytes());
    // One block, LZX with a window of 2^15 bytes.
    cabinet.extend([1, 0, 3, 15]);
    cabinet.extend(size.to_le_bytes());
    cabinet.extend([0; 12]);
    cabinet.extend(name.bytes());
    cabinet.extend([0, 0, 0, 0, 0]);
    cabinet.extend(u16::try_from(block.len()).unwrap().to_le_bytes());
    cabinet.extend(u16::try_from(size).unwrap().to_le_bytes());
    cabinet.extend(block);
    cabinet
}

#[test]
fn a_driver_from_a_setup_disc_is_located() {
    for cabinet in [mszip(&[("tcpip.sys", &xp())]), lzx("tcpip.sys", &xp())] {
        let files = Files::new().with("TCPIP.SY_", &cabinet);
        let probe = files.run(&["probe", "TCPIP.SY_"]);
        assert_eq!(probe.code, 0, "{}{}", probe.stdout, probe.stderr);
        assert!(
            probe
                .stdout
                .starts_with("TCPIP.SY_:tcpip.sys: located, as shipped")
        );
    }
}

#[test]
fn one_hit_in_a_cabinet_is_enough() {
    let members: [(&str, &[u8]); 3] = [("a.txt", b"hello"), ("tcpip.sys", &xp()), ("b.txt", b"")];
    let files = Files::new().with("driver.cab", &mszip(&members));
    let probe = files.run(&["probe", "driver.cab"]);
    assert_eq!(probe.code, 0);
    assert!(probe.stdout.contains("driver.cab:tcpip.sys: located"));
    assert!(
        !probe.stdout.contains("a.txt"),
        "of no interest: {}",
        probe.stdout
    );
    assert!(
        probe
            .stdout
            .contains("1 located in 1 file, 3 members of cabinets")
    );
    assert_eq!(
        files
            .run(&["probe", "--json", "driver.cab"])
            .objects()
            .len(),
        3
    );
}

#[test]
fn in_folders_only_members_with_likely_names_are_decompressed() {
    let members: [(&str, &[u8]); 2] = [("tcpip.sys", &xp()), ("renamed.bin", &xp())];
    let files = Files::new()
        .with("a/driver.cab", &mszip(&members))
        .with("a/other.cab", &mszip(&members[1..]));
    let states = |arguments: &[&str]| -> Vec<String> {
        let objects = files.run(arguments).objects();
        let states = objects.iter().filter_map(|object| object["state"].as_str());
        states.map(str::to_owned).collect()
    };
    assert_eq!(
        states(&["probe", "-r", "--json", "a"]),
        ["pristine", "cabinet"]
    );
    assert_eq!(states(&["probe", "--json", "a/other.cab"]), ["pristine"]);
    let told = states(&["probe", "-r", "--json", "--module", "tcpip", "a"]);
    assert_eq!(told, ["pristine", "pristine", "pristine"]);
}

#[test]
fn a_damaged_cabinet_is_reported_and_never_a_crash() {
    let cabinet = mszip(&[("tcpip.sys", &xp())]);
    let files = Files::new()
        .with("head.cab", &cabinet[..30])
        .with("half.cab", &cabinet[..cabinet.len() / 2]);
    let head = files.run(&["probe", "head.cab"]);
    assert_eq!(head.code, 3);
    assert!(
        head.stdout
            .contains("the cabinet ends before its tables do")
    );
    let half = files.run(&["probe", "half.cab"]);
    assert_eq!(half.code, 3);
    assert!(
        half.stderr
            .contains("half.cab:tcpip.sys: the cabinet ends before its data does")
    );
}

#[test]
fn a_cabinet_in_a_cabinet_is_told() {
    let inner = mszip(&[("tcpip.sys", &xp())]);
    let files = Files::new().with("outer.cab", &mszip(&[("TCPIP.SY_", &inner)]));
    let probe = files.run(&["probe", "outer.cab"]);
    assert_eq!(probe.code, 1);
    assert!(probe.stdout.contains("a cabinet in a cabinet"));
}

/// The library's own path, byte by byte; the fuzz target `probe` goes further.
#[test]
fn whatever_the_bytes_are_there_is_an_answer() {
    let options = tcplimit::probe::Options::default();
    for cabinet in [mszip(&[("tcpip.sys", &xp())]), lzx("tcpip.sys", &xp())] {
        let (tables, code) = (0..120, (120..cabinet.len()).step_by(101));
        for at in tables.chain(code) {
            for change in [0x01, 0x80, 0xFF] {
                let mut changed = cabinet.clone();
                changed[at] ^= change;
                assert!(!tcplimit::probe::bytes("TCPIP.SY_", &changed, &options).is_empty());
            }
            let cut = &cabinet[..at];
            assert!(!tcplimit::probe::bytes("TCPIP.SY_", cut, &options).is_empty());
        }
    }
}

#[test]
fn a_cabinet_without_a_module_says_so_and_verbose_lists_its_members() {
    let members: [(&str, &[u8]); 2] = [("a.txt", b"hello"), ("b.txt", b"")];
    let files = Files::new()
        .with("x.cab", &mszip(&members))
        .with("one.cab", &mszip(&members[..1]));
    let says = "x.cab: a cabinet of 2 members, none is tcpip.sys or tcpip6.sys (";
    for verb in ["probe", "explain"] {
        let run = files.run(&[verb, "x.cab"]);
        assert_eq!(run.code, 1);
        assert!(run.stdout.starts_with(says), "{verb}: {}", run.stdout);
    }
    let one = files.run(&["probe", "one.cab"]);
    assert!(one.stdout.starts_with("one.cab: a cabinet of 1 member, "));
    let verbose = files.run(&["probe", "-v", "x.cab"]);
    assert!(verbose.stdout.contains("x.cab:a.txt: not a PE file"));
}

#[test]
fn members_of_any_name_are_added_to_a_manifest() {
    let members: [(&str, &[u8]); 3] = [
        ("a.txt", b"hello"),
        ("renamed.bin", &xp()),
        ("other.bin", &crate::patched(50)),
    ];
    let files = Files::new()
        .with("x.cab", &mszip(&members))
        .with("none.cab", &mszip(&members[..1]))
        .with("cut.cab", &mszip(&members)[..30]);
    let add = |arguments: &[&str]| {
        files.run(&[&["corpus", "add", "--manifest", "m.toml"], arguments].concat())
    };
    let named = add(&["--name", "mine", "x.cab"]);
    assert_eq!(named.code, 2);
    assert!(named.stderr.contains("--name names one build, but 2"));
    assert!(!files.path().join("m.toml").exists());

    let cut = add(&["cut.cab"]);
    assert_eq!(cut.code, 3);
    assert!(
        cut.stderr
            .contains("not added: the cabinet ends before its tables do")
    );
    let none = add(&["none.cab"]);
    assert_eq!(none.code, 1);
    assert!(none.stderr.contains("none is tcpip.sys or tcpip6.sys"));

    let all = add(&["x.cab"]);
    assert_eq!(all.code, 0, "{}", all.stderr);
    assert!(all.stdout.contains("x.cab:renamed.bin: added"));
    assert!(all.stdout.contains("x.cab:other.bin: added"));
    let text = std::fs::read_to_string(files.path().join("m.toml")).unwrap();
    assert!(text.starts_with("[[build]]\n"), "{text}");
}
