//! The emulated system: loads the driver, and serves its calls.

use checker::import::{self, Convention, Import};
use specimen::Arch;
use tcplimit_driver::Device;

use crate::address::{
    self, DRIVER_TYPE, EXPORT, OBJECTS, PAGE, POOL, REQUESTS, RETURN, STACK, VARIABLE, to_usize,
};
use crate::call::{ReturnValue, Stop};
use crate::change::Change;
use crate::image::{ImportSlot, LoadedImage};
use crate::irp::{Completed, DEVICE_CONTROL, PendingRequest, Request, UNINITIALIZED, file_object};
use crate::machine::{Machine, MemoryKind, Rights};
use crate::model::irql::Irql;
use crate::model::{self, CallContext};
use crate::offset::Offsets;
use crate::placement::{Arena, allocate, driver_object, map_driver, map_modules, unicode_string};
use crate::resource_audit::Resources;
use crate::violation::Violation;
use crate::watch::LimitWrite;
use crate::world::World;

/// The cost of a call of the driver.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CallCost {
    /// Instructions that the driver executed.
    pub instructions: u64,
    /// Bytes of stack.
    pub stack: u64,
    /// Calls of the system.
    pub calls: usize,
}

/// The system with the driver in it.
#[derive(Debug)]
pub struct System {
    /// Processor and memory.
    pub machine: Machine,
    /// The system that the driver sees, with the driver's changes.
    pub world: World,
    /// Resources that the driver holds, and its output.
    pub resources: Resources,
    /// The level at which the driver is called.
    pub irql: Irql,
    /// The driver's own driver object.
    pub driver_object: u64,
    /// Scheduled changes, each with the index of the call of the system before which it
    /// happens.
    pub scheduled: Vec<(usize, Change)>,
    /// The maximum cost of a call.
    pub max_cost: CallCost,
    /// Instructions of all calls.
    pub instructions: u64,
    /// Number of scheduled changes that were applied.
    pub changes_applied: u64,
    /// Failed calls of the system since the reset.
    pub failed: u64,
    /// Writes to limits in the last call.
    pub writes: Vec<LimitWrite>,
    unloading: bool,
    pending: Option<PendingRequest>,
    image: LoadedImage,
    imports: Vec<(&'static Import, model::ModelEntry)>,
    calls: usize,
    path: Option<u64>,
}

impl System {
    /// Maps the driver's file at an address.
    ///
    /// # Errors
    /// NT would not load the file, or an import has no model.
    pub fn new(file: &[u8], base: u64) -> Result<System, Violation> {
        System::on(file, base, Machine::new)
    }

    /// The same on another processor.
    ///
    /// # Errors
    /// As [`System::new`].
    pub fn on(
        file: &[u8],
        base: u64,
        processor: impl FnOnce(Arch) -> Machine,
    ) -> Result<System, Violation> {
        let mut image = LoadedImage::load(file, base).map_err(Violation::File)?;
        let arch = image.arch;
        let mut machine = processor(arch);
        let mut imports = Vec::new();
        for ImportSlot { rva, module, name } in image.imports().map_err(Violation::File)? {
            let unmodelled = || Violation::Unmodelled(format!("{module}!{name}"));
            let import = import::find(&module, &name).ok_or_else(unmodelled)?;
            let address = if import.convention == Convention::Data {
                VARIABLE.of(arch) + model::variable_offset(&name).ok_or_else(unmodelled)?
            } else {
                let model = model::find(&name).ok_or_else(unmodelled)?;
                imports.push((import, model));
                EXPORT.of(arch) + 16 * (imports.len() as u64 - 1)
            };
            image.bind(rva, address);
        }
        // Each function is a `hlt`, at which the processor stops.
        let halt = vec![0xF4; to_usize(PAGE)];
        machine.map(
            EXPORT.of(arch),
            1,
            MemoryKind::Kernel,
            Rights::Execute,
            &halt,
        );
        machine.map(VARIABLE.of(arch), 1, MemoryKind::Kernel, Rights::Read, &[]);
        machine.map(STACK.of(arch), 2, MemoryKind::Stack, Rights::Write, &[]);
        debug_assert!(RETURN.of(arch) - EXPORT.of(arch) < PAGE);
        let mut system = System {
            machine,
            world: World::new(arch),
            resources: Resources::default(),
            irql: Irql::Passive,
            driver_object: 0,
            scheduled: Vec::new(),
            max_cost: CallCost::default(),
            instructions: 0,
            changes_applied: 0,
            failed: 0,
            writes: Vec::new(),
            unloading: false,
            pending: None,
            image,
            imports,
            calls: 0,
            path: None,
        };
        map_driver(&mut system.machine, &system.image);
        Ok(system)
    }

