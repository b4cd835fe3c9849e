//! `instructions MECHANISM COUNT`: serves so many exchanges. Run under callgrind with two counts; the difference is what the exchanges
//! took, without the start of the process and the recording.

use gatepost_bench::exchange::Exchange;
use gatepost_sasl::mechanism;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().unwrap_or_default();
    let count: u32 = arguments.next().and_then(|it| it.parse().ok()).unwrap_or(1);
    let Some(mechanism) = mechanism::by_name(&name) else {
        for mechanism in mechanism::ALL {
            println!("{mechanism}");
        }
        return;
    };
    let exchange = Exchange::record(mechanism);
    for _ in 0..count {
        exchange.serve();
    }
}
