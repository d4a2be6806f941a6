//! Requests of clients: parsing and completion.

use scanner_core::Module;
use scanner_core::policy::PRISTINE_LIMIT;
use tcplimit_protocol::{
    Answer, QUERY, Query, RESET, Reason, Request, Reset, SET, Set, State, Status, legacy,
};
use zerocopy::{FromBytes, IntoBytes};

use crate::driver::{Command, Driver, Expected, module};
use crate::event::Event;
use crate::kernel::{Device, Kernel};
use crate::lock::Exclusion;
use crate::message::Message;
use crate::outcome::Outcome;
use crate::text::Text;

/// The completion of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Completion {
    /// The status for the client.
    pub status: Status,
    /// Bytes of the buffer that the system copies to the client.
    pub information: usize,
}

impl Completion {
    fn new(done: Result<usize, Status>) -> Completion {
        match done {
            Ok(information) => Completion {
                status: Status::SUCCESS,
                information,
            },
            Err(status) => Completion {
                status,
                information: 0,
            },
        }
    }
}

impl<K: Kernel, E: Exclusion> Driver<K, E> {
    /// Handles an open of a device. A name behind the device's, or an open
    /// relative to another file, is refused: such opens bypass the device's own
    /// access check.
    #[must_use]
    pub fn open(&self, relative: bool) -> Status {
        if relative {
            Status::OBJECT_NAME_NOT_FOUND
        } else {
            Status::SUCCESS
        }
    }

    /// Handles a control code. `buffer` holds `input` bytes from the client and
    /// takes up to `output` bytes for it.
    pub fn control(
        &self,
        device: Device,
        code: u32,
        buffer: &mut [u8],
        input: usize,
        output: usize,
    ) -> Completion {
        let done = match device {
            Device::Ours => self.answer(code, buffer, input, output),
            Device::Legacy => self.legacy(code, buffer, input, output),
        };
        Completion::new(done)
    }

    /// A request to our own device: a record in, an [`Answer`] out.
    fn answer(
        &self,
        code: u32,
        buffer: &mut [u8],
        input: usize,
        output: usize,
    ) -> Result<usize, Status> {
        let given = buffer.get(..input).ok_or(Status::INVALID_PARAMETER)?;
        let (module, command) = parse_request(code, given)?;
        // Checked before any change, so that no change goes unreported.
        let place = buffer
            .get_mut(..output)
            .and_then(|out| out.get_mut(..size_of::<Answer>()))
            .ok_or(Status::BUFFER_TOO_SMALL)?;
        self.serve(module, command, |answer| {
            place.copy_from_slice(answer.as_bytes());
        });
        Ok(size_of::<Answer>())
    }

    /// A request to the legacy device, about tcpip.sys: a record and a log out.
    fn legacy(
        &self,
        code: u32,
        buffer: &mut [u8],
        input: usize,
        output: usize,
    ) -> Result<usize, Status> {
        let command =
            parse_legacy_request(code, buffer.get(..input).ok_or(Status::INVALID_PARAMETER)?)?;
        let out = buffer
            .get_mut(..output)
            .filter(|out| out.len() >= size_of::<legacy::Record>())
            .ok_or(Status::BUFFER_TOO_SMALL)?;
        let length = self.serve(Module::Tcpip, command, |answer| {
            let done = answer.reason.get() == Reason::Done.code();
            let record = legacy::Record {
                limit: answer.limit,
                half_open: answer.half_open,
                error: u32::from(!done).into(),
                log: [0; 4],
            };
            record
                .write_to_prefix(out)
                .map_err(|_| Status::BUFFER_TOO_SMALL)?;
            let log = out.get_mut(legacy::LOG_OFFSET..).unwrap_or_default();
            Ok(write_log(&mut Text::new(log), answer, command))
        })?;
        let used = legacy::LOG_OFFSET.saturating_add(length);
        Ok(used.max(size_of::<legacy::Record>()))
    }
}

/// Parses a request to our own device.
fn parse_request(code: u32, input: &[u8]) -> Result<(Module, Command), Status> {
    let (id, command) = match code {
        QUERY => (Query::read(input)?.module, Command::Query),
        SET => {
            let set = Set::read(input)?;
            let command = Command::Set {
                limit: set.limit.get(),
                expected: expected_value(set.expected.get()),
            };
            (set.module, command)
        }
        RESET => {
            let reset = Reset::read(input)?;
            let command = Command::Set {
                limit: PRISTINE_LIMIT,
                expected: expected_value(reset.expected.get()),
            };
            (reset.module, command)
        }
        _ => return Err(Status::INVALID_DEVICE_REQUEST),
    };
    Ok((module(id)?, command))
}

/// Parses a request to the legacy device.
fn parse_legacy_request(code: u32, input: &[u8]) -> Result<Command, Status> {
    match code {
        legacy::GET => Ok(Command::Query),
        legacy::SET => {
            let (record, _) = legacy::Record::read_from_prefix(input)
                .map_err(|_| Status::INFO_LENGTH_MISMATCH)?;
            Ok(Command::Set {
                limit: record.limit.get(),
                expected: Expected::Own,
            })
        }
        _ => Err(Status::INVALID_DEVICE_REQUEST),
    }
}

/// An expected limit of 0 leaves it to the driver.
fn expected_value(expected: u32) -> Expected {
    match expected {
        0 => Expected::Own,
        expected => Expected::Just(expected),
    }
}

/// Writes the legacy log; its length with the NUL.
fn write_log(text: &mut Text<'_>, answer: &Answer, command: Command) -> usize {
    let reason = Reason::from_code(answer.reason.get()).unwrap_or(Reason::Done);
    let located =
        answer.state.get() == State::Located.code() && Outcome::from(reason).limit_is_readable();
    let mut line = |message, number| {
        Event::for_module(Module::Tcpip, message, [number, 0]).write(text);
        text.add("\n");
    };
    if located {
        line(Message::Located, answer.limit.get());
    } else {
        line(Message::NotLocated(reason), 0);
    }
    if let Command::Set { limit, .. } = command
        && reason != Reason::Done
    {
        line(Message::Refused(reason), limit);
    }
    if located {
        let half_open = answer.half_open.get();
        text.add("Half-open now: ").number(half_open).add(".\n");
    }
    text.terminate()
}
