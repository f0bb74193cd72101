//! The results as a picture.

use std::fmt::Write;

use crate::measure::Measured;
use crate::peer::OURS;
use crate::work::Work;

const LABEL_WIDTH: f64 = 210.0;
const WIDTH: f64 = 760.0;
const BAR: f64 = 18.0;
/// A longer bar is cut; its number still says how long it is.
const LONGEST_RATIO: f64 = 7.0;

/// Bars of every server for each work, in plain SVG that follows the reader's light or dark scheme.
pub(crate) fn chart(results: &[Measured]) -> String {
    let unit = (WIDTH - LABEL_WIDTH - 90.0) / LONGEST_RATIO;
    let mut body = String::new();
    let mut y = 40.0;
    for (at, work) in Work::ALL.into_iter().enumerate() {
        let title = work.description().replace('`', "");
        let _ = writeln!(body, "<text class=\"title\" x=\"0\" y=\"{y}\">{}: {title}</text>", work.name());
        y += 12.0;
        for result in results {
            let ratio = result.ratios()[at];
            let (middle, top, bottom) = (y + BAR / 2.0 + 4.0, y + 2.0, y + BAR - 2.0);
            let end = LABEL_WIDTH + ratio.min(LONGEST_RATIO) * unit;
            let (width, height, before) = (end - LABEL_WIDTH, bottom - top, LABEL_WIDTH - 8.0);
            let class = if result.peer == OURS { "ours" } else { "other" };
            let _ = writeln!(
                body,
                "<text x=\"{before}\" y=\"{middle}\" text-anchor=\"end\">{}</text>",
                result.peer
            );
            let _ = writeln!(
                body,
                "<rect class=\"{class}\" x=\"{LABEL_WIDTH}\" y=\"{top}\" width=\"{width:.1}\" height=\"{height}\" rx=\"2\"/>"
            );
            let cut = if ratio > LONGEST_RATIO { " (cut)" } else { "" };
            let _ = writeln!(body, "<text x=\"{:.1}\" y=\"{middle}\">{ratio:.2}{cut}</text>", end + 6.0);
            y += BAR;
        }
        y += 34.0;
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {y}\" role=\"img\" \
         aria-label=\"Processor time per request of each server, as a multiple of hyper's constant page\">\n\
         <style>\n\
         text {{ font: 13px system-ui, sans-serif; fill: #333 }}\n\
         .title {{ font-weight: 600 }}\n\
         .other {{ fill: #b9b2a3 }}\n\
         .ours {{ fill: #9e1b22 }}\n\
         @media (prefers-color-scheme: dark) {{\n\
         text {{ fill: #ddd }}\n\
         .other {{ fill: #5d6478 }}\n\
         .ours {{ fill: #d8484f }}\n\
         }}\n\
         </style>\n\
         <text x=\"0\" y=\"14\">Processor time per request, hyper's constant page = 1.</text>\n\
         {body}</svg>\n"
    )
}
