//! The driver's source, compiled for this machine and run beside the shipped
//! file over the same world: whatever the two do must be the same. What the
//! source decides is proven elsewhere, by `simulation::session`.

use std::cell::RefCell;
use std::marker::PhantomData;
use std::rc::Rc;

use scanner_core::policy::{PageFacts, WritePermit};
use scanner_core::{Module, Rva};
use simulation::kernel::{CheckedExclusion, Processor, X64, X86};
use specimen::Arch;
use tcplimit_driver::{
    Device, Driver, Event, ExchangeError, Kernel, ModuleEntry, ModuleRef, RECORD_SIZE, Setting,
    V0_1_RECORD_SIZE,
};
use tcplimit_protocol::Status;

use crate::address::index;
use crate::irp::{CREATE, Completed, DEVICE_CONTROL, Request};
use crate::model::security;
use crate::registry::{BINARY, DWORD, MEMORY, PARAMETERS, STATE, below};
use crate::world::{COLLISION, NO_RESOURCES, Named, Step, World, slot};

/// The driver for either processor.
#[derive(Debug)]
pub struct Source {
    driver: Either,
    world: Rc<RefCell<World>>,
    events: Rc<RefCell<Vec<Event>>>,
}

#[derive(Debug)]
enum Either {
    X86(Driver<Beside<X86>, CheckedExclusion>),
    X64(Driver<Beside<X64>, CheckedExclusion>),
}

/// Calls a method of whichever it is.
macro_rules! either {
    ($source:expr, $driver:ident => $call:expr) => {
        match &$source.driver {
            Either::X86($driver) => $call,
            Either::X64($driver) => $call,
        }
    };
}

impl Source {
    /// A driver that was not loaded yet, over a world.
    #[must_use]
    pub fn new(world: &Rc<RefCell<World>>) -> Source {
        let events = Rc::default();
        let exclusion = CheckedExclusion::default();
        let driver = match world.borrow().arch {
            Arch::X86 => Either::X86(Driver::new(Beside::new(world, &events), exclusion)),
            Arch::X64 => Either::X64(Driver::new(Beside::new(world, &events), exclusion)),
        };
        Source {
            driver,
            world: Rc::clone(world),
            events,
        }
    }

    /// DriverEntry.
    #[must_use]
    pub fn start(&self) -> u32 {
        either!(self, driver => driver.load())
            .err()
            .unwrap_or(Status::SUCCESS)
            .0
    }

    /// A request, as the driver's `nt` takes it apart.
    #[must_use]
    pub fn send(&self, request: &Request) -> Completed {
        let plain = |status: Status| Completed {
            status: status.0,
            output: Vec::new(),
        };
        match request.major {
            CREATE => {
                let relative = request.named || request.related;
                plain(either!(self, driver => driver.open(relative)))
            }
            DEVICE_CONTROL => {
                let buffered = request.code & 3 == 0;
                let (input, output) = match buffered {
                    true => (request.input.len(), index(request.output.into())),
                    false => (0, 0),
                };
                let mut buffer = vec![0xCC; input.max(output)];
                buffer[..input].copy_from_slice(&request.input[..input]);
                let (device, code) = (request.device, request.code);
                let done = either!(self, driver => {
                    driver.control(device, code, &mut buffer, input, output)
                });
                buffer.truncate(done.information);
                Completed {
                    status: done.status.0,
                    output: buffer,
                }
            }
            _ => plain(Status::SUCCESS),
        }
    }

    /// Unload.
    pub fn unload(&self) {
        either!(self, driver => driver.unload());
    }

    /// What it has told since the last time this was asked.
    #[must_use]
    pub fn take_events(&self) -> Vec<Event> {
        self.events.take()
    }

    /// The world as it left it.
    #[must_use]
    pub fn world(&self) -> &Rc<RefCell<World>> {
        &self.world
    }
}

/// The system as the source sees it.
#[derive(Debug)]
struct Beside<M> {
    world: Rc<RefCell<World>>,
    events: Rc<RefCell<Vec<Event>>>,
    machine: PhantomData<M>,
}

impl<M> Beside<M> {
    fn new(world: &Rc<RefCell<World>>, events: &Rc<RefCell<Vec<Event>>>) -> Beside<M> {
        Beside {
            world: Rc::clone(world),
            events: Rc::clone(events),
            machine: PhantomData,
        }
    }

