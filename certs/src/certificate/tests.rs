//! Certificates of OpenSSL are read as AWS's documentation says.

use super::*;

const AWS_EXAMPLE: &str = include_str!("../../testdata/aws-example.pem");
const EC_KEY: &str = include_str!("../../testdata/ec-sec1.key");
const REQUEST: &str = include_str!("../../testdata/p384.csr");

fn one(pem: impl AsRef<[u8]>) -> (Vec<u8>, Certificate) {
    let mut read = Certificate::read_pem(pem).unwrap();
    assert_eq!(read.len(), 1);
    read.swap_remove(0)
}

fn refusal(text: impl AsRef<[u8]>) -> String {
    Certificate::read_pem(text).unwrap_err().to_string()
}

#[test]
fn the_subject_of_awss_example_has_the_values_of_its_policy_variables() {
    let (_, certificate) = one(AWS_EXAMPLE);
    use NameAttribute as A;
    for (attribute, values) in [
        (A::Country, vec!["US"]),
        (A::Organization, vec!["IoT Devices"]),
        (A::OrganizationalUnit, vec!["LightBulb", "Second Unit"]),
        (A::State, vec!["NY"]),
        (A::CommonName, vec!["LightBulb Device Cert"]),
        (A::GivenName, vec!["Bulb"]),
        (A::Initials, vec!["ZZ"]),
        (A::DistinguishedNameQualifier, vec!["Bulb001"]),
        (A::Surname, vec!["Multi Color"]),
        (A::Title, vec!["RGB"]),
        (A::Pseudonym, vec!["RGB Device"]),
        (A::GenerationQualifier, vec!["4"]),
        (A::SerialNumber, vec!["123"]),
    ] {
        let found: Vec<_> = certificate.subject().values(attribute).collect();
        assert_eq!(found, values, "{attribute:?}");
        let found: Vec<_> = certificate.issuer().values(attribute).collect();
        assert_eq!(
            found, values,
            "{attribute:?} of the issuer, who is the same"
        );
    }
}

#[test]
fn the_serial_number_of_awss_example_is_a_decimal_integer() {
    assert_eq!(one(AWS_EXAMPLE).1.serial_number(), "10525622389124227206");
}

#[test]
fn the_alternative_names_of_awss_example_are_written_as_there() {
    let (_, certificate) = one(AWS_EXAMPLE);
    assert_eq!(
        *certificate.alternative_names(),
        AlternativeNames {
            rfc822_names: vec!["device1@example.com".to_owned()],
            dns_names: vec!["example.com".to_owned()],
            directory_names: vec!["cn=LightBulbCert,ou=SmartHome,o=IoT,c=US".to_owned()],
            uris: vec!["ResourceIdentifier001".to_owned()],
            ip_addresses: vec!["1.2.3.4".parse().unwrap(), "fe80::1".parse().unwrap()],
        }
    );
    let issuer = certificate.issuer_alternative_names();
    assert_eq!(issuer.dns_names, ["issuer.com"]);
    assert_eq!(
        issuer.directory_names,
        [r"cn=Primary Issuer CA,ou=IoT Devices,o=Issuer\, Inc.,c=US"]
    );
}

#[test]
fn the_identifier_is_the_fingerprint_that_openssl_shows() {
    let shown = "76:A2:E6:48:98:BE:FD:16:AC:8F:11:01:76:CB:8A:0D:\
                 4A:B9:95:1C:95:FB:2E:08:8D:38:55:F9:19:40:A9:DB";
    let plain = "76a2e64898befd16ac8f110176cb8a0d4ab9951c95fb2e088d3855f91940a9db";
    let id = one(AWS_EXAMPLE).1.id();
    assert_eq!(id.to_string(), plain);
    assert_eq!(shown.parse(), Ok(id));
    assert_eq!(plain.parse(), Ok(id));
}

#[test]
fn what_is_no_identifier_is_refused() {
    let digits = "0".repeat(64);
    for text in [
        "",
        "00",
        &digits[1..],
        &format!("{digits}0"),
        &digits.replace("00", "0g"),
    ] {
        assert!(text.parse::<CertificateId>().is_err(), "{text:?}");
    }
}

#[test]
fn a_certificate_is_valid_from_its_first_to_its_last_second() {
    let (_, certificate) = one(AWS_EXAMPLE);
    // Nov 21 11:05:38 2026 GMT and Oct 28 11:05:38 2126 GMT.
    let (first, last) = (1_795_259_138, 4_948_859_138);
    assert_eq!(
        (certificate.not_before(), certificate.not_after()),
        (first, last)
    );
    for (time, is_valid) in [
        (first - 1, false),
        (first, true),
        (last, true),
        (last + 1, false),
    ] {
        assert_eq!(certificate.is_valid_at(time), is_valid);
    }
    assert!(!certificate.is_authority());
}