    /// Resets the system: the driver is not loaded yet, and its variables have the
    /// file's values.
    pub fn reset(&mut self, world: World) {
        let arch = self.machine.arch();
        self.machine.unmap_all(&[
            MemoryKind::Object,
            MemoryKind::Pool,
            MemoryKind::Request,
            MemoryKind::PageTables,
            MemoryKind::Module,
            MemoryKind::Discardable,
        ]);
        self.resources = Resources {
            next: [OBJECTS.of(arch), POOL.of(arch), REQUESTS.of(arch)],
            ..Resources::default()
        };
        self.world = world;
        self.irql = Irql::Passive;
        self.scheduled.clear();
        self.pending = None;
        self.unloading = false;
        self.max_cost = CallCost::default();
        self.instructions = 0;
        self.failed = 0;
        self.calls = 0;
        let image = &self.image;
        for section in &image.sections {
            let at = to_usize(section.rva.into());
            let length = u64::from(section.virtual_size).next_multiple_of(PAGE);
            let bytes = &image.memory[at..at + to_usize(length)];
            let start = image.base + u64::from(section.rva);
            if section.is_discardable() {
                let (kind, rights) = (MemoryKind::Discardable, Rights::Read);
                self.machine.map(start, length / PAGE, kind, rights, bytes);
            } else if section.is_writable() {
                self.machine.write(start, bytes);
            }
        }
        self.machine.set_pae(self.world.pae);
        let variables = VARIABLE.of(arch);
        let safe_mode = self.world.safe_mode;
        self.machine.write(variables, &safe_mode.to_le_bytes());
        let kind = DRIVER_TYPE.of(arch);
        self.machine.write_pointer(variables + 16, kind);
        let range = (self.image.base, self.image.size);
        self.driver_object = driver_object(&mut self.machine, &mut self.resources.next, range);
        self.resources.objects = [0; 2];
        map_modules(&mut self.machine, &self.world, &self.resources);
    }

    /// Overwrites all variables of the driver, as an earlier load may leave them.
    pub fn fill_variables(&mut self, byte: u8) {
        let sections = self.image.sections.iter();
        let variables: Vec<(u64, usize)> = sections
            .filter(|section| section.is_writable() && !section.is_discardable())
            .map(|section| (section.rva.into(), to_usize(section.virtual_size.into())))
            .collect();
        for (rva, length) in variables {
            self.machine
                .write(self.image.base + rva, &vec![byte; length]);
        }
    }

    /// Applies a change to the world and to the mapped memory.
    pub fn change(&mut self, change: &Change) {
        self.apply_writes();
        change.apply(&mut self.world);
        if let Change::Loaded(module, _) | Change::Unloaded(module) = change {
            // A new image has a new driver object.
            self.resources.objects[crate::world::module_index(*module)] = 0;
        }
        map_modules(&mut self.machine, &self.world, &self.resources);
    }

    /// Applies the driver's writes to the world.
    fn apply_writes(&mut self) {
        for write in self.machine.take_writes() {
            for target in self.world.modules.iter_mut().flatten() {
                if target.limit() == Some(write.address)
                    && let Some(threshold) = target.threshold
                {
                    target.write(threshold, &write.after.to_le_bytes());
                }
            }
            self.writes.push(write);
        }
    }

