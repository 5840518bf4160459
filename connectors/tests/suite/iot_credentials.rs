//! Credentials of AWS IoT's credential provider: who asks, how often, and what a failure is.

use std::time::{Duration, Instant};

use perennial_connectors::{FailureClass, SendError, Upstream};
use perennial_doubles::{Answer, CredentialsAnswer, CredentialsDouble, FirehoseDouble};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::{
    behaviour::join_all,
    support::{ARN, SOON, all_delivered, batch, build_upstream, upstream_problems},
};

/// Long enough that the last quarter of it is seen on a loaded machine.
const LIFETIME: Duration = Duration::from_secs(16);

/// The service, and the credential provider whose keys it trusts.
struct Stage {
    firehose: FirehoseDouble,
    provider: CredentialsDouble,
}

impl Stage {
    async fn set() -> Self {
        let stage = Self {
            firehose: FirehoseDouble::start().await.unwrap(),
            provider: CredentialsDouble::start().await.unwrap(),
        };
        stage.firehose.trust(stage.provider.keys());
        stage
    }

    fn upstream(&self, more: Value) -> Box<dyn Upstream> {
        let mut settings = json!({
            "endpoint_url": self.firehose.url(),
            "timeout": 10,
            "iot_credentials_endpoint": self.provider.url(),
            "iot_role_alias": "gateway=role",
            "iot_thing_name": "gateway:1",
            "iot_certificate": self.provider.certificate_file(),
            "iot_private_key": self.provider.private_key_file(),
            "iot_ca": self.provider.ca_file(),
        });
        for (key, value) in more.as_object().unwrap() {
            settings[key] = value.clone();
        }
        build_upstream("firehose", settings)
    }

    /// The access keys of the requests to the service.
    fn keys_used(&self) -> Vec<String> {
        let requests = self.firehose.requests();
        requests
            .into_iter()
            .map(|request| request.access_key)
            .collect()
    }

    /// The access keys that the provider gave, in that order.
    fn keys_given(&self) -> Vec<String> {
        let issued = self.provider.issued();
        issued.into_iter().map(|given| given.access_key).collect()
    }

    fn questions(&self) -> usize {
        self.provider.requests().len()
    }
}

async fn send(upstream: &dyn Upstream) -> Result<(), SendError> {
    let outcomes = upstream.send(&batch(ARN, ["a", "b"])).await?;
    assert!(all_delivered(&outcomes, 2), "{outcomes:?}");
    Ok(())
}

