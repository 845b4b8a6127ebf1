//! Writes the tables of `BENCHMARKS.md` and its plots.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use plotters::coord::Shift;
use plotters::prelude::*;

const FONT: &str = "sans-serif";
const COLORS: [RGBColor; 5] = [
    RGBColor(0x1f, 0x6f, 0xb4),
    RGBColor(0xd9, 0x7b, 0x1c),
    RGBColor(0x7a, 0x7a, 0x7a),
    RGBColor(0x3a, 0x93, 0x5a),
    RGBColor(0x8a, 0x5a, 0xa8),
];
const WIDTH: u32 = 860;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Prints `text` and writes it between the markers of a section of `BENCHMARKS.md`.
///
/// # Errors
///
/// Returns an error if the page has no such section, or cannot be read or written.
pub fn write(section: &str, text: &str) -> Result<()> {
    println!("{text}");
    let path = root().join("BENCHMARKS.md");
    let page = fs::read_to_string(&path)?;
    let (begin, end) = (
        format!("<!-- {section}: begin -->\n"),
        format!("<!-- {section}: end -->\n"),
    );
    let missing = || format!("missing section {section} in BENCHMARKS.md");
    let (before, rest) = page.split_once(&begin).with_context(missing)?;
    let (_, after) = rest.split_once(&end).with_context(missing)?;
    fs::write(
        path,
        format!("{before}{begin}\n{}\n\n{end}{after}", text.trim()),
    )?;
    Ok(())
}

/// Returns a Markdown table. The first `text_columns` columns hold text, the others numbers.
#[must_use]
pub fn table(text_columns: usize, header: &[&str], rows: &[Vec<String>]) -> String {
    let mut text = format!("| {} |\n|", header.join(" | "));
    for column in 0..header.len() {
        text += if column < text_columns {
            "---|"
        } else {
            "--:|"
        };
    }
    for row in rows {
        let _ = write!(text, "\n| {} |", row.join(" | "));
    }
    text + "\n"
}

/// Formats a number with `digits` digits after the point, or a dash for none.
#[must_use]
pub fn cell(figure: Option<f64>, digits: usize) -> String {
    figure.map_or_else(|| "–".to_owned(), |figure| format!("{figure:.digits$}"))
}

/// Returns the median, or none of no figures.
#[must_use]
pub fn median(mut figures: Vec<f64>) -> Option<f64> {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied()
}

/// A plot, written to `benches/plots/NAME.svg`.
pub struct Plot<'a> {
    pub name: &'a str,
    pub title: &'a str,
    /// The label of the axis of values.
    pub axis: &'a str,
    /// The names in the legend.
    pub series: &'a [&'a str],
}

