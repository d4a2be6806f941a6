//! Events for the event log and the debugger.

use scanner_core::Module;
use tcplimit_protocol::{NAME, Reason};

use crate::message::Message;
use crate::text::Text;

/// An event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// The message.
    pub message: Message,
    /// The module, if the event is about one.
    pub module: Option<Module>,
    /// The message's numbers.
    pub numbers: [u32; 2],
}

impl Event {
    /// An event of the driver itself.
    #[must_use]
    pub fn for_driver(message: Message) -> Event {
        Event {
            message,
            module: None,
            numbers: [0; 2],
        }
    }

    /// An event about a module.
    #[must_use]
    pub fn for_module(module: Module, message: Message, numbers: [u32; 2]) -> Event {
        Event {
            message,
            module: Some(module),
            numbers,
        }
    }

    /// Writes the insert of an entry that stands for `%2` (0) to `%5` (3).
    pub fn insert(&self, index: usize, text: &mut Text<'_>) {
        let [first, second] = self.numbers;
        match index {
            0 => text.add(self.module.map_or("", Module::file_name)),
            1 => text.number(first),
            2 => text.number(second),
            _ => match self.message.reason() {
                Some(reason) => text.add("%%").number(Message::reason_id(reason)),
                None => text,
            },
        };
    }

    /// Writes the message with all inserts.
    pub fn write(&self, text: &mut Text<'_>) {
        let mut bytes = self.message.text().bytes();
        while let Some(byte) = bytes.next() {
            if byte != b'%' {
                text.byte(byte);
                continue;
            }
            match bytes.next() {
                Some(b'2') => self.insert(0, text),
                Some(b'3') => self.insert(1, text),
                Some(b'4') => self.insert(2, text),
                _ => {
                    text.add(self.message.reason().map_or("", Reason::text));
                }
            }
        }
    }
}

/// Whether the service of this key is the one registered with Event Viewer. Under
/// the name of 2005 entries would have only numbers.
#[must_use]
pub fn is_event_source(service_key: &[u16]) -> bool {
    let separator = u16::from(b'\\');
    let name = service_key.rsplit(|&unit| unit == separator).next();
    let upper = |unit: u16| u8::try_from(unit).map(|byte| byte.to_ascii_uppercase());
    name.is_some_and(|name| {
        let name = name.iter().map(|&unit| upper(unit));
        name.eq(NAME.bytes().map(|byte| Ok(byte.to_ascii_uppercase())))
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::string::String;
    use std::vec::Vec;

    use super::*;

    fn rendered(event: &Event) -> String {
        let mut buffer = [0; 512];
        let mut text = Text::new(&mut buffer);
        event.write(&mut text);
        String::from_utf8_lossy(text.finish()).into_owned()
    }

    #[test]
    fn inserts_are_put_in_where_their_marks_stand() {
        let event = Event::for_module(Module::Tcpip6, Message::Changed, [10, 16_777_215]);
        assert_eq!(
            rendered(&event),
            "tcpip6.sys: the limit of half-open connections was changed from 10 to 16777215.\0"
        );
    }

    #[test]
    fn a_refusal_contains_its_reason() {
        let event = Event::for_module(
            Module::Tcpip,
            Message::Refused(Reason::PageReadOnly),
            [100, 0],
        );
        assert_eq!(
            rendered(&event),
            "tcpip.sys: the limit was not set to 100. The limit's page is read-only. \
             Other software may have protected it.\0"
        );
    }

    #[test]
    fn every_message_fits_the_line_that_it_is_written_to() {
        for &reason in Reason::ALL {
            for message in [
                Message::NotLocated(reason),
                Message::Refused(reason),
                Message::NotApplied(reason),
                Message::NotRestored(reason),
            ] {
                let event = Event::for_module(Module::Tcpip6, message, [u32::MAX; 2]);
                assert!(rendered(&event).len() <= 256, "{message:?}");
            }
        }
        for message in Message::ALL {
            let event = Event::for_module(Module::Tcpip6, message, [u32::MAX; 2]);
            assert!(rendered(&event).len() <= 256, "{message:?}");
        }
    }

    #[test]
    fn inserts_fit_their_place_in_an_entry() {
        for &reason in Reason::ALL {
            let message = Message::NotRestored(reason);
            let event = Event::for_module(Module::Tcpip6, message, [u32::MAX; 2]);
            for index in 0..4 {
                let mut buffer = [0; 64];
                let mut text = Text::new(&mut buffer);
                event.insert(index, &mut text);
                // With a NUL, the room in `nt::event_log`.
                assert!(text.len() < 12, "{index}");
            }
        }
    }

    #[test]
    fn only_the_registered_service_is_a_source_of_events() {
        let is_source = |key: &str| {
            let key: Vec<u16> = key.encode_utf16().collect();
            is_event_source(&key)
        };
        assert!(is_source(
            r"\REGISTRY\MACHINE\SYSTEM\ControlSet001\Services\TcpLimit"
        ));
        assert!(is_source(r"\Services\TCPLIMIT"));
        for other in [
            r"\Services\tcpip_patcher",
            r"\Services\TcpLimit2",
            r"\Services\MyTcpLimit",
            r"\Services\TcpLimit\",
            "\\Services\\TcpLimi\u{174}",
            "",
        ] {
            assert!(!is_source(other), "{other}");
        }
    }

    #[test]
    fn routine_events_are_not_logged() {
        let silent = [
            Message::Loaded,
            Message::Unloaded,
            Message::Located,
            Message::NotLocated(Reason::Done),
        ];
        for message in Message::ALL {
            assert_eq!(
                message.is_logged(),
                !silent.contains(&message),
                "{message:?}"
            );
        }
    }

    /// As an NTSTATUS has them: severity, the customer's bit, facility, number.
    #[test]
    fn a_message_is_informational_or_a_warning_of_our_facility() {
        for message in Message::ALL {
            let id = message.id();
            assert!(matches!(id >> 30, 1 | 2), "{message:?}");
            assert_eq!(id & 0x3FFF_0000, 0x2007_0000, "{message:?}");
        }
    }

    #[test]
    fn numbers_of_texts_are_all_different() {
        let mut ids = HashSet::new();
        for (id, text) in Message::texts() {
            assert!(ids.insert(id), "{text}");
        }
    }
}
