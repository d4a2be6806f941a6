//! The table: the rows of `who`, sorted, with a selection that follows its process.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::os::Os;
use crate::who::{self, ConnectionOwner};

/// The order of the rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// Most connections first.
    #[default]
    Connections,
    /// By the program's name.
    Name,
    /// By PID.
    Process,
}

/// A process with half-open connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its PID; `None` if the system lists no processes.
    pub process: Option<u32>,
    /// The number of its connections.
    pub connections: usize,
    /// Connections, name and path, with tabs between them.
    pub line: String,
    name: String,
}

impl Row {
    fn new(owner: &ConnectionOwner) -> Row {
        let mut place = owner.path.clone().unwrap_or_default();
        let services = owner.services.as_deref().unwrap_or_default();
        if !services.is_empty() {
            if !place.is_empty() {
                place.push_str(", ");
            }
            place.push_str(&text!(
                "services: {services}",
                services = super::lines(services, ", ")
            ));
        }
        let name = owner.display_name();
        let line = format!("{}\t{name}\t{place}", owner.connections);
        Row {
            process: owner.pid,
            connections: owner.connections,
            // A name or path must not look like another column or line.
            line: line.replace(['\r', '\n'], " "),
            name: name.to_ascii_lowercase().to_string(),
        }
    }

    /// Whether it comes before another row.
    fn is_before(&self, other: &Row, order: Order) -> bool {
        match order {
            Order::Connections if self.connections != other.connections => {
                self.connections > other.connections
            }
            Order::Name if self.name != other.name => self.name < other.name,
            _ => self.process < other.process,
        }
    }
}

/// The rows in their order.
#[derive(Debug, Default)]
pub(super) struct Table {
    rows: Vec<Row>,
    order: Order,
    /// The process of the selected row.
    selected: Option<Option<u32>>,
}

impl Table {
    /// Lists the connections again. The table is empty if they can't be listed.
    pub(super) fn refresh(&mut self, os: &dyn Os) {
        let owners = who::owners(os, false).unwrap_or_default();
        self.rows.clear();
        for owner in &owners {
            self.insert(Row::new(owner));
        }
    }

    /// (A sort is recursive, and the stack is bounded.)
    fn insert(&mut self, row: Row) {
        let order = self.order;
        let place = self
            .rows
            .iter()
            .position(|other| row.is_before(other, order));
        self.rows.insert(place.unwrap_or(self.rows.len()), row);
    }

    pub(super) fn rows(&self) -> &[Row] {
        &self.rows
    }

    pub(super) fn sort(&mut self, order: Order) {
        self.order = order;
        for row in core::mem::take(&mut self.rows) {
            self.insert(row);
        }
    }

    pub(super) fn select(&mut self, index: Option<usize>) {
        let row = index.and_then(|index| self.rows.get(index));
        self.selected = row.map(|row| row.process);
    }

    pub(super) fn selected(&self) -> Option<usize> {
        let selected = self.selected?;
        self.rows.iter().position(|row| row.process == selected)
    }
}
