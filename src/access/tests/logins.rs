//! Who comes in, and as whom.

use super::*;

#[tokio::test]
async fn who_shows_nothing_or_something_else_is_refused_and_written_down() {
    let site = Site::new("", &[]);
    let certificate = site.certificate(&["lamp"]);
    let shown = || Some(Arc::new(Shown(Arc::clone(&certificate))) as Arc<dyn Principal>);
    let foreign = site
        .authority
        .issue_device(&"lamp".parse().unwrap(), KeyKind::Ecdsa);
    let unknown = Shown(Arc::new(foreign.unwrap().certificate));

    let refused = Some(Reason::NotAuthorized);
    for (client, reason) in [
        (client("nobody", None), refused),
        (client("lamp", shown()), None),
        (client("meter", shown()), refused),
        (client("lamp", Some(Arc::new(unknown))), refused),
    ] {
        let connected = site.connect(&client, None).await;
        assert_eq!(connected.err(), reason, "{}", client.id);
    }
    site.change("lamp", |thing| thing.is_disabled = true);
    let connected = site.connect(&client("lamp", shown()), None).await;
    assert_eq!(connected.err(), refused);
    site.change("lamp", |thing| {
        thing.is_disabled = false;
        thing.certificates[0].status = CertificateStatus::Inactive;
    });
    let connected = site.connect(&client("lamp", shown()), None).await;
    assert_eq!(connected.err(), refused);
    let expected = lines(&[
        ["Connect", "nobody", "no_identity"],
        ["Connect", "meter", "client_id"],
        ["Connect", "lamp", "unknown_certificate"],
        ["Connect", "lamp", "disabled_thing"],
        ["Connect", "lamp", "inactive_certificate"],
    ]);
    assert_eq!(site.audited().await, expected);
}

#[tokio::test]
async fn a_password_is_a_login_and_a_user_name_alone_is_not() {
    let site = Site::new("", &[]);
    let policies = vec!["own".to_owned()];
    let lamp = Some("lamp".parse().unwrap());
    User::add(&site.directory, "ann", b"secret", policies, lamp).unwrap();
    site.reload();
    let named = |name: &str, principal| Client {
        user_name: Some(name.to_owned()),
        ..client("lamp", principal)
    };
    let ann = named("ann?SDK=JavaScript", None);
    let ann = site.connect(&ann, Some("secret")).await.unwrap();
    assert_eq!(site.intakes(&ann, "lamp/on"), Ok(0));
    for (client, password, reason) in [
        (
            named("ann", None),
            Some("other"),
            Reason::BadUserNameOrPassword,
        ),
        (
            named("bob", None),
            Some("secret"),
            Reason::BadUserNameOrPassword,
        ),
        // Where others come in without anything a wrong password is one all the same.
        (
            named("ann", anonymous(None)),
            Some("other"),
            Reason::BadUserNameOrPassword,
        ),
        (named("ann", None), None, Reason::NotAuthorized),
    ] {
        let connected = site.connect(&client, password).await;
        assert_eq!(connected.err(), Some(reason));
    }
    // A certificate goes before a password, and so does what it may not do.
    let meter = Shown(site.certificate(&["meter"]));
    let meter = named("ann", Some(Arc::new(meter)));
    let connected = site.connect(&meter, Some("secret")).await;
    assert_eq!(connected.err(), Some(Reason::NotAuthorized));

    User::remove(&site.directory, "ann").unwrap();
    site.reload();
    assert!(!site.access.stays(&ann));
    assert_eq!(site.intakes(&ann, "lamp/on"), Err(Reason::NotAuthorized));
}

#[tokio::test(start_paused = true)]
async fn a_password_that_was_right_before_does_not_wait_behind_those_of_others() {
    let site = Site::new("", &[]);
    let policies = vec!["own".to_owned()];
    let lamp = Some("lamp".parse().unwrap());
    User::add(&site.directory, "ann", b"secret", policies, lamp).unwrap();
    site.reload();
    let ann = Client {
        user_name: Some("ann?SDK=Python".to_owned()),
        ..client("lamp", None)
    };
    site.connect(&ann, Some("secret")).await.unwrap();
    let _turn = site.access.passwords.take(None).await;
    site.connect(&ann, Some("secret")).await.unwrap();
    let connected = site.connect(&ann, Some("other")).await;
    assert_eq!(connected.err(), Some(Reason::ServerBusy));
    // What was right by another reading has to be checked again.
    site.reload();
    let connected = site.connect(&ann, Some("secret")).await;
    assert_eq!(connected.err(), Some(Reason::ServerBusy));
}