impl Plot<'_> {
    /// Draws a bar for each series of each group, and a reference line. Returns the Markdown of the image.
    ///
    /// # Errors
    ///
    /// Returns an error if the file cannot be written.
    pub fn bars(&self, groups: &[(String, Vec<f64>)], line: Option<f64>) -> Result<String> {
        let path = self.path()?;
        let rows = groups.len() * (self.series.len() + 1);
        let height = 110 + 13 * u32::try_from(rows)?;
        let area = self.area(&path, height)?;
        let longest = groups.iter().flat_map(|(_, bars)| bars).copied();
        let longest = longest.chain(line).fold(0.0, f64::max);
        #[expect(clippy::cast_precision_loss, reason = "small numbers")]
        let mut chart = ChartBuilder::on(&area)
            .margin(10)
            .x_label_area_size(45)
            .y_label_area_size(170)
            .build_cartesian_2d(0.0..longest * 1.4, 0.0..rows as f64)?;
        chart
            .configure_mesh()
            .disable_y_mesh()
            .y_labels(0)
            .x_desc(self.axis)
            .label_style((FONT, 13))
            .draw()?;
        for (index, name) in self.series.iter().enumerate() {
            let color = color(index);
            let bars = groups.iter().enumerate().map(|(group, (_, bars))| {
                let bottom = self.bottom(rows, group, index);
                let length = bars.get(index).copied().unwrap_or(0.0);
                let corners = [(0.0, bottom + 0.08), (length, bottom + 0.92)];
                Rectangle::new(corners, color.filled())
            });
            chart
                .draw_series(bars)?
                .label(*name)
                .legend(move |at| swatch(at, color));
        }
        if let Some(line) = line {
            #[expect(clippy::cast_precision_loss, reason = "small numbers")]
            let ends = [(line, 0.0), (line, rows as f64)];
            chart.draw_series([PathElement::new(ends, BLACK.stroke_width(1))])?;
        }
        for (group, (label, _)) in groups.iter().enumerate() {
            #[expect(clippy::cast_precision_loss, reason = "small numbers")]
            let middle = self.bottom(rows, group, 0) + 1.0 - self.series.len() as f64 / 2.0;
            let (x, y) = chart.plotting_area().map_coordinate(&(0.0, middle));
            // `map_coordinate` counts from the corner of the image, `draw` from that of the area below
            // the title.
            let corner = area.get_base_pixel();
            let at = (x - corner.0 - 162, y - corner.1 - 7);
            area.draw(&Text::new(label.clone(), at, (FONT, 13)))?;
        }
        legend(&mut chart, SeriesLabelPosition::LowerRight)?;
        area.present()?;
        Ok(self.markdown())
    }

    /// Draws a line for each series, over a logarithmic axis. Returns the Markdown of the image.
    ///
    /// # Errors
    ///
    /// Returns an error if the file cannot be written.
    pub fn lines(&self, x_axis: &str, series: &[Vec<(f64, f64)>]) -> Result<String> {
        let path = self.path()?;
        let area = self.area(&path, 380)?;
        let points = || series.iter().flatten();
        let highest = points().map(|point| point.1).fold(0.0, f64::max) * 1.5;
        let first = points().map(|point| point.0).fold(f64::MAX, f64::min);
        let last = points().map(|point| point.0).fold(0.0, f64::max);
        let mut chart = ChartBuilder::on(&area)
            .margin(10)
            .x_label_area_size(45)
            .y_label_area_size(70)
            .build_cartesian_2d((first * 0.8..last * 1.25).log_scale(), 0.0..highest)?;
        chart
            .configure_mesh()
            .x_desc(x_axis)
            .y_desc(self.axis)
            .x_label_formatter(&|rows| format!("{rows}"))
            .label_style((FONT, 13))
            .draw()?;
        for (index, (name, points)) in self.series.iter().zip(series).enumerate() {
            let color = color(index);
            chart
                .draw_series(LineSeries::new(points.clone(), color.stroke_width(2)).point_size(3))?
                .label(*name)
                .legend(move |at| swatch(at, color));
        }
        legend(&mut chart, SeriesLabelPosition::UpperLeft)?;
        area.present()?;
        Ok(self.markdown())
    }

    /// Returns the lower edge of a bar. Groups are drawn from top to bottom, with a free row between.
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    fn bottom(&self, rows: usize, group: usize, index: usize) -> f64 {
        (rows - group * (self.series.len() + 1) - index) as f64 - 1.5
    }

    fn path(&self) -> Result<PathBuf> {
        let folder = root().join("benches/plots");
        fs::create_dir_all(&folder)?;
        Ok(folder.join(format!("{}.svg", self.name)))
    }

    fn markdown(&self) -> String {
        format!("![{}](benches/plots/{}.svg)\n", self.title, self.name)
    }

    fn area<'p>(&self, path: &'p Path, height: u32) -> Result<DrawingArea<SVGBackend<'p>, Shift>> {
        let area = SVGBackend::new(path, (WIDTH, height)).into_drawing_area();
        area.fill(&WHITE)?;
        Ok(area.titled(self.title, (FONT, 17))?)
    }
}

fn color(index: usize) -> RGBColor {
    COLORS[index % COLORS.len()]
}

/// The colored box of a legend entry.
fn swatch((x, y): (i32, i32), color: RGBColor) -> Rectangle<(i32, i32)> {
    Rectangle::new([(x, y - 5), (x + 12, y + 5)], color.filled())
}

fn legend<'a, B, C>(chart: &mut ChartContext<'a, B, C>, position: SeriesLabelPosition) -> Result<()>
where
    B: DrawingBackend<ErrorType: 'static> + 'a,
    C: CoordTranslate,
{
    chart
        .configure_series_labels()
        .position(position)
        .label_font((FONT, 13))
        .background_style(WHITE.mix(0.9))
        .border_style(BLACK.mix(0.3))
        .draw()?;
    Ok(())
}