    /// A key below the service key, once that is open.
    fn key(&self, subkey: &str) -> Result<String, Status> {
        let world = self.world.borrow();
        let service = world.registry.service;
        world.registry.open(service).map_err(Status)?;
        Ok(below(service, subkey))
    }

    fn parameters(&self) -> Result<String, Status> {
        let path = self.key(PARAMETERS)?;
        self.world.borrow().registry.open(&path).map_err(Status)?;
        Ok(path)
    }

    /// The key of what is remembered, once it is open or there, if nobody else
    /// can have written to it.
    fn secured(&self, opened: Result<(), u32>) -> Result<&'static str, Status> {
        opened.map_err(Status)?;
        let world = self.world.borrow();
        let found = world.registry.security(MEMORY).map_err(Status)?;
        match security::is_believed(found) {
            true => Ok(MEMORY),
            false => Err(Status::ACCESS_DENIED),
        }
    }

    fn read<const N: usize>(&self, path: &str, name: &str, kind: u32) -> Result<[u8; N], Status> {
        let world = self.world.borrow();
        match world.registry.query(path, name) {
            Err(refused) => Err(Status(refused)),
            Ok((of, data)) if *of == kind => {
                let data = data.as_slice().try_into();
                data.map_err(|_| Status::OBJECT_TYPE_MISMATCH)
            }
            _ => Err(Status::OBJECT_TYPE_MISMATCH),
        }
    }

    fn write(&self, path: &str, name: &str, kind: u32, data: &[u8]) -> Result<(), Status> {
        let registry = &mut self.world.borrow_mut().registry;
        registry
            .set(path, name, (kind, data.to_vec()))
            .map_err(Status)
    }

    fn step(&self, device: Device, step: Step) -> Result<(), Status> {
        match self.world.borrow().device_fails {
            Some(fails) if fails == (device, step) => Err(Status(NO_RESOURCES)),
            _ => Ok(()),
        }
    }

    fn name_is_free(&self, device: Device, named: Named) -> Result<(), Status> {
        match self.world.borrow().taken {
            Some(taken) if taken == (device, named) => Err(Status(COLLISION)),
            _ => Ok(()),
        }
    }
}

fn found<T>(read: Result<T, Status>) -> Result<Option<T>, Status> {
    match read {
        Ok(value) => Ok(Some(value)),
        Err(Status::OBJECT_NAME_NOT_FOUND) => Ok(None),
        Err(status) => Err(status),
    }
}

/// The mark that guards the start.
pub const GUARD: &str = "StartPending";

impl<M: Processor> Kernel for Beside<M> {
    type ModuleRef = Grip;

    const ARCH: scanner_core::Arch = M::ARCH;

    fn create_device(&self, device: Device) -> Result<(), Status> {
        self.name_is_free(device, Named::Device)?;
        self.step(device, Step::Create)
    }

    fn protect_device(&self, device: Device) -> Result<(), Status> {
        self.step(device, Step::Open)?;
        self.step(device, Step::Secure)
    }

    fn link_device(&self, device: Device) -> Result<(), Status> {
        self.name_is_free(device, Named::Link)?;
        self.step(device, Step::Link)
    }

    fn unlink_device(&self, _: Device) {}

    fn delete_device(&self, _: Device) {}

    fn reference_module(&self, module: Module) -> Result<Grip, Status> {
        let world = self.world.borrow();
        if let Some(refused) = world.unusable[slot(module)] {
            return Err(Status(refused));
        }
        let target = world.module(module).ok_or(Status::OBJECT_NAME_NOT_FOUND)?;
        if target.size == 0 {
            return Err(Status::UNSUCCESSFUL);
        }
        Ok(Grip {
            world: Rc::clone(&self.world),
            module,
            base: target.base,
            size: target.size,
            memory: Rc::clone(&target.memory),
        })
    }

