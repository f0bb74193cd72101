//! A session store's place on the command line: what is refused there may hold a password, and is not shown.

use std::ffi::OsStr;

use clap::builder::{TypedValueParser, ValueParserFactory};
use clap::error::ErrorKind;
use clap::{Arg, Command, Error};

use crate::StorePlace;

impl ValueParserFactory for StorePlace {
    type Parser = PlaceParser;

    fn value_parser() -> PlaceParser {
        PlaceParser
    }
}

/// Reads a [`StorePlace`].
#[doc(hidden)]
#[derive(Debug, Clone, Copy)]
pub struct PlaceParser;

impl TypedValueParser for PlaceParser {
    type Value = StorePlace;

    fn parse_ref(&self, _: &Command, arg: Option<&Arg>, value: &OsStr) -> Result<StorePlace, Error> {
        let text = value.to_string_lossy();
        text.parse().map_err(|error| {
            let scheme = text.split_once(':').map_or(String::new(), |(scheme, _)| format!("{scheme}:"));
            let argument = arg.map(Arg::to_string).unwrap_or_default();
            let message = format!(
                "invalid value '{scheme}...' for '{argument}': {error}\n\nFor more information, try '--help'.\n"
            );
            Error::raw(ErrorKind::ValueValidation, message)
        })
    }
}