    /// NT loads the driver; returns the status of DriverEntry. After a failure the
    /// driver is unloaded.
    ///
    /// # Errors
    /// A violation by the driver.
    pub fn start(&mut self) -> Result<u32, Violation> {
        let service = self.world.registry.service;
        let path = unicode_string(&mut self.machine, &mut self.resources.next, service);
        self.path = Some(path);
        let offsets = Offsets::of(self.machine.arch());
        let object = self.driver_object;
        let end = object + offsets.driver.size;
        self.protect_object(Rights::Write);
        let entry = self.image.base + u64::from(self.image.entry);
        let status = self.call(entry, &[object, path], std::slice::from_ref(&(object..end)))?;
        self.protect_object(Rights::Read);
        // NT frees the name and the discardable sections.
        self.machine.unmap(path & !(PAGE - 1));
        self.machine.unmap_all(&[MemoryKind::Discardable]);
        if status >= 0x8000_0000 {
            self.resources.check_nothing_left()?;
            // The mutex is in the driver's freed memory.
            self.resources.mutex = None;
        }
        Ok(status)
    }

    fn protect_object(&mut self, rights: Rights) {
        self.machine
            .protect(self.driver_object & !(PAGE - 1), rights);
    }

    /// NT unloads the driver.
    ///
    /// # Errors
    /// A violation by the driver, or a resource that it did not release.
    pub fn unload(&mut self) -> Result<(), Violation> {
        let offsets = Offsets::of(self.machine.arch());
        let unload = self
            .machine
            .read_pointer(self.driver_object + offsets.driver.unload);
        self.unloading = true;
        self.call(unload, &[self.driver_object], &[])?;
        self.resources.check_nothing_left()
    }

    /// NT passes a request to the driver.
    ///
    /// # Errors
    /// A violation by the driver.
    pub fn send(&mut self, request: &Request) -> Result<Completed, Violation> {
        let missing = || Violation::Completion("the device does not exist".into());
        let device = self.device(request.device).ok_or_else(missing)?;
        let offsets = Offsets::of(self.machine.arch());
        let (irp, stack) = (&offsets.irp, &offsets.stack);
        let file = file_object(&mut self.machine, &mut self.resources.next, request);
        let length = request.buffer_length();
        let buffer = match length {
            0 => 0,
            _ => {
                let buffer = allocate(
                    &mut self.machine,
                    &mut self.resources.next,
                    Arena::Requests,
                    length,
                    Rights::Write,
                );
                // Behind the input the buffer is uninitialized.
                self.machine
                    .write(buffer, &vec![UNINITIALIZED; to_usize(length)]);
                self.machine.write(buffer, &request.input);
                buffer
            }
        };
        let at = allocate(
            &mut self.machine,
            &mut self.resources.next,
            Arena::Requests,
            irp.size + stack.size,
            Rights::Write,
        );
        let location = at + irp.size;
        let machine = &mut self.machine;
        machine.write_pointer(at + irp.buffer, buffer);
        machine.write(at + irp.mode, &[1]);
        machine.write_pointer(at + irp.stack, location);
        machine.write(location, &[request.major]);
        match request.major {
            DEVICE_CONTROL => {
                let input = u32::try_from(request.input.len()).expect("a short input");
                machine.write(location + stack.output, &request.output.to_le_bytes());
                machine.write(location + stack.input, &input.to_le_bytes());
                machine.write(location + stack.code, &request.code.to_le_bytes());
                // An address in the program, which the driver must not access.
                machine.write_pointer(location + stack.neither, 0x0012_F700);
            }
            // SecurityContext, Options, ShareAccess and so on, not lengths.
            _ => machine.write(location + stack.output, &[0xFF; 4]),
        }
        machine.write_pointer(location + stack.device, device);
        machine.write_pointer(location + stack.file, file);
        self.pending = Some(PendingRequest {
            irp: at,
            buffer,
            length,
            input: request.input.len() as u64,
            file,
            completed: None,
        });
        let major = offsets.driver.major + u64::from(request.major) * self.machine.pointer_size();
        let dispatch = self.machine.read_pointer(self.driver_object + major);
        if dispatch == 0 {
            return Err(Violation::Completion(format!(
                "no dispatch function for major function {:02X}",
                request.major
            )));
        }
        let io_status = at + irp.status..at + irp.information + self.machine.pointer_size();
        let mut writable = vec![io_status];
        if buffer != 0 {
            writable.push(buffer..buffer + length);
        }
        let returned = self.call(dispatch, &[device, at], &writable)?;
        let pending = self.pending.take().expect("it was put there");
        self.machine.unmap(pending.file & !(PAGE - 1));
        let Some(completed) = pending.completed else {
            return Err(Violation::Completion("it was never completed".into()));
        };
        if returned != completed.status {
            return Err(Violation::Completion(format!(
                "dispatch returned {returned:08X}, completed with {:08X}",
                completed.status
            )));
        }
        Ok(completed)
    }

