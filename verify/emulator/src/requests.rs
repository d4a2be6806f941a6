//! Requests of programs to the two devices.

use scanner_core::Module;
use tcplimit_driver::Device;
use tcplimit_protocol::{Answer, Header, ModuleId, QUERY, Query, RESET, Reset, SET, Set, legacy};
use zerocopy::{FromBytes, IntoBytes};

use crate::irp::{Completed, DEVICE_CONTROL, Request};
use crate::random::Random;

/// Length of an answer in bytes.
#[expect(clippy::cast_possible_truncation, reason = "a hundred bytes")]
pub const ANSWER: u32 = size_of::<Answer>() as u32;
/// Length of the output buffer of programs for the 2005 driver.
pub const LEGACY: u32 = 16 + 3072;

/// Queries the state of a module's limit.
#[must_use]
pub fn query(module: Module) -> Request {
    let query = Query {
        header: Header::for_record::<Query>(),
        module: id(module),
    };
    Request::control(Device::Ours, QUERY, query.as_bytes(), ANSWER)
}

/// Sets a limit; `expected` is 0 for none.
#[must_use]
pub fn set(module: Module, limit: u32, expected: u32) -> Request {
    let set = Set {
        header: Header::for_record::<Set>(),
        module: id(module),
        limit: limit.into(),
        expected: expected.into(),
    };
    Request::control(Device::Ours, SET, set.as_bytes(), ANSWER)
}

/// Resets the limit to 10; `expected` is 0 for none.
#[must_use]
pub fn reset(module: Module, expected: u32) -> Request {
    let reset = Reset {
        header: Header::for_record::<Reset>(),
        module: id(module),
        expected: expected.into(),
    };
    Request::control(Device::Ours, RESET, reset.as_bytes(), ANSWER)
}

/// Queries the limit through the 2005 interface.
#[must_use]
pub fn legacy_get() -> Request {
    Request::control(Device::Legacy, legacy::GET, &[], LEGACY)
}

/// Sets the limit through the 2005 interface.
#[must_use]
pub fn legacy_set(limit: u32) -> Request {
    let record = legacy::Record {
        limit: limit.into(),
        ..legacy::Record::default()
    };
    Request::control(Device::Legacy, legacy::SET, record.as_bytes(), LEGACY)
}

fn id(module: Module) -> ModuleId {
    match module {
        Module::Tcpip => ModuleId::TCPIP,
        Module::Tcpip6 => ModuleId::TCPIP6,
    }
}

/// The answer to a request to our device; `None` for other requests.
#[must_use]
pub fn parse_answer(request: &Request, completed: &Completed) -> Option<Answer> {
    let ours = request.device == Device::Ours && request.major == DEVICE_CONTROL;
    Answer::read_from_bytes(&completed.output)
        .ok()
        .filter(|_| ours)
}

/// The change that a well-formed request asks for: module, new limit, and expected
/// value (0 for none).
#[must_use]
pub fn requested_change(request: &Request) -> Option<(Module, u32, u32)> {
    let input = request.input.as_slice();
    let (module, limit, expected) = match (request.device, request.code) {
        _ if request.major != DEVICE_CONTROL => return None,
        (Device::Ours, SET) => {
            let set = Set::read_from_bytes(input).ok()?;
            (set.module, set.limit.get(), set.expected.get())
        }
        (Device::Ours, RESET) => {
            let reset = Reset::read_from_bytes(input).ok()?;
            (reset.module, 10, reset.expected.get())
        }
        (Device::Legacy, legacy::SET) => {
            let (record, _) = legacy::Record::read_from_prefix(input).ok()?;
            (ModuleId::TCPIP, record.limit.get(), 0)
        }
        _ => return None,
    };
    let modules = [Module::Tcpip, Module::Tcpip6];
    let module = modules.into_iter().find(|&of| id(of) == module)?;
    Some((module, limit, expected))
}

/// Limits inside and outside the range.
pub const LIMITS: [u32; 14] = [
    0,
    1,
    2,
    10,
    10,
    50,
    100,
    1000,
    65_534,
    0x00FF_FFFE,
    0x00FF_FFFF,
    0x0100_0000,
    0x8000_0000,
    u32::MAX,
];

/// A random request with one mutation.
#[must_use]
pub fn mutated_request(random: &mut Random) -> Request {
    let module = random.pick(&Module::ALL);
    let limit = random.pick(&LIMITS);
    let mut request = match random.below(6) {
        0 => query(module),
        1 => set(module, limit, random.clone().pick(&LIMITS)),
        2 => reset(module, limit),
        3 => legacy_get(),
        4 => legacy_set(limit),
        _ => {
            let length = random.below(40);
            let input = random.bytes(usize::try_from(length).expect("a few"));
            let code = random.pick(&[QUERY, SET, RESET, legacy::GET, legacy::SET]);
            Request::control(Device::Ours, code, &input, ANSWER)
        }
    };
    match random.below(8) {
        0 => request.device = random.pick(&Device::ALL),
        1 => request.code ^= 1 << random.below(32),
        2 => request.output = random.below(200),
        3 => request.output = random.pick(&[0, 15, 16, 17, ANSWER - 1, ANSWER, ANSWER + 1]),
        4 => {
            let length = usize::try_from(random.below(24)).expect("a few");
            request.input.resize(length, 0);
        }
        5 => {
            let place = random.below(64);
            let place = usize::try_from(place).expect("a few");
            if let Some(byte) = request.input.get_mut(place) {
                *byte ^= 1 << random.below(8);
            }
        }
        6 => request.code = u32::try_from(random.word() >> 32).expect("32 bits"),
        _ => request.input.push(0),
    }
    request
}
