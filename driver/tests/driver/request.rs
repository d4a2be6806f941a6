//! Malformed requests, and secrecy of addresses.

use simulation::kernel::{
    AddressLayout, CheckedExclusion, Configuration, Fault, ModulePage, System, X64, X86,
};
use simulation::session::{self, Action, Output, Run, Session};
use specimen::{Arch, Module};
use tcplimit_driver::{Device, Driver};
use tcplimit_protocol::{Answer as Record, Status};

use crate::session::{legacy_get, legacy_set, query, reset, set, with};

const QUERY: u32 = 0x22_6400;
const SET: u32 = 0x22_E404;
const RESET: u32 = 0x22_E408;
const GET_2005: u32 = 0x22_6004;
const SET_2005: u32 = 0x22_E008;

fn driver() -> Driver<System<X86>, CheckedExclusion> {
    let kernel = System::start(&Configuration::x86(), AddressLayout::First);
    let exclusion = kernel.exclusion();
    let driver = Driver::new(kernel, exclusion);
    driver.load().expect("it loads");
    driver
}

/// Sends `input` bytes of these fields, with `output` bytes for the answer; the
/// status and the answer's length.
fn send(device: Device, code: u32, fields: &[u32], input: usize, output: usize) -> (Status, usize) {
    let driver = driver();
    let mut buffer: Vec<u8> = fields
        .iter()
        .flat_map(|field| field.to_le_bytes())
        .collect();
    buffer.resize(input, 0xEE);
    buffer.resize(input.max(output), 0xEE);
    let before = buffer.clone();
    let calls = driver.kernel().state().calls();
    let done = driver.control(device, code, &mut buffer, input, output);
    assert_eq!(buffer[done.information..], before[done.information..]);
    if !done.status.is_success() {
        assert_eq!(done.information, 0);
        assert_eq!(
            driver.kernel().state().calls(),
            calls,
            "nothing was looked at"
        );
    }
    (done.status, done.information)
}

#[test]
fn records_of_ours_have_one_length_one_version_and_a_known_module() {
    assert_eq!(size_of::<Record>(), 104);
    for (code, fields) in [
        (QUERY, vec![12, 1, 4]),
        (RESET, vec![16, 1, 6, 0]),
        (SET, vec![20, 1, 4, 100, 0]),
    ] {
        let length = fields.len() * 4;
        let ours = |fields: &[u32], input, output| send(Device::Ours, code, fields, input, output);
        assert_eq!(ours(&fields, length, 104), (Status::SUCCESS, 104));
        assert_eq!(ours(&fields, length, 4096), (Status::SUCCESS, 104));
        for input in (0..64).filter(|&input| input != length) {
            let (status, _) = ours(&fields, input, 104);
            assert_eq!(status, Status::INFO_LENGTH_MISMATCH, "{input} bytes");
        }
        for output in 0..104 {
            assert_eq!(ours(&fields, length, output), (Status::BUFFER_TOO_SMALL, 0));
        }
        for (field, wrong, status) in [
            (0, 0, Status::INFO_LENGTH_MISMATCH),
            (0, 104, Status::INFO_LENGTH_MISMATCH),
            (0, u32::MAX, Status::INFO_LENGTH_MISMATCH),
            (1, 0, Status::REVISION_MISMATCH),
            (1, 2, Status::REVISION_MISMATCH),
            (2, 0, Status::INVALID_PARAMETER),
            (2, 5, Status::INVALID_PARAMETER),
            (2, 0x0000_0104, Status::INVALID_PARAMETER),
        ] {
            let mut fields = fields.clone();
            fields[field] = wrong;
            assert_eq!(ours(&fields, length, 104), (status, 0), "{field}: {wrong}");
        }
    }
}

