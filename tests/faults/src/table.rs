//! Prints the figures.

use crate::scenario::{Outcome, Scenario};
use crate::subject::Store;

const TOP_ERRORS: usize = 3;

const HEADER: [&str; 8] = [
    "scenario",
    "store",
    "operations",
    "failed",
    "lost",
    "stale",
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
            millis(99),
            millis(100),
        ]
    }
}

/// Prints a Markdown table with aligned columns, and below it a note for each row.
pub(crate) fn print(rows: &[Row]) {
    let cells: Vec<_> = rows.iter().map(Row::cells).collect();
    let mut widths = HEADER.map(str::len);
    for row in &cells {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.len().max(*width);
        }
    }
    println!("{}", line(&HEADER.map(str::to_owned), &widths));
    println!("{}", rule(&widths));
    for row in &cells {
        println!("{}", line(row, &widths));
    }
    for row in rows {
        println!("\n{}, {}: {}", row.scenario, row.store, row.outcome.fault);
        for (message, count) in row.outcome.figures.top_errors(TOP_ERRORS) {
            println!("  {count} x {}", message.replace('\n', " "));
        }
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
