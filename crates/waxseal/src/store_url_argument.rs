//! A session store's URL on the command line.

use std::ffi::OsStr;

use clap::builder::{TypedValueParser, ValueParser, ValueParserFactory};
use clap::error::ErrorKind;
use clap::{Arg, Command, Error};

use crate::store_url::StoreUrl;

impl ValueParserFactory for StoreUrl {
    type Parser = ValueParser;

    fn value_parser() -> ValueParser {
        ValueParser::new(StoreUrlParser)
    }
}

/// Parses a [`StoreUrl`]. Its error shows only the scheme, because the rest may contain a password.
#[derive(Debug, Clone, Copy)]
struct StoreUrlParser;

impl TypedValueParser for StoreUrlParser {
    type Value = StoreUrl;

    fn parse_ref(&self, _: &Command, arg: Option<&Arg>, value: &OsStr) -> Result<StoreUrl, Error> {
        let text = value.to_string_lossy();
        StoreUrl::parse(&text).map_err(|found| {
            let scheme = text.split_once(':').map_or(String::new(), |(scheme, _)| format!("{scheme}:"));
            let argument = arg.map(Arg::to_string).unwrap_or_default();
            let message = format!(
                "invalid value '{scheme}...' for '{argument}': {found}; {}\n\nFor more information, try '--help'.\n",
                StoreUrl::FORMS
            );
            Error::raw(ErrorKind::ValueValidation, message)
        })
    }
}
