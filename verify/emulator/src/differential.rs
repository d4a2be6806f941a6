//! Differential testing of the shipped file against its source: both get the same
//! requests, and their answers, output, writes and final states are compared.

use std::cell::RefCell;
use std::rc::Rc;

use tcplimit_driver::{Event, Text};

use crate::change::Change;
use crate::irp::{Completed, Request};
use crate::reference_driver::ReferenceDriver;
use crate::registry::SERVICE;
use crate::resource_audit::LogEntry;
use crate::system::System;
use crate::violation::Violation;
use crate::world::World;

/// The shipped file and the reference driver.
#[derive(Debug)]
pub struct Differential<'a> {
    /// The shipped file in its system.
    pub system: &'a mut System,
    reference: ReferenceDriver,
}

impl<'a> Differential<'a> {
    /// Resets both; neither is loaded yet.
    pub fn new(system: &'a mut System, world: World) -> Differential<'a> {
        let beside = Rc::new(RefCell::new(world.clone()));
        system.reset(world);
        Differential {
            system,
            reference: ReferenceDriver::new(&beside),
        }
    }

    /// NT loads the driver.
    ///
    /// # Errors
    /// A violation by the shipped file, or a difference from its source.
    pub fn start(&mut self) -> Result<u32, Violation> {
        let (status, reference) = (self.system.start()?, self.reference.start());
        if status != reference {
            let detail = format!("DriverEntry returned {status:08X}, the source {reference:08X}");
            return Err(Violation::Disagreement(detail));
        }
        self.compare("DriverEntry")?;
        Ok(status)
    }

    /// A program sends a request.
    ///
    /// # Errors
    /// As [`Differential::start`].
    pub fn send(&mut self, request: &Request) -> Result<Completed, Violation> {
        let (shipped, reference) = (self.system.send(request)?, self.reference.send(request));
        if shipped != reference {
            let detail = format!("{request:?}: {shipped:X?}, the source {reference:X?}");
            return Err(Violation::Disagreement(detail));
        }
        self.compare("a request")?;
        Ok(shipped)
    }

    /// Applies a change to both.
    pub fn change(&mut self, change: &Change) {
        self.system.change(change);
        change.apply(&mut self.reference.world().borrow_mut());
    }

    /// NT unloads the driver.
    ///
    /// # Errors
    /// As [`Differential::start`].
    pub fn unload(&mut self) -> Result<(), Violation> {
        self.system.unload()?;
        self.reference.unload();
        self.compare("unload")
    }

    fn compare(&mut self, when: &str) -> Result<(), Violation> {
        let differ = |detail: String| Err(Violation::Disagreement(format!("{when}: {detail}")));
        let events = self.reference.take_events();
        let resources = &mut self.system.resources;
        let printed = std::mem::take(&mut resources.printed);
        let lines: Vec<String> = events.iter().map(debug_line).collect();
        if printed != lines {
            return differ(format!("the debugger output is {printed:?}, not {lines:?}"));
        }
        let written = std::mem::take(&mut resources.events);
        let registered = self.system.world.registry.service == SERVICE;
        let logged = events
            .iter()
            .filter(|event| event.message.is_logged() && registered);
        let entries: Vec<LogEntry> = logged.map(log_entry).collect();
        let log_matches = written == entries || (self.system.world.no_log && written.is_empty());
        if !log_matches {
            return differ(format!("the event log has {written:?}, not {entries:?}"));
        }
        let (world, beside) = (&self.system.world, self.reference.world().borrow());
        if world.registry != beside.registry {
            let (one, other) = (&world.registry, &beside.registry);
            return differ(format!("the registry is {one:?}, not {other:?}"));
        }
        for (one, other) in world.modules.iter().zip(&beside.modules) {
            let [one, other] = [one, other].map(|module| module.as_ref().map(|it| &it.memory));
            if one != other {
                return differ("the modules differ".into());
            }
        }
        Ok(())
    }
}

/// The line of an event for DbgPrint.
fn debug_line(event: &Event) -> String {
    let mut buffer = [0; 256];
    let mut text = Text::new(&mut buffer);
    event.write(&mut text);
    string(text.finish())
}

/// The entry of an event in the event log.
fn log_entry(event: &Event) -> LogEntry {
    let insert = |index| {
        let mut buffer = [0; 12];
        let mut text = Text::new(&mut buffer);
        event.insert(index, &mut text);
        string(text.finish())
    };
    LogEntry {
        code: event.message.id(),
        inserts: (0..4).map(insert).collect(),
    }
}

fn string(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes)
        .trim_end_matches('\0')
        .to_owned()
}
