//! Prints, for each mechanism, how often one exchange allocates, and how many octets: `NAME<TAB>COUNT<TAB>OCTETS`.

use gatepost_bench::exchange::Exchange;
use gatepost_sasl::mechanism;

fn main() {
    for mechanism in mechanism::ALL {
        let exchange = Exchange::record(mechanism);
        exchange.serve();
        let info = allocation_counter::measure(|| exchange.serve());
        println!("{mechanism}\t{}\t{}", info.count_total, info.bytes_total);
    }
}
