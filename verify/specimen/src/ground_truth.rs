//! The contents of a specimen, known because the builder put them there.

use std::ops::Range;

use super::code::{Mark, MarkKind};
use super::data::Trio;
use super::image::{Image, index};
use super::name::Name;

/// The positions of everything in a specimen: RVAs unless noted otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroundTruth {
    /// T, the limit.
    pub threshold: u32,
    /// The count of half-open connections.
    pub count: u32,
    /// The number of queued connection attempts.
    pub queue: u32,
    /// The gates' loads, ascending.
    pub gates: Vec<u32>,
    /// Bytes of each gate, from its load to the end of its jump.
    pub gate_lens: Vec<u32>,
    /// The instruction with the event constant.
    pub event: Option<u32>,
    /// The first instruction of each atomic update of the count, ascending:
    /// the locked one itself, or the `mov` of the count's address before it.
    pub atomics: Vec<u32>,
    /// The instructions that read the queue length beside a gate, ascending.
    pub queue_tests: Vec<u32>,
    /// The instruction in INIT that stores the limit.
    pub start_up_store: Option<u32>,
    /// The thresholds of decoy limiters: none of them is T.
    pub decoys: Vec<u32>,
    /// File offsets of every byte of gates, queue tests, event, atomic
    /// updates and start-up store, ascending.
    pub evidence: Vec<Range<usize>>,
    /// File offsets of the headers, padding included.
    pub headers: Range<usize>,
}

impl GroundTruth {
    pub(super) fn read(
        program: &[(Name, Vec<Mark>)],
        variables: &Variables,
        image: &Image,
    ) -> Self {
        let mut evidence = Vec::new();
        let mut found = Vec::new();
        for (name, marks) in program {
            let place = image.place(*name);
            for mark in marks {
                found.push((mark.kind, place.rva + mark.start, mark.end - mark.start));
                let offset = index(place.offset);
                evidence.push(offset + index(mark.start)..offset + index(mark.end));
            }
        }
        found.sort_by_key(|&(_, rva, _)| rva);
        evidence.sort_by_key(|range| range.start);
        let marks_of = |wanted| found.iter().filter(move |(kind, ..)| *kind == wanted);
        let rvas = |wanted| marks_of(wanted).map(|&(_, rva, _)| rva);
        Self {
            threshold: variables.threshold,
            count: variables.count,
            queue: variables.queue,
            gates: rvas(MarkKind::Gate).collect(),
            gate_lens: marks_of(MarkKind::Gate)
                .map(|&(_, _, length)| length)
                .collect(),
            event: rvas(MarkKind::Event).next(),
            atomics: rvas(MarkKind::Atomic).collect(),
            queue_tests: rvas(MarkKind::QueueTest).collect(),
            start_up_store: rvas(MarkKind::StartUp).next(),
            decoys: variables.decoys.clone(),
            evidence,
            headers: 0..index(image.headers),
        }
    }
}

/// The RVAs of variables.
#[derive(Debug)]
pub(super) struct Variables {
    pub(super) threshold: u32,
    pub(super) count: u32,
    pub(super) queue: u32,
    decoys: Vec<u32>,
}

impl Variables {
    pub(super) fn new(trio: Trio, decoy_limiters: &[Trio], image: &Image) -> Self {
        let rva = |offset| image.rva(trio.section, offset);
        let decoy = |limiter: &Trio| image.rva(limiter.section, limiter.threshold);
        Self {
            threshold: rva(trio.threshold),
            count: rva(trio.count),
            queue: rva(trio.queue),
            decoys: decoy_limiters.iter().map(decoy).collect(),
        }
    }

    /// Whether an RVA is one of the three variables, or any byte of the limit.
    pub(super) fn have(&self, rva: u32) -> bool {
        let limit = self.threshold..self.threshold + 4;
        limit.contains(&rva) || [self.count, self.queue].contains(&rva)
    }
}
