//! How a page looks and can be used: what can be measured is asserted, and the rest is kept in pictures.

use std::fs;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use fantoccini::key::Key;
use serde_json::json;

use crate::driver::Browser;

/// The widths of a desktop, a phone, and the narrowest screen that must work (WCAG 2.2, 1.4.10).
const WIDTHS: [u32; 3] = [1200, 390, 320];
const HEIGHT: u32 = 800;

/// Checks the open page in both colour schemes and all widths, and saves a picture of each.
pub(crate) fn check(browser: &Browser, page: &str) {
    assert_eq!(browser.script(include_str!("structure.js")), json!([]), "{page}");
    for scheme in ["light", "dark"] {
        browser.devtools(
            "Emulation.setEmulatedMedia",
            json!({ "features": [
                { "name": "prefers-color-scheme", "value": scheme },
                { "name": "prefers-reduced-motion", "value": "reduce" },
            ]}),
        );
        for width in WIDTHS {
            let view = format!("{page}-{scheme}-{width}");
            resize(browser, width);
            // The picture is taken first, because it helps to understand a failure after it.
            picture(browser, &view, width);
            assert_eq!(overflow(browser), 0, "{view} scrolls sideways");
            let problems = browser.script_with(include_str!("contrast.js"), vec![json!(scheme)]);
            assert_eq!(problems, json!([]), "{view}");
        }
    }
    browser.devtools("Emulation.setEmulatedMedia", json!({ "features": [] }));
    browser.devtools("Emulation.clearDeviceMetricsOverride", json!({}));
}

/// Walks through the open page with Tab, forwards and backwards. Each control must get a visible focus, in the order of
/// the page.
pub(crate) fn check_keyboard(browser: &Browser, page: &str) {
    const CONTROLS: &str = "[...document.querySelectorAll('a[href], button, input, select, textarea')]";
    let count = browser.script(&format!("return {CONTROLS}.length")).as_u64().expect("a length is a number");
    assert!(count > 0, "{page} has controls");
    // The walk begins at the top, whatever had the focus before.
    browser.script("document.activeElement.blur(); getSelection().collapse(document.body, 0)");
    let forwards = (0..count).map(|index| (Key::Tab.to_string(), index));
    let backwards = (0..count - 1).rev().map(|index| (Key::Shift + &Key::Tab, index));
    for (keys, expected) in forwards.chain(backwards) {
        browser.press(&keys);
        let focus = browser.script(&format!(
            "const style = getComputedStyle(document.activeElement);
             return [{CONTROLS}.indexOf(document.activeElement),
                     style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2]"
        ));
        assert_eq!(focus, json!([expected, true]), "{page}: place in the page, and whether the focus shows");
    }
}

fn resize(browser: &Browser, width: u32) {
    let size = json!({ "width": width, "height": HEIGHT, "deviceScaleFactor": 1, "mobile": false });
    browser.devtools("Emulation.setDeviceMetricsOverride", size);
}

/// The number of pixels by which the page is wider than the screen.
fn overflow(browser: &Browser) -> i64 {
    let overflow = browser.script("return document.documentElement.scrollWidth - innerWidth");
    overflow.as_i64().expect("a width is a number")
}

/// Saves a picture of the whole page, including the part below the screen.
fn picture(browser: &Browser, view: &str, width: u32) {
    let height = browser.script("return document.documentElement.scrollHeight");
    let clip = json!({ "x": 0, "y": 0, "width": width, "height": height, "scale": 1 });
    let taken =
        browser.devtools("Page.captureScreenshot", json!({ "clip": clip, "captureBeyondViewport": true }));
    let data = taken["data"].as_str().expect("a picture comes as text");
    let bytes = STANDARD.decode(data).expect("the text is Base64");
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("it is a folder in target");
    let folder = target.join("screenshots");
    fs::create_dir_all(&folder).expect("the target folder can be written to");
    fs::write(folder.join(format!("{view}.png")), bytes).expect("a picture can be written");
}
