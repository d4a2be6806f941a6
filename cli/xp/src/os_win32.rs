//! The implementation of `Os` over Windows.
//!
//! Every `unsafe` block names the rule that it relies on. Rules without a source are from the
//! call's page in Microsoft's documentation of Win32.

mod access;
pub(crate) mod console;
mod device;
mod entry_point;
mod event_log;
mod file;
pub(crate) mod handle;
pub(crate) mod imports;
mod interrupt;
mod memory;
mod panic;
mod processes;
mod registry;
mod service;
mod shortcut;
mod system;
pub(crate) mod wide;

use alloc::string::String;
use alloc::vec::Vec;

use tcplimit_xp::{
    Os, Registration, Request, Service, Shortcut, Start, Stream, Tcp, TcpTable, Version, Win32Error,
};

/// The Windows that the program runs on.
#[derive(Debug)]
pub(crate) struct Win32Os;

impl Os for Win32Os {
    fn version(&self) -> Version {
        system::version()
    }

    fn ui_language(&self) -> u16 {
        system::ui_language()
    }

    fn is_x64(&self) -> bool {
        cfg!(target_arch = "x86_64")
    }

    fn is_wow64(&self) -> bool {
        system::is_wow64()
    }

    fn now(&self) -> u32 {
        system::now()
    }

    fn boot_time(&self) -> Result<u32, Win32Error> {
        system::boot_time()
    }

    fn program_folder(&self) -> Result<String, Win32Error> {
        system::program_folder()
    }

    fn system_folder(&self) -> Result<String, Win32Error> {
        system::system_folder()
    }

    fn read(&self, path: &str) -> Result<Vec<u8>, Win32Error> {
        file::read(path)
    }

    fn write(&self, path: &str, bytes: &[u8]) -> Result<(), Win32Error> {
        file::write(path, bytes)
    }

    fn append(&self, path: &str, bytes: &[u8]) -> Result<(), Win32Error> {
        file::append(path, bytes)
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), Win32Error> {
        file::rename(from, to)
    }

    fn delete(&self, path: &str) -> Result<(), Win32Error> {
        file::delete(path)
    }

    fn access_list(&self, folder: &str) -> Result<Option<Vec<u8>>, Win32Error> {
        access::list(folder)
    }

    fn service(&self, name: &str) -> Result<Option<Service>, Win32Error> {
        service::find(name)
    }

    fn create_service(&self, service: &Registration<'_>) -> Result<(), Win32Error> {
        service::create(service)
    }

    fn change_service(&self, service: &Registration<'_>) -> Result<(), Win32Error> {
        service::change(service)
    }

    fn set_start(&self, name: &str, start: Start) -> Result<(), Win32Error> {
        service::set_start(name, start)
    }

    fn start_service(&self, name: &str) -> Result<(), Win32Error> {
        service::start(name)
    }

    fn stop_service(&self, name: &str) -> Result<(), Win32Error> {
        service::stop(name)
    }

    fn delete_service(&self, name: &str) -> Result<(), Win32Error> {
        service::delete(name)
    }

    fn has_key(&self, key: &str) -> Result<bool, Win32Error> {
        registry::has_key(key)
    }

    fn number(&self, key: &str, value: &str) -> Result<Option<u32>, Win32Error> {
        registry::number(key, value)
    }

    fn text(&self, key: &str, value: &str) -> Result<Option<String>, Win32Error> {
        registry::text(key, value)
    }

    fn set_number(&self, key: &str, value: &str, number: u32) -> Result<(), Win32Error> {
        registry::set_number(key, value, number)
    }

    fn set_text(&self, key: &str, value: &str, text: &str) -> Result<(), Win32Error> {
        registry::set_text(key, value, text)
    }

    fn delete_value(&self, key: &str, value: &str) -> Result<(), Win32Error> {
        registry::delete_value(key, value)
    }

    fn delete_key(&self, key: &str) -> Result<(), Win32Error> {
        registry::delete_key(key)
    }

    fn setting(&self, value: &str) -> Result<Option<u32>, Win32Error> {
        registry::setting(value)
    }

    fn set_setting(&self, value: &str, number: u32) -> Result<(), Win32Error> {
        registry::set_setting(value, number)
    }

    fn delete_settings(&self) -> Result<(), Win32Error> {
        registry::delete_settings()
    }

    fn start_program(&self, path: &str) -> Result<(), Win32Error> {
        processes::start(path)
    }

    fn programs_folder(&self) -> Result<String, Win32Error> {
        shortcut::programs_folder()
    }

    fn shortcut(&self, path: &str) -> Result<Shortcut, Win32Error> {
        shortcut::read(path)
    }

    fn write_shortcut(&self, path: &str, shortcut: &Shortcut) -> Result<(), Win32Error> {
        shortcut::write(path, shortcut)
    }

    fn control(&self, request: &Request<'_>, output: &mut [u8]) -> Result<usize, Win32Error> {
        device::control(request, output)
    }

    fn tcp(&self) -> Result<Tcp, Win32Error> {
        system::tcp()
    }

    fn tcp_table(&self, table: TcpTable) -> Result<Vec<u32>, Win32Error> {
        processes::tcp_table(table)
    }

    fn processes(&self) -> Result<Vec<(u32, String)>, Win32Error> {
        processes::names()
    }

    fn process_path(&self, id: u32) -> Result<String, Win32Error> {
        processes::path(id)
    }

    fn hosted_services(&self) -> Result<Vec<(u32, String)>, Win32Error> {
        service::hosted()
    }

    fn system_log(&self, more: &mut dyn FnMut(&[u8]) -> bool) -> Result<(), Win32Error> {
        event_log::read(more)
    }

    fn print(&self, stream: Stream, text: &str) -> bool {
        console::print(stream, text)
    }

    fn columns(&self, stream: Stream) -> Option<usize> {
        console::columns(stream)
    }

    fn is_alone(&self) -> bool {
        console::is_alone()
    }

    fn wait_for_key(&self) {
        console::wait_for_key();
    }

    fn move_up(&self, lines: usize) {
        console::move_up(lines);
    }

    fn catch_interrupt(&self) {
        interrupt::catch();
    }

    fn wait(&self, milliseconds: u32) -> bool {
        interrupt::wait(milliseconds)
    }
}