#[test]
fn records_of_2005_need_sixteen_bytes_and_the_log_is_cut_where_the_room_ends() {
    let fields = [100, 0, 0, 0];
    for output in 0..16 {
        for code in [GET_2005, SET_2005] {
            let (status, _) = send(Device::Legacy, code, &fields, 16, output);
            assert_eq!(status, Status::BUFFER_TOO_SMALL);
        }
    }
    for input in 0..16 {
        let (status, _) = send(Device::Legacy, SET_2005, &fields, input, 3088);
        assert_eq!(status, Status::INFO_LENGTH_MISMATCH);
        // GET ignores its input.
        let (status, _) = send(Device::Legacy, GET_2005, &fields, input, 3088);
        assert_eq!(status, Status::SUCCESS);
    }
    let (_, whole) = send(Device::Legacy, SET_2005, &fields, 16, 3088);
    assert!((40..400).contains(&whole), "{whole}");
    for output in 16..whole + 8 {
        let answered = send(Device::Legacy, SET_2005, &fields, 16, output);
        assert_eq!(answered, (Status::SUCCESS, whole.min(output)));
    }
}

#[test]
fn each_device_refuses_control_codes_of_others() {
    let known = [QUERY, SET, RESET, GET_2005, SET_2005];
    let near = known
        .into_iter()
        .flat_map(|code| (0..32).map(move |bit| code ^ (1 << bit)));
    for code in near.chain(known).chain([0, u32::MAX]) {
        for (device, own) in [(Device::Ours, &known[..3]), (Device::Legacy, &known[3..])] {
            if !own.contains(&code) {
                let answered = send(device, code, &[20, 1, 4, 100, 0], 20, 4096);
                assert_eq!(answered, (Status::INVALID_DEVICE_REQUEST, 0), "{code:X}");
            }
        }
    }
}

/// No dword of an answer may lie in a module's address range, or on x64 be the
/// upper half of such an address.
#[test]
fn no_answer_contains_an_address() {
    let faults = [
        None,
        Some(Fault::AtomicBroken(Module::Tcpip)),
        Some(Fault::PagedOut(Module::Tcpip, ModulePage::Limit)),
        Some(Fault::GateBroken(Module::Tcpip)),
        Some(Fault::ExchangeRefused),
    ];
    let systems = [
        Configuration::x86(),
        Configuration::x64(),
        with("tcpip-xp-sp3-x86"),
        with("tcpip-xp-sp3-x86-SecondCandidate"),
        with("a section elsewhere"),
    ];
    for system in &systems {
        for fault in faults {
            let asked = [
                query(),
                set(100),
                reset(),
                set(0),
                legacy_get(),
                legacy_set(50),
            ];
            let asked = asked.into_iter().chain([
                Action::LegacySet(simulation::kernel::Number(0), Output::Usual),
                Action::Query(Module::Tcpip6),
            ]);
            let happens = fault.map(Action::Happens);
            let steps = [query()].into_iter().chain(happens).chain(asked);
            let session = Session {
                steps: steps.map(Into::into).collect(),
                ..Session::new(system.clone())
            };
            // The same in both layouts, hence without addresses…
            session::check(&session);
            // …and without values in the modules' ranges.
            let answers = match system.arch {
                Arch::X86 => Run::<X86>::session(&session, AddressLayout::First),
                Arch::X64 => Run::<X64>::session(&session, AddressLayout::First),
            };
            for response in answers {
                assert_no_address(system, &response.output);
            }
        }
    }
}

fn assert_no_address(system: &Configuration, output: &[u8]) {
    // The modules' bases in AddressLayout::First.
    let bases: [u64; 2] = match system.arch {
        Arch::X86 => [0xF7A3_B000, 0xF9E1_4000],
        Arch::X64 => [0xFFFF_FADF_E1A2_3000, 0xFFFF_FADF_A5C6_7000],
    };
    let halves = |base: u64| [base & 0xFFFF_FFFF, base >> 32];
    for window in output.windows(4) {
        let value = u64::from(u32::from_le_bytes(window.try_into().expect("four bytes")));
        for [low, high] in bases.map(halves) {
            assert!(!(low..low + 0x10_0000).contains(&value), "{value:X}");
            assert!(high == 0 || value != high, "{value:X}");
        }
    }
}