/// Sends until `is_it` is true of what an attempt came to.
async fn send_until(upstream: &dyn Upstream, is_it: impl Fn(&Result<(), SendError>) -> bool) {
    let started = Instant::now();
    loop {
        let sent = send(upstream).await;
        if is_it(&sent) {
            return;
        }
        assert!(started.elapsed() < SOON, "at last: {sent:?}");
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn requests_are_signed_with_the_credentials_of_the_role_alias() {
    let stage = Stage::set().await;
    let upstream = stage.upstream(json!({}));
    assert_eq!(stage.questions(), 0);
    send(&*upstream).await.unwrap();
    send(&*upstream).await.unwrap();
    let given = &stage.keys_given()[0];
    assert_eq!(stage.keys_used(), [given.clone(), given.clone()]);
    let [question] = &stage.provider.requests()[..] else {
        panic!("one question is enough");
    };
    assert_eq!(question.path, "/role-aliases/gateway=role/credentials");
    assert_eq!(question.thing_name.as_deref(), Some("gateway:1"));
    assert_eq!(stage.firehose.records("stream-a").len(), 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_question_serves_all_lanes_and_regions() {
    let stage = Stage::set().await;
    let upstream = stage.upstream(json!({}));
    let batches: Vec<_> = (0..40)
        .map(|number| {
            let region = format!("xx-test-{}", number % 5);
            let arn = format!("arn:aws:firehose:{region}:123456789012:deliverystream/s{number}");
            batch(&arn, ["a"])
        })
        .collect();
    let sent = join_all(batches.iter().map(|batch| upstream.send(batch)).collect()).await;
    assert!(sent.iter().all(Result::is_ok), "{sent:?}");
    assert_eq!(stage.questions(), 1);
}

#[tokio::test]
async fn credentials_are_renewed_before_they_expire() {
    let stage = Stage::set().await;
    stage.provider.set_lifetime(LIFETIME);
    let upstream = stage.upstream(json!({}));
    send(&*upstream).await.unwrap();
    let started = Instant::now();
    send_until(&*upstream, |sent| {
        assert_eq!(*sent, Ok(()));
        stage.keys_given().len() == 2
    })
    .await;
    assert!(started.elapsed() < LIFETIME);
    let second = stage.keys_given()[1].clone();
    send_until(&*upstream, |sent| {
        assert_eq!(*sent, Ok(()));
        stage.keys_used().last() == Some(&second)
    })
    .await;
}

#[tokio::test]
async fn the_old_credentials_are_used_to_their_end_while_there_are_no_new_ones() {
    let stage = Stage::set().await;
    stage.provider.set_lifetime(LIFETIME);
    stage.provider.script([CredentialsAnswer::Give]);
    stage
        .provider
        .answer_with(CredentialsAnswer::internal_failure());
    let upstream = stage.upstream(json!({}));
    send(&*upstream).await.unwrap();
    send_until(&*upstream, |sent| {
        assert_eq!(*sent, Ok(()));
        stage.questions() == 2
    })
    .await;
    send(&*upstream).await.unwrap();
    assert_eq!(stage.keys_given().len(), 1);

    send_until(&*upstream, |sent| match sent {
        Ok(()) => false,
        // The service's clock may be a little ahead.
        Err(error) if error.code == "ExpiredTokenException" => false,
        Err(error) => {
            assert_eq!(
                (error.class, &*error.code),
                (FailureClass::Unavailable, "IotCredentialsRefused")
            );
            true
        }
    })
    .await;
    stage.provider.answer_with(CredentialsAnswer::Give);
    send_until(&*upstream, Result::is_ok).await;
    assert_eq!(stage.keys_used().last(), stage.keys_given().last());
}

#[tokio::test]
async fn credentials_that_a_service_does_not_take_are_not_used_again() {
    let stage = Stage::set().await;
    let upstream = stage.upstream(json!({}));
    stage.firehose.script([Answer::expired_token()]);
    let error = send(&*upstream).await.unwrap_err();
    assert_eq!(
        (error.class, &*error.code),
        (FailureClass::NoAccess, "ExpiredTokenException")
    );
    send(&*upstream).await.unwrap();

    stage.provider.keys().revoke(&stage.keys_given()[1]);
    let error = send(&*upstream).await.unwrap_err();
    assert_eq!(
        (error.class, &*error.code),
        (FailureClass::NoAccess, "UnrecognizedClientException")
    );
    send(&*upstream).await.unwrap();

    let given = stage.keys_given();
    assert_eq!(given.len(), 3);
    let used = [&given[0], &given[1], &given[1], &given[2]].map(Clone::clone);
    assert_eq!(stage.keys_used(), used);
}

#[tokio::test]
async fn credentials_that_may_not_do_something_are_kept() {
    let stage = Stage::set().await;
    let upstream = stage.upstream(json!({}));
    stage
        .firehose
        .script([Answer::access_denied(), Answer::access_denied()]);
    for _ in 0..2 {
        assert_eq!(
            send(&*upstream).await.unwrap_err().class,
            FailureClass::NoAccess
        );
    }
    send(&*upstream).await.unwrap();
    assert_eq!(stage.questions(), 1);
}

#[tokio::test]
async fn a_failure_says_whom_was_asked_for_what_and_what_to_check() {
    use FailureClass::{NoAccess, Unavailable};
    let body = |status, body: &str| CredentialsAnswer::Body {
        status,
        body: body.to_owned(),
    };
    let answers = [
        (
            CredentialsAnswer::access_denied(),
            NoAccess,
            "iot:AssumeRoleWithCertificate",
        ),
        (
            CredentialsAnswer::role_alias_not_found(),
            NoAccess,
            "check that the role alias",
        ),
        (
            CredentialsAnswer::internal_failure(),
            Unavailable,
            "HTTP status 500: Internal Server Error",
        ),
        (body(429, "{}"), FailureClass::Throttled, "HTTP status 429"),
        (
            body(200, "<html>a portal</html>"),
            Unavailable,
            "the answer cannot be used",
        ),
        (CredentialsAnswer::Reset, Unavailable, "Connection reset"),
        (
            CredentialsAnswer::Hang,
            Unavailable,
            "no answer within 0.75 s",
        ),
    ];
    for (answer, class, words) in answers {
        let stage = Stage::set().await;
        stage.provider.script([answer]);
        let upstream = stage.upstream(json!({"timeout": 1}));
        let error = send(&*upstream).await.unwrap_err();
        assert_eq!(error.class, class, "{error}");
        assert!(error.message.contains(words), "{error}");
        let asked = format!(
            "AWS IoT's credential provider {} gave no credentials for role alias \
             \"gateway=role\" and thing \"gateway:1\": ",
            stage.provider.url()
        );
        assert!(error.message.contains(&asked), "{error}");
        assert_eq!(stage.firehose.requests().len(), 0);
        send_until(&*upstream, Result::is_ok).await;
    }
}

#[tokio::test]
async fn a_provider_that_is_away_is_asked_again() {
    let mut stage = Stage::set().await;
    stage.provider.stop().await;
    let upstream = stage.upstream(json!({}));
    let error = send(&*upstream).await.unwrap_err();
    assert_eq!(
        (error.class, &*error.code),
        (FailureClass::Unavailable, "ConnectError")
    );
    stage.provider.restart().await.unwrap();
    send_until(&*upstream, Result::is_ok).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failure_is_one_question_and_not_one_for_each_lane() {
    let stage = Stage::set().await;
    stage
        .provider
        .answer_with(CredentialsAnswer::access_denied());
    let upstream = stage.upstream(json!({}));
    let started = Instant::now();
    let sent = batch(ARN, ["a"]);
    for _ in 0..4 {
        let attempts = join_all((0..25).map(|_| upstream.send(&sent)).collect()).await;
        assert!(attempts.iter().all(Result::is_err));
    }
    let most = 1 + started.elapsed().as_secs() as usize;
    assert!(stage.questions() <= most, "{} questions", stage.questions());
}

#[tokio::test]
async fn a_certificate_that_was_renewed_is_shown_without_a_restart() {
    let stage = Stage::set().await;
    stage.provider.forge_certificate().unwrap();
    let upstream = stage.upstream(json!({}));
    let error = send(&*upstream).await.unwrap_err();
    assert_eq!(
        (error.class, &*error.code),
        (FailureClass::NoAccess, "TlsError"),
        "{error}"
    );
    assert_eq!(stage.questions(), 0);

    stage.provider.renew_certificate().unwrap();
    send_until(&*upstream, Result::is_ok).await;
    assert_eq!(stage.questions(), 1);
}

#[tokio::test]
async fn a_server_that_is_another_is_asked_for_nothing() {
    let (stage, other) = (Stage::set().await, Stage::set().await);
    let upstream = stage.upstream(json!({"iot_ca": other.provider.ca_file()}));
    let error = send(&*upstream).await.unwrap_err();
    assert_eq!(
        (error.class, &*error.code),
        (FailureClass::NoAccess, "TlsError"),
        "{error}"
    );
    assert_eq!(stage.questions(), 0);
}

#[tokio::test]
async fn files_that_are_missing_or_wrong_are_named_and_may_come_late() {
    let stage = Stage::set().await;
    let folder = tempfile::tempdir().unwrap();
    let late = folder.path().join("late.pem");
    for key in ["iot_certificate", "iot_private_key", "iot_ca"] {
        let upstream = stage.upstream(json!({(key): late}));
        let error = send(&*upstream).await.unwrap_err();
        assert_eq!(
            (error.class, &*error.code),
            (FailureClass::NoAccess, "ConfigurationError")
        );
        assert!(
            error
                .message
                .contains(&format!("cannot read {}", late.display())),
            "{error}"
        );
        std::fs::write(&late, "no PEM").unwrap();
        let no_pem = format!("{} has no", late.display());
        send_until(&*upstream, |sent| {
            sent.as_ref()
                .is_err_and(|error| error.message.contains(&no_pem))
        })
        .await;
        let right = match key {
            "iot_certificate" => stage.provider.certificate_file(),
            "iot_private_key" => stage.provider.private_key_file(),
            _ => stage.provider.ca_file(),
        };
        std::fs::copy(right, &late).unwrap();
        send_until(&*upstream, Result::is_ok).await;
        std::fs::remove_file(&late).unwrap();
    }
}

#[test]
fn the_parameters_come_together_and_instead_of_others() {
    assert_eq!(
        upstream_problems(
            "firehose",
            json!({
                "iot_credentials_endpoint": "http://plain",
                "iot_role_alias": "two words",
                "iot_certificate": "cert.pem",
            })
        ),
        [
            r#"iot_thing_name is needed: iot_thing_name = "gateway-1""#,
            r#"iot_private_key is needed: iot_private_key = "core.private.key""#,
            "iot_credentials_endpoint: it is a host name or an https URL, as in: iot_credentials_endpoint = \"c1a2b3.credentials.iot.eu-west-1.amazonaws.com\"",
            "iot_role_alias: found \"two words\"; it has 1 to 128 letters, digits and some signs",
        ]
    );
    assert_eq!(
        upstream_problems("firehose", json!({"iot_ca": "ca.pem"})).len(),
        5
    );
    let problem = "the credentials come from AWS IoT, as `iot_credentials_endpoint` says";
    assert_eq!(
        upstream_problems(
            "firehose",
            json!({
                "iot_credentials_endpoint": "c1.credentials.iot.eu-west-1.amazonaws.com",
                "iot_role_alias": "role",
                "iot_thing_name": "thing",
                "iot_certificate": "cert.pem",
                "iot_private_key": "key.pem",
                "profile": "a",
                "credentials_file": "b",
            })
        ),
        [
            format!("profile: {problem}"),
            format!("credentials_file: {problem}")
        ]
    );
}
