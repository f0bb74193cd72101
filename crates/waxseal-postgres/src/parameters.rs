//! Parameters of the URL that set options of the store.

use crate::durability::SynchronousCommit;
use crate::error::PostgresError;
use crate::options::{Pooler, PostgresOptions};

/// Moves parameters of the URL into the options, which they override.
pub(crate) fn taken(options: &PostgresOptions) -> Result<PostgresOptions, PostgresError> {
    let mut taken = options.clone();
    let Some((start, query)) = options.url.split_once('?') else { return Ok(taken) };
    // A password may contain a question mark.
    if query.contains('@') {
        return Err(PostgresError::Url("there is a ? before its @"));
    }
    let mut others = Vec::new();
    for parameter in query.split('&') {
        if !take(&mut taken, parameter)? {
            others.push(parameter);
        }
    }
    taken.url = if others.is_empty() { start.to_owned() } else { format!("{start}?{}", others.join("&")) };
    Ok(taken)
}

/// Applies a parameter. Returns `false` if it is one of the client's.
fn take(options: &mut PostgresOptions, parameter: &str) -> Result<bool, PostgresError> {
    let Some((name, value)) = parameter.split_once('=') else { return Ok(false) };
    match name {
        "schema" => options.schema = value.to_owned(),
        "sslrootcert" => options.root_certificates = Some(value.into()),
        "migrate" => {
            options.migrate = match value {
                "true" => true,
                "false" => false,
                _ => return Err(PostgresError::Url("migrate is true or false")),
            }
        }
        "pooler" => {
            options.pooler = match value {
                "none" => Pooler::None,
                "transaction" => Pooler::Transaction,
                "preparing-transaction" => Pooler::PreparingTransaction,
                _ => {
                    return Err(PostgresError::Url("pooler is none, transaction or preparing-transaction"));
                }
            }
        }
        "synchronous_commit" => {
            let level = SynchronousCommit::ALL.into_iter().find(|level| level.name() == value);
            let wrong =
                PostgresError::Url("synchronous_commit is off, local, remote_write, on or remote_apply");
            options.synchronous_commit = Some(level.ok_or(wrong)?);
        }
        _ => return options.network.set(name, value).map_err(PostgresError::Url),
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use waxseal_store::NetworkOptions;

    use super::*;

    #[test]
    fn a_url_may_name_every_option_and_wins() {
        let url = "postgres://a:b@h/d?schema=shop&sslmode=require&migrate=false&pooler=transaction\
                   &sslrootcert=/etc/roots.pem&synchronous_commit=remote_apply&connections=3&command_timeout=500ms";
        let options = taken(&PostgresOptions::new(url).schema("other")).unwrap();
        assert_eq!(options.url, "postgres://a:b@h/d?sslmode=require");
        assert_eq!(
            (options.schema.as_str(), options.migrate, options.pooler),
            ("shop", false, Pooler::Transaction)
        );
        assert_eq!(options.root_certificates.unwrap().to_str(), Some("/etc/roots.pem"));
        assert_eq!(options.synchronous_commit, Some(SynchronousCommit::RemoteApply));
        let network = NetworkOptions::new().connections(3).command_timeout(Duration::from_millis(500));
        assert_eq!(options.network, network);
        for plain in ["postgres://a:b@h/d", "postgres://a:b@h/d?sslmode=disable&application_name=x"] {
            assert_eq!(taken(&PostgresOptions::new(plain)).unwrap().url, plain);
        }
    }

    #[test]
    fn a_value_that_is_none_is_refused() {
        for parameter in
            ["migrate=no", "pooler=pgbouncer", "synchronous_commit=1", "connections=0", "queue=x"]
        {
            let options = PostgresOptions::new(&format!("postgres://a:fawkes@h/d?{parameter}"));
            let error = taken(&options).unwrap_err();
            assert!(matches!(error, PostgresError::Url(_)), "{parameter}: {error}");
        }
        assert!(taken(&PostgresOptions::new("postgres://a:f?awkes@h/d")).is_err());
    }
}
