//! Requests as bytes and lengths, built and parsed independently of the driver.

use proptest::prelude::{any, prop_oneof};
use proptest::strategy::{Just, Strategy};
use proptest::{collection, option};
use tcplimit_driver::Device;
use tcplimit_protocol::Status;

use crate::kernel::{DeviceId, Number};
use specimen::Module;

/// Bytes of an answer.
pub(super) const ANSWER: usize = 104;
/// Bytes of the legacy record.
pub(super) const RECORD: usize = 16;
/// Output length of programs of 2005.
const USUAL: usize = RECORD + 3072;

/// A program's output length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, arbitrary::Arbitrary, proptest_derive::Arbitrary)]
pub enum Output {
    /// The length that programs use.
    #[proptest(weight = 4)]
    Usual,
    /// Just enough for a record.
    Record,
    /// This many bytes.
    #[proptest(weight = 2)]
    Bytes(#[proptest(strategy = "0u16..600")] u16),
}

/// A request that may be wrong in any way.
#[derive(Debug, Clone, PartialEq, Eq, arbitrary::Arbitrary, proptest_derive::Arbitrary)]
pub struct RawRequest {
    /// The device.
    pub device: DeviceId,
    /// The control code.
    pub code: Code,
    /// The input.
    pub content: Content,
    /// The input's length: cut, or filled up with zeros.
    #[proptest(strategy = "option::weighted(0.4, 0u8..32)")]
    pub length: Option<u8>,
    /// A byte to change: its place, and which bits.
    pub flip: Option<(u8, u8)>,
    /// The output length.
    pub output: Output,
}

/// A control code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, arbitrary::Arbitrary, proptest_derive::Arbitrary)]
pub enum Code {
    /// [`tcplimit_protocol::QUERY`].
    Query,
    /// [`tcplimit_protocol::SET`].
    Set,
    /// [`tcplimit_protocol::RESET`].
    Reset,
    /// 226004h.
    LegacyGet,
    /// 22E008h.
    LegacySet,
    /// One of these with a bit flipped.
    Near(#[proptest(strategy = "0u8..32")] u8),
    /// Any.
    Any(u32),
}

/// The input of a request.
#[derive(Debug, Clone, PartialEq, Eq, arbitrary::Arbitrary, proptest_derive::Arbitrary)]
pub enum Content {
    /// A request to our device: fields behind the header.
    Ours(#[proptest(strategy = "collection::vec(field(), 0..5)")] Vec<u32>),
    /// A legacy record.
    Legacy(Number),
    /// Anything.
    Bytes(Vec<u8>),
}

fn field() -> impl Strategy<Value = u32> {
    prop_oneof![
        Just(4),
        Just(6),
        any::<Number>().prop_map(|Number(number)| number)
    ]
}

/// A request as the I/O manager passes it on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) device: Device,
    pub(super) code: u32,
    pub(super) input: Vec<u8>,
    pub(super) output: usize,
}

/// A parsed request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ParsedRequest {
    pub(super) module: Module,
    pub(super) command: Command,
    /// The answer is a legacy record.
    pub(super) legacy: bool,
}

/// Query or change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Command {
    Query,
    Set {
        limit: u32,
        /// The limit that must be in force.
        expected: Expected,
    },
}

/// The limit that must be in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expected {
    /// 10, or the limit that the driver wrote.
    Own,
    /// Only this.
    Just(u32),
    /// 10, the limit that the driver wrote, or this.
    OwnOr(u32),
}

const QUERY: u32 = 0x22_6400;
const SET: u32 = 0x22_E404;
const RESET: u32 = 0x22_E408;
const LEGACY_GET: u32 = 0x22_6004;
const LEGACY_SET: u32 = 0x22_E008;

impl Request {
    pub(super) fn query(module: Module) -> Request {
        Request::ours(QUERY, &[id(module)])
    }

    pub(super) fn set(module: Module, limit: u32, expected: u32) -> Request {
        Request::ours(SET, &[id(module), limit, expected])
    }

    pub(super) fn reset(module: Module, expected: u32) -> Request {
        Request::ours(RESET, &[id(module), expected])
    }

    pub(super) fn legacy_get(output: Output) -> Request {
        Request {
            device: Device::Legacy,
            code: LEGACY_GET,
            input: Vec::new(),
            output: output.bytes(Device::Legacy),
        }
    }

    pub(super) fn legacy_set(limit: u32, output: Output) -> Request {
        Request {
            code: LEGACY_SET,
            input: legacy_record(limit),
            ..Request::legacy_get(output)
        }
    }