    fn for_each_module(&self, mut show: impl FnMut(&ModuleEntry<'_>)) -> Result<(), Status> {
        let world = self.world.borrow();
        let listed = world.listed().filter(|_| !world.no_pool);
        for (path, base, size) in listed.ok_or(Status(NO_RESOURCES))? {
            let path = &path;
            show(&ModuleEntry { path, base, size });
        }
        Ok(())
    }

    fn read_setting(&self, setting: Setting) -> Result<Option<u32>, Status> {
        let key = self.parameters();
        let value = key.and_then(|key| self.read(&key, setting.name(), DWORD));
        Ok(found(value)?.map(u32::from_le_bytes))
    }

    fn guard(&self) -> Result<bool, Status> {
        let key = self.parameters();
        match found(key.and_then(|key| self.read::<4>(&key, GUARD, DWORD))) {
            Ok(Some(_)) | Err(Status::OBJECT_TYPE_MISMATCH) => Ok(true),
            Ok(None) => Ok(false),
            Err(status) => Err(status),
        }
    }

    fn set_guard(&self, set: bool) -> Result<(), Status> {
        let key = self.parameters()?;
        if set {
            self.write(&key, GUARD, DWORD, &[1, 0, 0, 0])?;
        } else {
            let deleted = self.world.borrow_mut().registry.delete(&key, GUARD);
            found(deleted.map_err(Status))?;
        }
        self.world.borrow().registry.flush(&key).map_err(Status)
    }

    fn boot_id(&self) -> Result<u64, Status> {
        self.world.borrow().start().ok_or(Status::UNSUCCESSFUL)
    }

    fn read_record(&self, module: Module) -> Result<Option<[u8; RECORD_SIZE]>, Status> {
        let opened = self.world.borrow().registry.open(MEMORY);
        let key = self.secured(opened);
        found(key.and_then(|key| self.read(key, module.file_name(), BINARY)))
    }

    fn read_v0_1_record(&self, module: Module) -> Result<Option<[u8; V0_1_RECORD_SIZE]>, Status> {
        let key = self.key(STATE).and_then(|path| {
            self.world.borrow().registry.open(&path).map_err(Status)?;
            Ok(path)
        });
        found(key.and_then(|key| self.read(&key, module.file_name(), BINARY)))
    }

    fn write_record(&self, module: Module, record: &[u8; RECORD_SIZE]) -> Result<(), Status> {
        let guards = security::of_memory();
        let created = self.world.borrow_mut().registry.create(MEMORY, guards);
        let key = self.secured(created)?;
        self.write(key, module.file_name(), BINARY, record)
    }

    fn safe_mode(&self) -> bool {
        self.world.borrow().safe_mode != 0
    }

    fn log(&self, event: &Event) {
        self.events.borrow_mut().push(*event);
    }
}

/// A module that the source holds.
#[derive(Debug)]
struct Grip {
    world: Rc<RefCell<World>>,
    module: Module,
    base: u64,
    size: u32,
    /// As it was when it was taken: others may change it meanwhile.
    memory: Rc<Vec<u8>>,
}

impl Grip {
    fn is_inside(&self, rva: Rva, length: u32) -> bool {
        let end = rva.0.checked_add(length);
        let inside = length > 0 && end.is_some_and(|end| end <= self.size);
        let world = self.world.borrow();
        let target = world.module(self.module);
        inside && target.is_some_and(|target| target.is_present(rva.0, length))
    }

    fn is_aligned(&self, rva: Rva) -> bool {
        (self.base + u64::from(rva.0)).is_multiple_of(4)
    }
}

impl ModuleRef for Grip {
    fn base(&self) -> u64 {
        self.base
    }

    fn size(&self) -> u32 {
        self.size
    }

    fn bytes(&self, rva: Rva, length: u32) -> Option<&[u8]> {
        let at = index(rva.0.into());
        self.is_inside(rva, length)
            .then(|| self.memory.get(at..at + index(length.into())))?
    }

    fn page_facts(&self, rva: Rva) -> PageFacts {
        let valid = self.is_inside(rva, 1);
        let world = self.world.borrow();
        let target = world.module(self.module).filter(|_| valid);
        PageFacts {
            valid,
            writable: target.and_then(|target| world.is_writable(target, rva.0)),
        }
    }

    fn read(&self, rva: Rva) -> Option<u32> {
        let may = self.is_inside(rva, 4) && self.is_aligned(rva);
        let world = self.world.borrow();
        let target = world.module(self.module).filter(|_| may);
        target.and_then(|target| target.dword(rva.0))
    }

    fn exchange(&self, permit: WritePermit) -> Result<(), ExchangeError> {
        let at = permit.threshold();
        let here = permit.base() == self.base && permit.address() == self.base + u64::from(at.0);
        let found = self.read(at).filter(|_| here);
        let found = found.ok_or(ExchangeError::NotPermitted)?;
        if found != permit.current() {
            return Err(ExchangeError::Found(found));
        }
        let mut world = self.world.borrow_mut();
        if let Some(target) = world.module_mut(self.module) {
            target.write(at.0, &permit.limit().to_le_bytes());
        }
        Ok(())
    }
}