#[tokio::test]
async fn a_request_that_is_signed_wrongly_gets_no_web_socket_and_one_that_is_not_signed_may() {
    let site = Site::new("", &[]);
    let key = AccessKey::add(&site.directory, Vec::new(), None).unwrap();
    site.reload();
    let certificate: Arc<dyn Principal> = Arc::new(Shown(site.certificate(&["lamp"])));
    let upgrade = |target: &str, principal| {
        let upgrade = Upgrade {
            target,
            headers: &[("Host", "localhost")],
            peer: Peer::Unix,
            principal,
        };
        site.access.upgrade(&upgrade)
    };
    assert!(matches!(upgrade("/mqtt", None), Ok(None)));
    let forged = format!(
        "/mqtt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={}%2F20260101%2Fus-east-1\
         %2Fiotdevicegateway%2Faws4_request&X-Amz-Date=20260101T000000Z&X-Amz-Expires=86400\
         &X-Amz-SignedHeaders=host&X-Amz-Signature={}",
        key.id,
        "0".repeat(64),
    );
    let said = upgrade(&forged, None).unwrap_err();
    assert!(!said.contains(&key.secret), "{said}");
    let free = anonymous(None);
    upgrade("/mqtt?x-amz-date=now", free.as_ref()).unwrap_err();
    // A certificate says who it is, whatever the request says.
    let shown = upgrade(&forged, Some(&certificate)).unwrap().unwrap();
    assert!(shown.downcast_ref::<Shown>().is_some());
    let expected = lines(&[["Connect", "", "signature"]]);
    assert_eq!(site.audited().await[..1], expected);
}

#[tokio::test]
async fn anonymous_clients_may_do_everything_or_what_their_listener_says() {
    let watch = OWN.replace("${iot:Connection.Thing.ThingName}", "watch");
    let site = Site::new("", &[("policies/watch.json", &watch)]);
    let free = site.connect(&client("any", anonymous(None)), None).await;
    let free = free.unwrap();
    assert_eq!(site.intakes(&free, "kinesisfirehose/message"), Ok(2));
    assert!(site.sees(&free, "lamp/x", None) && site.subscribes(&free, "$share/g/#"));

    let bound = || anonymous(Some(&["watch"]));
    let connected = site.connect(&client("any", bound()), None).await;
    assert_eq!(connected.err(), Some(Reason::NotAuthorized));
    let watch = site.connect(&client("watch", bound()), None).await.unwrap();
    assert_eq!(site.intakes(&watch, "watch/a"), Ok(0));
    assert_eq!(site.intakes(&watch, "lamp/a"), Err(Reason::NotAuthorized));
    assert!(!site.sees(&watch, "lamp/x", None));
}

#[tokio::test]
async fn any_client_identifier_is_fine_where_the_configuration_says_so_and_the_policies_do() {
    let text = OWN.replace("client/${iot:Connection.Thing.ThingName}", "client/room-*");
    let site = Site::new("client_id = \"any\"", &[("policies/own.json", &text)]);
    let shown = Arc::new(Shown(site.certificate(&["lamp"])));
    let connected = site
        .connect(&client("room-1", Some(shown.clone())), None)
        .await;
    let lamp = connected.unwrap();
    assert_eq!(
        site.intakes(&lamp, "lamp/on"),
        Ok(0),
        "its thing is the only one"
    );
    let connected = site.connect(&client("cellar", Some(shown)), None).await;
    assert_eq!(connected.err(), Some(Reason::NotAuthorized));
}

#[test]
fn requests_that_say_they_are_signed_are_found() {
    for target in [
        "/mqtt?X-Amz-Date=1",
        "/mqtt?a=b&x-amz-signature=0",
        "/?X-Amz-=",
    ] {
        assert!(connect::is_signed(target), "{target}");
    }
    for target in [
        "/mqtt",
        "/mqtt?",
        "/X-Amz-Date=1",
        "/mqtt?a=X-Amz-Date",
        "/mqtt?X-Am",
    ] {
        assert!(!connect::is_signed(target), "{target}");
    }
}
