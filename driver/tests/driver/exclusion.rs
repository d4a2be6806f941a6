//! One request at a time.

use std::thread;

use simulation::kernel::{AddressLayout, Configuration, System, X86};
use simulation::session::Answer;
use tcplimit_driver::{Device, Driver};
use tcplimit_protocol::Reason;

/// Each write replaces the one before it, and none is lost.
#[test]
fn requests_of_several_threads_are_serialised() {
    let kernel = System::<X86>::start(&Configuration::x86(), AddressLayout::First);
    let exclusion = kernel.exclusion();
    let driver = Driver::new(kernel, exclusion);
    driver.load().expect("it loads");
    thread::scope(|scope| {
        for thread in 0..4_u32 {
            let driver = &driver;
            scope.spawn(move || {
                for number in 0..50 {
                    let limit = 1000 * (thread + 1) + number;
                    let fields = [20, 1, 4, limit, 0_u32];
                    let mut buffer: Vec<u8> =
                        fields.into_iter().flat_map(u32::to_le_bytes).collect();
                    buffer.resize(104, 0);
                    let code = 0x22_E404;
                    let done = driver.control(Device::Ours, code, &mut buffer, 20, 104);
                    assert_eq!(done.information, 104);
                    let response = Answer::read(&buffer);
                    assert_eq!(
                        (response.reason(), response.values[0]),
                        (Reason::Done, limit)
                    );
                }
            });
        }
    });
    let state = driver.kernel().state();
    assert_eq!(state.exchanges.len(), 200);
    let mut now = 10;
    for exchange in &state.exchanges {
        assert_eq!(exchange.current, now, "a write was lost");
        now = exchange.limit;
    }
    assert_eq!(state.violations(), &[] as &[String]);
}
