//! What is in the certificates that are issued here.

use std::net::IpAddr;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyUsagePurpose, PKCS_RSA_SHA256, PublicKeyData, SanType, SerialNumber,
};
use ring::rand::{SecureRandom, SystemRandom};
use time::OffsetDateTime;

use super::{DAY, server_name::ServerName};
use crate::{certificate::Certificate, thing::ThingName};

/// How long an authority is valid.
const AUTHORITY: u64 = 20 * 365 * DAY;

/// How long a server's certificate is valid from the day when it is issued.
pub(super) const SERVER: u64 = 90 * DAY;

/// How far a client's clock may be behind. With [`SERVER`] it stays below the 825 days that
/// Apple's systems take at most, also from authorities that a person has added.
const BEHIND: u64 = 730 * DAY;

/// The longest common name and the longest pseudonym (RFC 5280, upper bounds).
const MAX_COMMON_NAME: usize = 64;

/// `id-at-pseudonym`.
const PSEUDONYM: [u64; 4] = [2, 5, 4, 65];

/// An authority that issues for servers and devices and for no other authority.
pub(super) fn authority(name: &str, now: u64) -> Result<CertificateParams, String> {
    if name.is_empty() || name.len() > MAX_COMMON_NAME {
        return Err(format!(
            "the name of an authority has 1 to {MAX_COMMON_NAME} bytes, `{name}` has {}",
            name.len()
        ));
    }
    let mut template = valid(now - DAY, now + AUTHORITY)?;
    template.distinguished_name.push(DnType::CommonName, name);
    template.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    template.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(template)
}

/// A server with these names.
pub(super) fn server(
    names: &[ServerName],
    authority: &Certificate,
    now: u64,
) -> Result<CertificateParams, String> {
    let from = authority.not_before().max(now.saturating_sub(BEHIND));
    let mut template = leaf(from, (now + SERVER).min(authority.not_after()))?;
    template.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    template.subject_alt_names = names
        .iter()
        .map(alternative_name)
        .collect::<Result<_, _>>()?;
    let texts = names.iter().map(ToString::to_string);
    let common_name = texts.into_iter().find(|name| name.len() <= MAX_COMMON_NAME);
    let Some(common_name) = common_name else {
        return Err(format!(
            "a server needs a name of at most {MAX_COMMON_NAME} bytes or an address"
        ));
    };
    template
        .distinguished_name
        .push(DnType::CommonName, common_name);
    Ok(template)
}

/// A device, as long as its authority.
pub(super) fn device(
    thing: &ThingName,
    authority: &Certificate,
) -> Result<CertificateParams, String> {
    let mut template = leaf(authority.not_before(), authority.not_after())?;
    template.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    // A thing's name may be twice as long as a common name. A shortened one could be that of
    // another thing, so it goes where it fits as it is.
    let kind = if thing.as_str().len() <= MAX_COMMON_NAME {
        DnType::CommonName
    } else {
        DnType::CustomDnType(PSEUDONYM.to_vec())
    };
    template.distinguished_name.push(kind, thing.as_str());
    Ok(template)
}

/// What a key is used for: only those of RSA encrypt (RFC 8813, section 3), which the old cipher
/// suites do.
pub(super) fn usages(key: &impl PublicKeyData) -> Vec<KeyUsagePurpose> {
    let mut usages = vec![KeyUsagePurpose::DigitalSignature];
    if key.algorithm() == &PKCS_RSA_SHA256 {
        usages.push(KeyUsagePurpose::KeyEncipherment);
    }
    usages
}

fn leaf(from: u64, to: u64) -> Result<CertificateParams, String> {
    let mut template = valid(from, to)?;
    template.is_ca = IsCa::ExplicitNoCa;
    template.use_authority_key_identifier_extension = true;
    Ok(template)
}

fn valid(from: u64, to: u64) -> Result<CertificateParams, String> {
    let mut template = CertificateParams::default();
    template.distinguished_name = DistinguishedName::new();
    template.not_before = time(from)?;
    template.not_after = time(to)?;
    template.serial_number = Some(serial_number()?);
    Ok(template)
}

/// 16 random bytes that are a positive number.
fn serial_number() -> Result<SerialNumber, String> {
    let mut bytes = [0; 16];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| "the system gives no random numbers".to_owned())?;
    bytes[0] = bytes[0] & 0x7f | 0x40;
    Ok(SerialNumber::from_slice(&bytes))
}

fn alternative_name(name: &ServerName) -> Result<SanType, String> {
    match name {
        ServerName::Dns(name) => {
            let wrong = |_| format!("`{name}` is no host name: write it in ASCII");
            Ok(SanType::DnsName(name.as_str().try_into().map_err(wrong)?))
        }
        ServerName::Ip(address) => Ok(SanType::IpAddress(IpAddr::to_canonical(address))),
    }
}

pub(super) fn time(seconds: u64) -> Result<OffsetDateTime, String> {
    let time = i64::try_from(seconds).map(OffsetDateTime::from_unix_timestamp);
    match time {
        Ok(Ok(time)) => Ok(time),
        _ => Err(format!("{seconds} seconds after 1970 is no time")),
    }
}
