//! An operator's day: keys are rotated, the store is lost and restored from a backup, and a server is restarted. The
//! dashboard shows each.

use store_tests::front::Kind;
use store_tests::postgres;

use crate::backup::Store;
use crate::behind::load::{Load, Visitor};
use crate::behind::{Plan, Site};
use crate::dashboard::{Dashboard, until};
use crate::key_files::{bring, operate};
use crate::outage::exchange;
use crate::program::folder;

const ROOT: &str = "/app";
const VISITORS: usize = 4;

pub(crate) fn spend<S: Store>(store: &mut S) {
    let url = store.prepare();
    let mut site = Site::start(Plan {
        kind: Kind::Nginx,
        store: Some(&url),
        root: ROOT,
        more: &["--session-state=mirrored"],
    });
    let dashboard = Dashboard::start(&[site.machines[0].admin, site.machines[1].admin]);
    keys_are_rotated(&mut site, &dashboard);
    the_store_comes_back_from_a_backup(&site, store, &dashboard);
    a_server_is_restarted(&mut site, &dashboard);
    if S::COUNTS {
        dashboard.until_it_shows("Records in the store", "", |records| records > 0.0);
    }
    for machine in &mut site.machines {
        let said = machine.end();
        let has_secrets = ["waxseal1_", postgres::PASSWORD].iter().any(|secret| said.contains(secret));
        assert!(!has_secrets && !said.contains("panic"), "{said}");
    }
}

fn keys_are_rotated(site: &mut Site, dashboard: &Dashboard) {
    let load = Load::start(&site.client, ROOT, VISITORS);
    dashboard.until_it_shows("Requests by status", "2xx", |rate| rate > 1.0);
    let old = "5ae566ad";
    dashboard.until_it_shows("Cookies by key", old, |rate| rate > 0.0);

    let [one, two] = &mut site.machines;
    let mut change = |arguments: &[&str]| {
        let answer = operate(arguments, &one.secret_file);
        bring(&one.secret_file, &two.secret_file);
        for machine in [&mut *one, two] {
            machine.program().hear("secret keys changed from ");
        }
        answer
    };
    let new = change(&["keys", "add"])["added"].as_str().unwrap().to_owned();
    change(&["keys", "promote", &new]);
    dashboard.until_it_shows("Cookies by key", &new, |rate| rate > 0.0);
    // Every visitor has written since then.
    dashboard.until_it_shows("Cookies by key", old, |rate| rate == 0.0);
    change(&["keys", "retire", old, "--revoke"]);
    load.go_on();
    load.stop().assert_none_failed();
    assert!(!dashboard.shows("Cookies refused", "unknown_key", |rate| rate > 0.0));
}

fn the_store_comes_back_from_a_backup(site: &Site, store: &mut impl Store, dashboard: &Dashboard) {
    let admin = site.machines[0].admin;
    // The servers stay ready, and warn about what is wrong.
    let is_warned = || {
        let report = exchange(admin, "GET /health/ready", "", "");
        assert_eq!(report.status, 200, "{report:?}");
        report.shows("\"reason\": \"store\"")
    };
    let mut idle = Visitor::new(&site.client, ROOT, "Idle");
    let mut early = Visitor::new(&site.client, ROOT, "Early");
    let backups = folder();
    store.back_up(backups.path());
    early.rename("Earlier").unwrap();
    let mut late = Visitor::new(&site.client, ROOT, "Late");
    assert!(!is_warned());

    store.lose();
    let mut outage = || {
        early.look().unwrap();
        let refused = early.rename("Nobody").unwrap_err();
        assert!(refused.contains("status: 503"), "{refused}");
    };
    for (title, label) in [
        ("Store calls by outcome", "outage"),
        ("Servers of the store out of reach", ""),
        ("Share of 5xx", ""),
        ("Requests by status", "5xx"),
        ("Sessions read from", "copy in an outage"),
    ] {
        until(&format!("{title}, {label}"), || {
            outage();
            dashboard.shows(title, label, |value| value > 0.0)
        });
    }
    until("an alert", || {
        outage();
        dashboard.active_alerts().contains("WaxsealStoreAway")
    });
    assert!(is_warned());

    store.restore(backups.path());
    until("the store is back", || early.rename("Early again").is_ok());
    early.look().unwrap();
    idle.look().unwrap();
    until("no server misses the store", || !is_warned());
    // A visitor whose session is not in the backup has to sign in again, and can.
    let mut seen = Ok(());
    until("the copy is asked about", || {
        seen = late.look();
        seen.is_err()
    });
    assert!(seen.as_ref().is_err_and(|page| page.contains("We have not met yet")), "{seen:?}");
    dashboard.until_it_shows("Sessions refused", "gone", |rate| rate > 0.0);
    late.rename("Late again").unwrap();
    late.look().unwrap();
    dashboard.until_it_shows("Store calls by outcome", "outage", |rate| rate == 0.0);
}

fn a_server_is_restarted(site: &mut Site, dashboard: &Dashboard) {
    let load = Load::start(&site.client, ROOT, VISITORS);
    let [one, two] = site.machines.each_ref().map(|machine| machine.admin.to_string());
    dashboard.until_it_shows("Time since the start", &two, |seconds| seconds > 30.0);
    site.machines[1].restart();
    dashboard.until_it_shows("Time since the start", &two, |seconds| seconds < 30.0);
    assert!(dashboard.shows("Time since the start", &one, |seconds| seconds > 30.0));
    load.go_on();
    load.stop().assert_none_failed();
}
