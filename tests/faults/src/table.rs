//! Prints the figures.

use crate::proxy::Fault;
use crate::scenario::down::Outage;
use crate::scenario::{Outcome, Scenario};
use crate::subject::Store;

const TOP_ERRORS: usize = 3;

const HEADER: [&str; 9] = [
    "scenario",
    "store",
    "operations",
    "failed",
    "lost",
    "stale",
    "back",
    "p99 ms",
    "longest ms",
];

/// The index of the first column of numbers.
const FIRST_NUMBER: usize = 2;

/// The result of one store in one scenario.
pub(crate) struct Row {
    pub(crate) scenario: Scenario,
    pub(crate) store: Store,
    pub(crate) outcome: Outcome,
}

impl Row {
    fn cells(&self) -> [String; HEADER.len()] {
        let figures = &self.outcome.figures;
        let millis = |percent| format!("{:.1}", figures.latency(percent).as_secs_f64() * 1e3);
        [
            self.scenario.to_string(),
            self.store.to_string(),
            figures.operations.to_string(),
            figures.failed.to_string(),
            figures.lost.to_string(),
            figures.stale.to_string(),
            figures.back.to_string(),
            millis(99),
            millis(100),
        ]
    }
}

/// Prints a Markdown table with aligned columns, and below it a note for each row.
pub(crate) fn print(rows: &[Row]) {
    print_table(&HEADER, rows.iter().map(Row::cells));
    for row in rows {
        println!("\n{}, {}: {}", row.scenario, row.store, row.outcome.fault);
        for (message, count) in row.outcome.figures.top_errors(TOP_ERRORS) {
            println!("  {count} x {}", message.replace('\n', " "));
        }
    }
}

/// Prints a Markdown table of loads while the database was down, and below it their errors.
pub(crate) fn print_outages(outages: &[Outage]) {
    let header = ["fault", "store", "seconds", "connections"];
    let cells = outages.iter().map(|outage| {
        let waited = outage.waited.map_or_else(
            || "hangs".to_owned(),
            |waited| format!("{:.1}", waited.as_secs_f64()),
        );
        let connections = match outage.fault {
            Fault::Refuses => "none".to_owned(),
            _ => outage.accepted.to_string(),
        };
        let fault = format!("{}, {}", outage.fault.name(), outage.kind);
        [fault, outage.store.to_string(), waited, connections]
    });
    println!();
    print_table(&header, cells);
    println!();
    for outage in outages {
        let (fault, kind) = (outage.fault.name(), outage.kind);
        println!("{fault}, {kind}, {}: {}", outage.store, outage.error);
    }
}

fn print_table<const N: usize>(header: &[&str; N], rows: impl Iterator<Item = [String; N]>) {
    let rows: Vec<_> = rows.collect();
    if rows.is_empty() {
        return;
    }
    let mut widths = header.map(str::len);
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.len().max(*width);
        }
    }
    println!("{}", line(&header.map(str::to_owned), &widths));
    println!("{}", rule(&widths));
    for row in &rows {
        println!("{}", line(row, &widths));
    }
}

fn line(cells: &[String], widths: &[usize]) -> String {
    let padded = cells.iter().zip(widths).enumerate();
    let padded = padded.map(|(column, (cell, &width))| {
        if column < FIRST_NUMBER {
            format!("{cell:<width$}")
        } else {
            format!("{cell:>width$}")
        }
    });
    format!("| {} |", padded.collect::<Vec<_>>().join(" | "))
}

fn rule(widths: &[usize]) -> String {
    let dashes = widths.iter().enumerate().map(|(column, width)| {
        let side = if column < FIRST_NUMBER { '-' } else { ':' };
        format!("{}{side}", "-".repeat(width + 1))
    });
    format!("|{}|", dashes.collect::<Vec<_>>().join("|"))
}
