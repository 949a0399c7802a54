//! How a cost grows: each one at two sizes in one run, and the exponent between them.
//!
//! - [`costs`]: CPU of the server for a work of a size
//! - [`beside`]: what the way of devices feels of viewers, REST and flushes
//! - [`memory`]: what stays after a restart, and after viewers that come and go
//! - [`source`], [`watcher`]: who publishes, who looks

pub(super) mod beside;
mod costs;
mod memory;
mod source;
mod watcher;

use super::{
    BenchConfig,
    server::{Kind, Server},
    table::Table,
};
use std::{io, time::Duration};
use tokio::time::sleep;

/// A work in proportion to what was asked for may cost a little more than that: caches and trees.
const LINEAR: f64 = 1.2;
/// A work that has nothing to do with the size.
const CONSTANT: f64 = 0.3;
/// CPU time is counted in hundredths of a second: less is not told from nothing.
const CPU_S_MIN: f64 = 0.01;

/// A cost at two sizes.
struct Grown {
    load: String,
    figure: &'static str,
    sizes: [usize; 2],
    costs: [f64; 2],
    exponent_max: f64,
}

impl Grown {
    /// By which power of the size the cost grows.
    fn exponent(&self) -> f64 {
        let ratio = |of: [f64; 2]| of[1] / of[0];
        ratio(self.costs).ln() / ratio(self.sizes.map(|size| size as f64)).ln()
    }

    fn add_to(&self, table: &mut Table) {
        let exponent = self.exponent();
        let load = format!("{}, {} and {}", self.load, self.sizes[0], self.sizes[1]);
        table.add(&format!("{load}; peer: the smaller"), self.figure, self.costs[1], Some(self.costs[0]), "");
        let goal = if self.exponent_max == LINEAR { "1.2" } else { "0.3" };
        table.add(&load, "exponent", exponent, None, goal);
        if exponent > self.exponent_max {
            table.missed.push(format!("{load}: {} grows by the power {exponent:.2} of the size", self.figure));
        }
        eprintln!(
            "bench: {load}: {} {:.4} and {:.4}, exponent {exponent:.2}",
            self.figure, self.costs[0], self.costs[1]
        );
    }
}

/// All of it.
///
/// # Errors
/// When a server cannot be started or ends a connection.
pub async fn run(config: &BenchConfig, table: &mut Table) -> io::Result<()> {
    costs::run(config, table).await?;
    memory::run(config, table).await
}

async fn start(config: &BenchConfig, settings: &str) -> io::Result<Server> {
    Server::start_with(Kind::Tidegate, &config.tidegate, settings).await
}

/// CPU of the server, in seconds, for `work`; what it does in the background meanwhile is counted too.
async fn cpu_of(server: &Server, work: impl Future<Output = io::Result<()>>) -> io::Result<f64> {
    settle(server).await?;
    let before = server.usage()?.cpu_s;
    work.await?;
    settle(server).await?;
    Ok((server.usage()?.cpu_s - before).max(CPU_S_MIN))
}

/// Until the server has nothing to do: a quarter of a second with a hundredth of CPU at most.
async fn settle(server: &Server) -> io::Result<()> {
    for _ in 0..400 {
        let before = server.usage()?.cpu_s;
        sleep(Duration::from_millis(250)).await;
        if server.usage()?.cpu_s - before < 0.011 {
            return Ok(());
        }
    }
    Err(io::Error::other("the server did not come to rest within 100 s"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_grows_faster_than_the_size_is_missed() {
        let grown = |large| Grown {
            load: "groups".into(),
            figure: "CPU, s",
            sizes: [1_000, 10_000],
            costs: [0.1, large],
            exponent_max: LINEAR,
        };
        assert!((grown(1.0).exponent() - 1.0).abs() < 1e-9);
        let mut table = Table::default();
        grown(1.0).add_to(&mut table);
        assert!(table.missed.is_empty());
        grown(10.0).add_to(&mut table);
        assert_eq!(table.missed.len(), 1);
    }
}