#[test]
fn old_kinds_of_text_and_of_certificates_are_read() {
    let (_, certificate) = one(include_str!("../../testdata/bmp.pem"));
    let common_name: Vec<_> = certificate
        .subject()
        .values(NameAttribute::CommonName)
        .collect();
    assert_eq!(common_name, ["lamp-ÄΩ"]);
    let (_, version_1) = one(include_str!("../../testdata/v1.pem"));
    assert!(!version_1.is_authority());
}

#[test]
fn pem_is_read_with_what_stands_around_it_and_any_line_ends() {
    let expected = one(AWS_EXAMPLE);
    let leading = format!("# Issuer: Amazon\nLabel: \"Root\"\n\n{AWS_EXAMPLE}\nbehind");
    let windows = AWS_EXAMPLE.replace('\n', "\r\n");
    let marked = format!("\u{feff}{windows}");
    let with_key = format!("{EC_KEY}{AWS_EXAMPLE}");
    for text in [leading, windows, marked, with_key] {
        assert_eq!(one(&text), expected, "{text}");
    }
    let two = format!("{AWS_EXAMPLE}{}", include_str!("../../testdata/ec.pem"));
    let read = Certificate::read_pem(two).unwrap();
    assert_eq!((read.len(), &read[0]), (2, &expected));
}

#[test]
fn a_file_that_holds_something_else_is_refused_with_what_it_holds() {
    for (text, refused) in [
        ("", "the file is empty"),
        (" \n", "the file is empty"),
        ("hello", "the file holds no `-----BEGIN CERTIFICATE-----`"),
        (EC_KEY, "the file holds a private key, not a certificate"),
        (
            REQUEST,
            "the file holds a request for a certificate, not a certificate",
        ),
    ] {
        assert_eq!(refusal(text), refused);
    }
    let (der, _) = one(AWS_EXAMPLE);
    assert!(refusal(&der).starts_with("the file is in DER; it must be in PEM"));
}

#[test]
fn a_damaged_file_is_refused_with_what_is_wrong() {
    let end = "-----END CERTIFICATE-----";
    let cut = AWS_EXAMPLE.replace(end, "");
    assert_eq!(
        refusal(cut),
        format!("the file ends within a section: there is no `{end}`")
    );
    let garbled = AWS_EXAMPLE.replacen("MII", "M*I", 1);
    assert_eq!(
        refusal(garbled),
        "what stands between BEGIN and END is not base64"
    );
    let other = AWS_EXAMPLE.replacen("MII", "MIA", 1);
    assert!(refusal(other).starts_with("not a certificate"));
    let second = format!("{AWS_EXAMPLE}{}", AWS_EXAMPLE.replacen("MII", "MIA", 1));
    assert!(refusal(second).starts_with("certificate 2: not a certificate"));
}

#[test]
fn bytes_behind_a_certificate_are_refused() {
    let (mut der, _) = one(AWS_EXAMPLE);
    der.push(0);
    let refused = Certificate::from_der(&der).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "there are bytes behind the certificate"
    );
}

#[test]
fn no_cut_or_changed_certificate_makes_reading_fail_otherwise_than_by_an_error() {
    let (der, certificate) = one(AWS_EXAMPLE);
    for length in 0..der.len() {
        assert!(Certificate::from_der(&der[..length]).is_err());
    }
    for place in 0..der.len() {
        let mut changed = der.clone();
        changed[place] ^= 0x55;
        if let Ok(read) = Certificate::from_der(&changed) {
            assert_ne!(read.id(), certificate.id());
            Inspection::of(&changed).unwrap();
        }
    }
}

#[test]
fn an_inspection_tells_a_person_all_of_it() {
    let (der, _) = one(AWS_EXAMPLE);
    let mut inspection = Inspection::of(&der).unwrap();
    inspection.days_left = 30;
    let text = inspection.to_string();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(
        lines[2..],
        [
            "names        DNS example.com, mail device1@example.com, URI ResourceIdentifier001, \
             name cn=LightBulbCert,ou=SmartHome,o=IoT,c=US, IP 1.2.3.4, IP fe80::1",
            "serial       92:12:85:cb:b7:a5:e0:86",
            "valid        2026-11-21 to 2126-10-28, 30 days left",
            "key          ECDSA, P-256",
            "authority    no",
            "id           76a2e64898befd16ac8f110176cb8a0d4ab9951c95fb2e088d3855f91940a9db",
        ]
    );
    assert!(lines[0].starts_with("subject      C=US, O=IoT Devices, OU=LightBulb, "));
    let (rsa, _) = one(include_str!("../../testdata/rsa.pem"));
    assert_eq!(Inspection::of(&rsa).unwrap().key, "RSA, 2048 bits");
    let (authority, _) = one(include_str!("../../testdata/own-ca.pem"));
    let authority = Inspection::of(&authority).unwrap();
    assert_eq!(
        (authority.key.as_str(), authority.is_authority),
        ("ECDSA, P-384", true)
    );
    assert_eq!(authority.subject, "C=DE, O=Works, CN=Works CA");
}