    /// Calls a function of the driver, serves its calls of the system, and checks the
    /// state on return.
    fn call(
        &mut self,
        function: u64,
        arguments: &[u64],
        writable: &[std::ops::Range<u64>],
    ) -> Result<u32, Violation> {
        let arch = self.machine.arch();
        // Its own stack, and its arguments or their home space.
        let stack = STACK.of(arch)..address::entry(arch) + 8 + 32;
        let data = self
            .image
            .sections
            .iter()
            .filter(|section| section.is_writable() && !section.is_discardable());
        let base = self.image.base;
        let data =
            data.map(|section| base + u64::from(section.rva)..base + u64::from(section.end()));
        let mut may = vec![stack];
        may.extend(data);
        may.extend_from_slice(writable);
        self.machine.watch().writable = may;
        let before = self.calls;
        self.writes.clear();
        let mut stop = self.machine.call(function, arguments)?;
        while let Stop::Called(number) = stop {
            let (import, entry) = *self.imports.get(number).ok_or_else(|| {
                Violation::Return(format!("a call of an unknown function, number {number}"))
            })?;
            self.apply_scheduled_changes();
            let arguments = self.machine.arguments(import)?;
            let (name, highest, model) = entry;
            self.irql.permits(name, highest)?;
            let mut context = CallContext {
                memory: &mut self.machine,
                world: &mut self.world,
                resources: &mut self.resources,
                request: &mut self.pending,
                import: import.name,
                calls: self.calls,
                driver: self.driver_object,
                unloading: self.unloading,
            };
            let value: ReturnValue = model(&mut context, &arguments)?;
            self.failed += u64::from(value.is_failure());
            self.calls += 1;
            stop = self.machine.resume(import, value)?;
        }
        let (status, stack) = self.machine.check_return(arguments.len() as u64)?;
        let taken = CallCost {
            instructions: self.machine.instructions(),
            stack,
            calls: self.calls - before,
        };
        self.max_cost.instructions = self.max_cost.instructions.max(taken.instructions);
        self.max_cost.stack = self.max_cost.stack.max(taken.stack);
        self.max_cost.calls = self.max_cost.calls.max(taken.calls);
        self.instructions += taken.instructions;
        self.apply_writes();
        self.resources.check_balanced()?;
        self.check_modules_unchanged()?;
        Ok(status)
    }

    fn apply_scheduled_changes(&mut self) {
        let now = self.calls;
        let scheduled = std::mem::take(&mut self.scheduled);
        let (scheduled, later) = scheduled
            .into_iter()
            .partition::<Vec<_>, _>(|(at, _)| *at <= now);
        self.scheduled = later;
        for (_, change) in scheduled {
            self.changes_applied += 1;
            self.change(&change);
        }
    }

    /// Number of calls of the system.
    #[must_use]
    pub fn calls(&self) -> usize {
        self.calls
    }

    /// Checks that every byte of the modules matches the world.
    fn check_modules_unchanged(&self) -> Result<(), Violation> {
        for target in self.world.modules.iter().flatten() {
            for (first, count, _) in target.page_ranges(false) {
                let start = target.base + first * PAGE;
                let now = self.machine.read(start, to_usize(count * PAGE));
                let at = to_usize(first * PAGE);
                let then = &target.memory[at..at + now.len()];
                if let Some(differs) = now.iter().zip(then).position(|(now, then)| now != then) {
                    let rva = at + differs;
                    return Err(Violation::Limit(format!(
                        "the byte at RVA {rva:X} was changed"
                    )));
                }
            }
        }
        Ok(())
    }

    /// The driver's image.
    #[must_use]
    pub fn driver(&self) -> &LoadedImage {
        &self.image
    }

    /// Address of the device object, if it exists.
    #[must_use]
    pub fn device(&self, device: Device) -> Option<u64> {
        let name = model::device::name(device);
        let devices = self.resources.devices.iter();
        devices
            .clone()
            .find(|object| object.name == name)
            .map(|object| object.address)
    }
}
