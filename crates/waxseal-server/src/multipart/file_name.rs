//! File names that a client sent, made safe for a file system.

/// Every file system in use allows this many bytes, with some left for what an app puts in front.
const MAX_BYTES: usize = 200;

/// Names that Windows treats as devices, whatever extension follows.
const DEVICES: [&str; 6] = ["CON", "PRN", "AUX", "NUL", "COM", "LPT"];

/// Makes a file name from what a browser sent: the last part of a path, with only letters, digits and a few signs.
/// `None` if nothing is left.
///
/// Letters of any script stay. Folders are cut off. Spaces and all signs but `.`, `-` and `_` become `_`; control
/// characters and those that change the direction of writing are dropped. The name never begins or ends with a dot, a
/// hyphen or an underscore, is not a device of Windows, and has at most 200 bytes (the end is kept).
///
/// Two uploads may still get the same name: put each into its own folder, or a number in front.
///
/// # Example
///
/// ```
/// use waxseal_server::multipart::safe_file_name;
///
/// assert_eq!(safe_file_name("../../etc/passwd").as_deref(), Some("passwd"));
/// assert_eq!(safe_file_name(r"C:\Users\Merlin\My map.png").as_deref(), Some("My_map.png"));
/// assert_eq!(safe_file_name("Zaubertränke.pdf").as_deref(), Some("Zaubertränke.pdf"));
/// assert_eq!(safe_file_name(".."), None);
/// ```
#[must_use]
pub fn safe_file_name(name: &str) -> Option<String> {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let fit = |letter: char| match letter {
        letter if letter.is_alphanumeric() || matches!(letter, '.' | '-' | '_') => Some(letter),
        letter if letter.is_control() || is_invisible(letter) => None,
        _ => Some('_'),
    };
    let text: String = last.trim().chars().filter_map(fit).collect();
    let text = text.trim_matches(|letter| matches!(letter, '.' | '-' | '_'));
    let text = shortened(text).trim_start_matches(['.', '-', '_']);
    match text {
        "" => None,
        device if is_device(device) => Some(format!("file-{device}")),
        text => Some(text.to_owned()),
    }
}

/// The end of a long name, because that has the extension.
fn shortened(text: &str) -> &str {
    let mut start = text.len().saturating_sub(MAX_BYTES);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    &text[start..]
}

/// Zero-width characters, joiners and direction marks: with one of them, `exe.gnp` can be made to look like `png.exe`.
fn is_invisible(letter: char) -> bool {
    matches!(letter, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff0}'..='\u{ffff}' | '\u{e0000}'..='\u{e0fff}')
}

fn is_device(text: &str) -> bool {
    let stem = text.split('.').next().unwrap_or_default().to_ascii_uppercase();
    let name = stem.trim_end_matches(|letter: char| letter.is_ascii_digit());
    DEVICES.contains(&name) && (name.len() == stem.len() || matches!(name, "COM" | "LPT"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn nothing_dangerous_is_left_of_a_name() {
        for (name, expected) in [
            ("map.png", Some("map.png")),
            ("a/b/c.txt", Some("c.txt")),
            ("C:\\fakepath\\c.txt", Some("c.txt")),
            ("c.txt/", None),
            ("", None),
            (".", None),
            ("...", None),
            (".htaccess", Some("htaccess")),
            ("-rf", Some("rf")),
            ("a b\tc.txt", Some("a_bc.txt")),
            ("a:b.txt", Some("a_b.txt")),
            ("x.txt::$DATA", Some("x.txt___DATA")),
            ("a\0.php.png", Some("a.php.png")),
            ("<script>.html", Some("script_.html")),
            ("\"; rm -rf ~;.sh", Some("rm_-rf___.sh")),
            ("gnp\u{202e}exe.png", Some("gnpexe.png")),
            ("zero\u{200b}width.txt", Some("zerowidth.txt")),
            ("con", Some("file-con")),
            ("CON.txt", Some("file-CON.txt")),
            ("Lpt1.log", Some("file-Lpt1.log")),
            ("console.log", Some("console.log")),
            ("con1", Some("con1")),
            ("trailing. ", Some("trailing")),
            ("魔法.pdf", Some("魔法.pdf")),
        ] {
            assert_eq!(safe_file_name(name).as_deref(), expected, "{name:?}");
        }
    }

    #[test]
    fn the_end_of_a_long_name_stays() {
        let name = safe_file_name(&format!("{}.jpeg", "é".repeat(500))).unwrap();
        assert!(name.len() <= MAX_BYTES && name.ends_with("éé.jpeg"), "{name}");
    }

    proptest! {
        #[test]
        fn any_text_gives_one_plain_part_of_a_path_or_none(name in ".{0,300}") {
            if let Some(name) = safe_file_name(&name) {
                prop_assert!(!name.is_empty() && name.len() <= MAX_BYTES + "file-".len());
                prop_assert!(!name.starts_with(['.', '-']) && !name.ends_with('.'));
                prop_assert!(!name.contains(['/', '\\', ':', '\0', '<', '>', '"', '|', '?', '*']));
                prop_assert_eq!(safe_file_name(&name), Some(name));
            }
        }
    }
}
