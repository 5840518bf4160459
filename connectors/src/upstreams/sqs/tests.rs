//! What the answers of SQS mean.

use aws_sdk_sqs::types::SendMessageBatchResultEntry;

use super::*;

fn taken(id: &str) -> SendMessageBatchResultEntry {
    SendMessageBatchResultEntry::builder()
        .id(id)
        .message_id(format!("message-{id}"))
        .md5_of_message_body("")
        .build()
        .unwrap()
}

fn failed(id: &str, code: &str, sender_fault: bool) -> BatchResultErrorEntry {
    BatchResultErrorEntry::builder()
        .id(id)
        .code(code)
        .message("why")
        .sender_fault(sender_fault)
        .build()
        .unwrap()
}

fn answer(
    taken: impl IntoIterator<Item = SendMessageBatchResultEntry>,
    failed: impl IntoIterator<Item = BatchResultErrorEntry>,
) -> SendMessageBatchOutput {
    SendMessageBatchOutput::builder()
        .set_successful(Some(taken.into_iter().collect()))
        .set_failed(Some(failed.into_iter().collect()))
        .build()
        .unwrap()
}

#[test]
fn entries_in_any_order_belong_to_the_records_that_they_name() {
    let delivered = |receipt: &str| Outcome::Delivered {
        receipt: Some(receipt.to_owned()),
    };
    let answer = answer(
        [taken("3"), taken("0")],
        [
            failed("2", "InternalError", false),
            failed("1", "InvalidMessageContents", true),
        ],
    );
    assert_eq!(
        outcomes(4, answer).unwrap(),
        [
            delivered("message-0"),
            Outcome::Rejected {
                code: "InvalidMessageContents".to_owned(),
                message: "why".to_owned(),
            },
            Outcome::Retry {
                code: "InternalError".to_owned(),
                message: "why".to_owned(),
            },
            delivered("message-3"),
        ]
    );
}

#[test]
fn what_the_sender_does_wrong_never_passes_but_its_rate_and_credentials_do() {
    for (code, sender_fault, passes) in [
        ("InvalidParameterValue", true, false),
        ("SomethingNew", true, false),
        ("SomethingNew", false, true),
        ("InternalError", false, true),
        ("ThrottlingException", true, true),
        ("RequestThrottled", true, true),
        ("KMS.ThrottlingException", true, true),
        ("KMS.AccessDeniedException", true, true),
        ("AccessDenied", true, true),
    ] {
        let outcome = failure(failed("0", code, sender_fault));
        let is_retry = matches!(outcome, Outcome::Retry { .. });
        assert_eq!(is_retry, passes, "{code} gave {outcome:?}");
    }
}

#[test]
fn an_answer_that_does_not_say_one_thing_of_each_record_is_malformed() {
    for answer in [
        answer([], []),
        answer([taken("0")], []),
        answer([taken("0"), taken("2")], []),
        answer([taken("0"), taken("x")], []),
        answer([taken("0"), taken("-1")], []),
        answer([taken("0"), taken("0"), taken("1")], []),
        answer(
            [taken("0"), taken("1")],
            [failed("1", "InternalError", false)],
        ),
    ] {
        let Failure::Unsent(error) = outcomes(2, answer.clone()).unwrap_err() else {
            panic!("{answer:?} rejects records");
        };
        assert_eq!(error.code, "MalformedResponse", "{answer:?}");
    }
}

#[test]
fn a_group_has_up_to_128_printable_characters_of_ascii() {
    let longest = "g".repeat(128);
    for group in ["!", "a/b:c~", &longest] {
        assert!(is_group(group), "{group}");
    }
    let too_long = "g".repeat(129);
    for group in ["", "a b", "a\n", "é", &too_long] {
        assert!(!is_group(group), "{group}");
    }
}
