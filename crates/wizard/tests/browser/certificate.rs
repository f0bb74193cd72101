//! A certificate that the browser of a test trusts.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

/// Creates a certificate authority that the browser with this home trusts, and a certificate by it for these names:
/// `site.pem` and `site.key`.
pub(crate) fn certify(folder: &Path, hosts: &[&str]) {
    fs::create_dir_all(folder.join(".pki/nssdb")).unwrap();
    let names: Vec<_> = hosts.iter().map(|host| format!("DNS:{host}")).collect();
    fs::write(folder.join("names"), format!("subjectAltName={}\n", names.join(","))).unwrap();
    let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
    let authority =
        ["req", "-x509", "-days", "2", "-subj", "/CN=test authority", "-keyout", "ca.key", "-out", "ca.pem"];
    run("openssl", folder, &[&authority[..], &key].concat());
    let request = ["req", "-subj", "/CN=app", "-keyout", "site.key", "-out", "site.csr"];
    run("openssl", folder, &[&request[..], &key].concat());
    let sign = ["x509", "-req", "-in", "site.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial"];
    run("openssl", folder, &[&sign[..], &["-days", "2", "-extfile", "names", "-out", "site.pem"]].concat());
    let certutil = std::env::var("CERTUTIL").unwrap_or_else(|_| "certutil".to_owned());
    run(&certutil, folder, &["-d", "sql:.pki/nssdb", "-N", "--empty-password"]);
    run(&certutil, folder, &["-d", "sql:.pki/nssdb", "-A", "-t", "C,,", "-n", "testca", "-i", "ca.pem"]);
}

fn run(program: &str, folder: &Path, arguments: &[&str]) {
    let status = Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap_or_else(|error| panic!("{program} does not start ({error}); `cargo xtask test` installs it"));
    assert!(status.success(), "{program} {arguments:?}");
}
