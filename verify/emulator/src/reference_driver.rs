//! The driver's source, compiled for this machine and run beside the shipped file
//! over the same world: both must behave the same. `simulation::session` checks
//! the source's decisions.

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

use crate::address::to_usize;
use crate::irp::{CREATE, Completed, DEVICE_CONTROL, Request};
use crate::model::security;
use crate::registry::{BINARY, DWORD, HISTORY_KEY, PARAMETERS, STATE, subkey_path};
use crate::world::{COLLISION, DeviceName, DeviceStep, NO_RESOURCES, World, module_index};

/// The reference driver.
#[derive(Debug)]
pub struct ReferenceDriver {
    driver: Either,
    world: Rc<RefCell<World>>,
    events: Rc<RefCell<Vec<Event>>>,
}

#[derive(Debug)]
enum Either {
    X86(Driver<ReferenceKernel<X86>, CheckedExclusion>),
    X64(Driver<ReferenceKernel<X64>, CheckedExclusion>),
}

/// Calls a method for either processor.
macro_rules! either {
    ($source:expr, $driver:ident => $call:expr) => {
        match &$source.driver {
            Either::X86($driver) => $call,
            Either::X64($driver) => $call,
        }
    };
}

impl ReferenceDriver {
    /// A driver over a world, not loaded yet.
    #[must_use]
    pub fn new(world: &Rc<RefCell<World>>) -> ReferenceDriver {
        let events = Rc::default();
        let exclusion = CheckedExclusion::default();
        let driver = match world.borrow().arch {
            Arch::X86 => Either::X86(Driver::new(ReferenceKernel::new(world, &events), exclusion)),
            Arch::X64 => Either::X64(Driver::new(ReferenceKernel::new(world, &events), exclusion)),
        };
        ReferenceDriver {
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

    /// Serves a request, split up as in the driver's `nt`.
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
                    true => (request.input.len(), to_usize(request.output.into())),
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

    /// The events since the last call.
    #[must_use]
    pub fn take_events(&self) -> Vec<Event> {
        self.events.take()
    }

    /// Its world.
    #[must_use]
    pub fn world(&self) -> &Rc<RefCell<World>> {
        &self.world
    }
}

/// The implementation of `Kernel` over a world.
#[derive(Debug)]
struct ReferenceKernel<M> {
    world: Rc<RefCell<World>>,
    events: Rc<RefCell<Vec<Event>>>,
    machine: PhantomData<M>,
}

impl<M> ReferenceKernel<M> {
    fn new(world: &Rc<RefCell<World>>, events: &Rc<RefCell<Vec<Event>>>) -> ReferenceKernel<M> {
        ReferenceKernel {
            world: Rc::clone(world),
            events: Rc::clone(events),
            machine: PhantomData,
        }
    }

    /// Opens the service key; the path of a subkey.
    fn service_subkey(&self, subkey: &str) -> Result<String, Status> {
        let world = self.world.borrow();
        let service = world.registry.service;
        world.registry.open(service).map_err(Status)?;
        Ok(subkey_path(service, subkey))
    }

    fn parameters(&self) -> Result<String, Status> {
        let path = self.service_subkey(PARAMETERS)?;
        self.world.borrow().registry.open(&path).map_err(Status)?;
        Ok(path)
    }

    /// The history key after its opening or creation, if only trusted accounts can have
    /// written to it.
    fn checked_history_key(&self, opened: Result<(), u32>) -> Result<&'static str, Status> {
        opened.map_err(Status)?;
        let world = self.world.borrow();
        let found = world.registry.security(HISTORY_KEY).map_err(Status)?;
        match security::is_trusted(found) {
            true => Ok(HISTORY_KEY),
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

    fn check_step(&self, device: Device, step: DeviceStep) -> Result<(), Status> {
        match self.world.borrow().failing_step {
            Some(failing) if failing == (device, step) => Err(Status(NO_RESOURCES)),
            _ => Ok(()),
        }
    }

    fn check_name(&self, device: Device, named: DeviceName) -> Result<(), Status> {
        match self.world.borrow().name_in_use {
            Some(taken) if taken == (device, named) => Err(Status(COLLISION)),
            _ => Ok(()),
        }
    }
}

fn or_none<T>(read: Result<T, Status>) -> Result<Option<T>, Status> {
    match read {
        Ok(value) => Ok(Some(value)),
        Err(Status::OBJECT_NAME_NOT_FOUND) => Ok(None),
        Err(status) => Err(status),
    }
}

/// Name of the value that guards the start.
pub const GUARD: &str = "StartPending";

impl<M: Processor> Kernel for ReferenceKernel<M> {
    type ModuleRef = ReferenceModule;

    const ARCH: scanner_core::Arch = M::ARCH;

    fn create_device(&self, device: Device) -> Result<(), Status> {
        self.check_name(device, DeviceName::Device)?;
        self.check_step(device, DeviceStep::Create)
    }

    fn protect_device(&self, device: Device) -> Result<(), Status> {
        self.check_step(device, DeviceStep::Open)?;
        self.check_step(device, DeviceStep::Secure)
    }

    fn link_device(&self, device: Device) -> Result<(), Status> {
        self.check_name(device, DeviceName::Link)?;
        self.check_step(device, DeviceStep::Link)
    }

    fn unlink_device(&self, _: Device) {}

    fn delete_device(&self, _: Device) {}

    fn reference_module(&self, module: Module) -> Result<ReferenceModule, Status> {
        let world = self.world.borrow();
        if let Some(refused) = world.driver_object_failure[module_index(module)] {
            return Err(Status(refused));
        }
        let target = world.module(module).ok_or(Status::OBJECT_NAME_NOT_FOUND)?;
        if target.size == 0 {
            return Err(Status::UNSUCCESSFUL);
        }
        Ok(ReferenceModule {
            world: Rc::clone(&self.world),
            module,
            base: target.base,
            size: target.size,
            memory: Rc::clone(&target.memory),
        })
    }

    fn for_each_module(&self, mut show: impl FnMut(&ModuleEntry<'_>)) -> Result<(), Status> {
        let world = self.world.borrow();
        let listed_modules = world.listed_modules().filter(|_| !world.no_pool);
        for (path, base, size) in listed_modules.ok_or(Status(NO_RESOURCES))? {
            let path = &path;
            show(&ModuleEntry { path, base, size });
        }
        Ok(())
    }

    fn read_setting(&self, setting: Setting) -> Result<Option<u32>, Status> {
        let key = self.parameters();
        let value = key.and_then(|key| self.read(&key, setting.name(), DWORD));
        Ok(or_none(value)?.map(u32::from_le_bytes))
    }

    fn guard(&self) -> Result<bool, Status> {
        let key = self.parameters();
        match or_none(key.and_then(|key| self.read::<4>(&key, GUARD, DWORD))) {
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
            or_none(deleted.map_err(Status))?;
        }
        self.world.borrow().registry.flush(&key).map_err(Status)
    }

    fn boot_id(&self) -> Result<u64, Status> {
        self.world.borrow().boot_id().ok_or(Status::UNSUCCESSFUL)
    }

    fn read_record(&self, module: Module) -> Result<Option<[u8; RECORD_SIZE]>, Status> {
        let opened = self.world.borrow().registry.open(HISTORY_KEY);
        let key = self.checked_history_key(opened);
        or_none(key.and_then(|key| self.read(key, module.file_name(), BINARY)))
    }

    fn read_v0_1_record(&self, module: Module) -> Result<Option<[u8; V0_1_RECORD_SIZE]>, Status> {
        let key = self.service_subkey(STATE).and_then(|path| {
            self.world.borrow().registry.open(&path).map_err(Status)?;
            Ok(path)
        });
        or_none(key.and_then(|key| self.read(&key, module.file_name(), BINARY)))
    }

    fn write_record(&self, module: Module, record: &[u8; RECORD_SIZE]) -> Result<(), Status> {
        let guards = security::history_key_descriptor();
        let created = self.world.borrow_mut().registry.create(HISTORY_KEY, guards);
        let key = self.checked_history_key(created)?;
        self.write(key, module.file_name(), BINARY, record)
    }

    fn safe_mode(&self) -> bool {
        self.world.borrow().safe_mode != 0
    }

    fn log(&self, event: &Event) {
        self.events.borrow_mut().push(*event);
    }
}

/// A module that the reference driver references.
#[derive(Debug)]
struct ReferenceModule {
    world: Rc<RefCell<World>>,
    module: Module,
    base: u64,
    size: u32,
    /// A snapshot at the time of the reference: others may change it meanwhile.
    memory: Rc<Vec<u8>>,
}

impl ReferenceModule {
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

impl ModuleRef for ReferenceModule {
    fn base(&self) -> u64 {
        self.base
    }

    fn size(&self) -> u32 {
        self.size
    }

    fn bytes(&self, rva: Rva, length: u32) -> Option<&[u8]> {
        let at = to_usize(rva.0.into());
        self.is_inside(rva, length)
            .then(|| self.memory.get(at..at + to_usize(length.into())))?
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