    pub(super) fn raw(raw: &RawRequest) -> Request {
        let mut input = match &raw.content {
            Content::Ours(fields) => ours(fields),
            &Content::Legacy(Number(limit)) => legacy_record(limit),
            Content::Bytes(bytes) => bytes.clone(),
        };
        if let Some(length) = raw.length {
            input.resize(usize::from(length), 0);
        }
        if let Some((place, bits)) = raw.flip
            && !input.is_empty()
        {
            let place = usize::from(place) % input.len();
            input[place] ^= bits;
        }
        let device = raw.device.into();
        Request {
            device,
            code: raw.code.number(),
            input,
            output: raw.output.bytes(device),
        }
    }

    fn ours(code: u32, fields: &[u32]) -> Request {
        Request {
            device: Device::Ours,
            code,
            input: ours(fields),
            output: ANSWER,
        }
    }

    /// Parses the request; the status of a refusal.
    pub(super) fn parse(&self) -> Result<ParsedRequest, Status> {
        let wanted = match (self.device, self.code) {
            (Device::Ours, QUERY) => 3,
            (Device::Ours, SET) => 5,
            (Device::Ours, RESET) => 4,
            (Device::Legacy, LEGACY_GET) => return self.legacy(Command::Query),
            (Device::Legacy, LEGACY_SET) => {
                let limit = self.field(0).filter(|_| self.input.len() >= RECORD);
                let command = Command::Set {
                    limit: limit.ok_or(Status::INFO_LENGTH_MISMATCH)?,
                    expected: Expected::Own,
                };
                return self.legacy(command);
            }
            _ => return Err(Status::INVALID_DEVICE_REQUEST),
        };
        let length = wanted * 4;
        if self.input.len() < length {
            return Err(Status::INFO_LENGTH_MISMATCH);
        }
        if self.field(1) != Some(1) {
            return Err(Status::REVISION_MISMATCH);
        }
        if self.input.len() > length || self.field(0).map(|size| size as usize) != Some(length) {
            return Err(Status::INFO_LENGTH_MISMATCH);
        }
        let module = match self.field(2) {
            Some(4) => Module::Tcpip,
            Some(6) => Module::Tcpip6,
            _ => return Err(Status::INVALID_PARAMETER),
        };
        if self.output < ANSWER {
            return Err(Status::BUFFER_TOO_SMALL);
        }
        let expected = match self.field(wanted - 1) {
            Some(0) | None => Expected::Own,
            Some(expected) => Expected::Just(expected),
        };
        let command = match self.code {
            QUERY => Command::Query,
            SET => Command::Set {
                limit: self.field(3).unwrap_or_default(),
                expected,
            },
            _ => Command::Set {
                limit: 10,
                expected,
            },
        };
        Ok(ParsedRequest {
            module,
            command,
            legacy: false,
        })
    }

    fn legacy(&self, command: Command) -> Result<ParsedRequest, Status> {
        if self.output < RECORD {
            return Err(Status::BUFFER_TOO_SMALL);
        }
        Ok(ParsedRequest {
            module: Module::Tcpip,
            command,
            legacy: true,
        })
    }

    fn field(&self, number: usize) -> Option<u32> {
        dword(&self.input, number * 4)
    }
}

impl Output {
    pub(super) fn bytes(self, device: Device) -> usize {
        match (self, device) {
            (Output::Usual, Device::Legacy) => USUAL,
            (Output::Record, Device::Legacy) => RECORD,
            (Output::Usual | Output::Record, Device::Ours) => ANSWER,
            (Output::Bytes(bytes), _) => usize::from(bytes),
        }
    }
}

impl Code {
    fn number(self) -> u32 {
        match self {
            Code::Query => QUERY,
            Code::Set => SET,
            Code::Reset => RESET,
            Code::LegacyGet => LEGACY_GET,
            Code::LegacySet => LEGACY_SET,
            Code::Near(bit) => SET ^ (1 << (bit % 32)),
            Code::Any(code) => code,
        }
    }
}

/// The little-endian dword at an offset.
pub(super) fn dword(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..)?.get(..4)?;
    bytes.try_into().ok().map(u32::from_le_bytes)
}

fn id(module: Module) -> u32 {
    match module {
        Module::Tcpip => 4,
        Module::Tcpip6 => 6,
    }
}

/// A record: its size, version 1, and fields.
fn ours(fields: &[u32]) -> Vec<u8> {
    let size = u32::try_from(8 + 4 * fields.len()).expect("few fields");
    let all = [size, 1].into_iter().chain(fields.iter().copied());
    all.flat_map(u32::to_le_bytes).collect()
}

fn legacy_record(limit: u32) -> Vec<u8> {
    let fields = [limit, 0xAAAA_AAAA, 0xBBBB_BBBB, 0xCCCC_CCCC];
    fields.into_iter().flat_map(u32::to_le_bytes).collect()
}
