//! `probe` on cabinets.

use std::io::{Cursor, Write};
use std::path::Path;

use lzxc::{Encoder, MAX_CHUNK_SIZE, WindowSize};

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

/// A cabinet with one member, compressed by LZX with translated calls, as on Windows setup discs.
pub(crate) fn lzx(name: &str, content: &[u8], window: WindowSize) -> Vec<u8> {
    let mut blocks = Encoder::new(window).encode_stream(&calls_translated(content));
    state_call_translation(&mut blocks[0]);
    let header = |length: usize| u16::try_from(length).unwrap().to_le_bytes();
    let mut data = Vec::new();
    for (block, plain) in blocks.iter().zip(content.chunks(MAX_CHUNK_SIZE)) {
        data.extend([0; 4]);
        data.extend(header(block.len()));
        data.extend(header(plain.len()));
        data.extend(block);
    }

    let before = 36 + 8 + 16 + name.len() + 1;
    let word = |number: usize| u32::try_from(number).unwrap().to_le_bytes();
    let mut cabinet = b"MSCF\0\0\0\0".to_vec();
    cabinet.extend(word(before + data.len()));
    cabinet.extend([0; 4]);
    cabinet.extend(word(44));
    cabinet.extend([0, 0, 0, 0, 3, 1, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
    cabinet.extend(word(before));
    cabinet.extend(header(blocks.len()));
    cabinet.extend([3, u8::try_from(window.bytes().ilog2()).unwrap()]);
    cabinet.extend(word(content.len()));
    cabinet.extend([0; 12]);
    cabinet.extend(name.bytes());
    cabinet.push(0);
    cabinet.extend(data);
    cabinet
}

/// The file size that Microsoft's packer states for call translation, for any file.
const TRANSLATION: i32 = 12_000_000;

/// Translates relative call operands into absolute ones, so that all calls of one function have the
/// same bytes. (Microsoft's packer also looks for calls inside operands that it leaves unchanged;
/// unpackers skip those.)
fn calls_translated(content: &[u8]) -> Vec<u8> {
    let mut content = content.to_vec();
    for (chunk, start) in content
        .chunks_mut(MAX_CHUNK_SIZE)
        .zip((0..).step_by(MAX_CHUNK_SIZE))
    {
        let mut at = 0;
        while at + 10 < chunk.len() {
            if chunk[at] != 0xE8 {
                at += 1;
                continue;
            }
            let place = i32::try_from(start + at).unwrap();
            let operand = &mut chunk[at + 1..at + 5];
            let distance = i32::from_le_bytes((&*operand).try_into().unwrap());
            if (-place..TRANSLATION).contains(&distance) {
                let to = distance + place;
                let to = if to < TRANSLATION {
                    to
                } else {
                    distance - TRANSLATION
                };
                operand.copy_from_slice(&to.to_le_bytes());
            }
            at += 5;
        }
    }
    content
}

/// Puts the translation size at the beginning of a stream: a bit that it is present, and 32 bits.
fn state_call_translation(block: &mut Vec<u8>) {
    let size = TRANSLATION.cast_unsigned();
    let first = u16::from_le_bytes([block[0], block[1]]);
    assert_eq!(first >> 15, 0, "there is none");
    let bits =
        u64::from(0x8000_0000 | size >> 1) << 16 | u64::from(size & 1) << 15 | u64::from(first);
    let words = [bits >> 32, bits >> 16, bits].map(|word| u16::try_from(word & 0xFFFF).unwrap());
    block.splice(..2, words.map(u16::to_le_bytes).concat());
}

#[test]
fn a_driver_from_a_setup_disc_is_located() {
    for cabinet in [
        mszip(&[("tcpip.sys", &xp())]),
        lzx("tcpip.sys", &xp(), WindowSize::KB32),
    ] {
        let files = Files::new().with("TCPIP.SY_", &cabinet);
        let probe = files.run(&["probe", "TCPIP.SY_"]);
        probe.ends_with(0);
        assert!(
            probe
                .stdout
                .starts_with("TCPIP.SY_/tcpip.sys: located, unpatched")
        );
    }
}

#[test]
fn one_hit_in_a_cabinet_is_enough() {
    let members: [(&str, &[u8]); 3] = [("a.txt", b"hello"), ("tcpip.sys", &xp()), ("b.txt", b"")];
    let files = Files::new().with("driver.cab", &mszip(&members));
    let probe = files.run(&["probe", "driver.cab"]);
    assert_eq!(probe.code, 0);
    assert!(probe.stdout.contains("driver.cab/tcpip.sys: located"));
    assert!(
        !probe.stdout.contains("a.txt"),
        "of no interest: {}",
        probe.stdout
    );
    assert!(
        probe
            .stdout
            .contains("1 located in 1 file, 3 members searched")
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
        ["unpatched", "cabinet"]
    );
    assert_eq!(states(&["probe", "--json", "a/other.cab"]), ["unpatched"]);
    let claimed = states(&["probe", "-r", "--json", "--module", "tcpip", "a"]);
    assert_eq!(claimed, ["unpatched", "unpatched", "unpatched"]);
}

#[test]
fn a_damaged_cabinet_is_reported_and_never_crashes() {
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
            .contains("half.cab/tcpip.sys: the cabinet ends before its data does")
    );
}

#[test]
fn nested_cabinets_are_searched_up_to_three_levels() {
    let one = mszip(&[("tcpip.sys", &xp())]);
    let two = mszip(&[("TCPIP.SY_", &one)]);
    let three = mszip(&[("TCPIP.SY_", &two)]);
    let four = mszip(&[("TCPIP.SY_", &three)]);
    let files = Files::new().with("3.cab", &three).with("4.cab", &four);
    let probe = files.run(&["probe", "3.cab"]);
    assert_eq!(probe.code, 0, "{}", probe.stdout);
    let located = "3.cab/TCPIP.SY_/TCPIP.SY_/tcpip.sys: located, unpatched";
    assert!(probe.stdout.starts_with(located), "{}", probe.stdout);
    let probe = files.run(&["probe", "4.cab"]);
    assert_eq!(probe.code, 1);
    assert!(probe.stdout.contains("a cabinet nested too deep"));
}

/// Runs the library on every changed byte; the fuzz target `probe` goes further.
#[test]
fn any_bytes_get_an_answer() {
    let options = tcplimit::probe::Options::default();
    for cabinet in [
        mszip(&[("tcpip.sys", &xp())]),
        lzx("tcpip.sys", &xp(), WindowSize::KB32),
    ] {
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
fn a_cabinet_without_a_module_is_reported_and_verbose_lists_its_members() {
    let members: [(&str, &[u8]); 2] = [("a.txt", b"hello"), ("b.txt", b"")];
    let files = Files::new()
        .with("x.cab", &mszip(&members))
        .with("one.cab", &mszip(&members[..1]));
    let expected = "x.cab: 2 members searched, none is tcpip.sys or tcpip6.sys (";
    for verb in ["probe", "explain"] {
        let run = files.run(&[verb, "x.cab"]);
        assert_eq!(run.code, 1);
        assert!(run.stdout.starts_with(expected), "{verb}: {}", run.stdout);
    }
    let one = files.run(&["probe", "one.cab"]);
    assert!(one.stdout.starts_with("one.cab: 1 member searched, "));
    let verbose = files.run(&["probe", "-v", "x.cab"]);
    assert!(verbose.stdout.contains("x.cab/a.txt: not a PE file"));
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
    assert!(named.stderr.contains("--name is for one build, but 2"));
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
    assert!(all.stdout.contains("x.cab/renamed.bin: added"));
    assert!(all.stdout.contains("x.cab/other.bin: added"));
    let text = std::fs::read_to_string(files.path().join("m.toml")).unwrap();
    assert!(text.starts_with("[[build]]\n"), "{text}");
}

#[test]
fn the_specimen_is_located_in_a_cabinet_of_each_kind() {
    for kind in ["stored", "mszip", "lzx"] {
        let cabinet = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../corpus/cabinets")
            .join(kind)
            .with_extension("cab");
        let run = crate::run([Path::new("probe"), &cabinet]);
        assert_eq!(run.code, 0, "{kind}: {}", run.stderr);
        run.prints("TCPIP6.SYS: located");
    }
}
