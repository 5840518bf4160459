//! The query of a signed request: what it says, and the form that is signed.

use std::collections::BTreeMap;

/// Parameters of a request; a signed one has seven.
const MAX_PARAMETERS: usize = 64;
/// What is computed over the other parameters.
const SIGNATURE: &str = "X-Amz-Signature";
/// What SDKs for AWS IoT append to a query that is signed already.
const TOKEN: &str = "X-Amz-Security-Token";

/// The parameters, decoded, by their names.
pub(super) struct Query(BTreeMap<Vec<u8>, Vec<u8>>);

impl Query {
    /// Reads what stands behind the `?`.
    pub(super) fn parse(query: &str) -> Result<Query, &'static str> {
        let mut parameters = BTreeMap::new();
        for parameter in query.split('&') {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            if name.is_empty() {
                return Err("a parameter has no name");
            }
            if parameters.insert(decode(name)?, decode(value)?).is_some() {
                return Err("a parameter is there twice");
            }
            if parameters.len() > MAX_PARAMETERS {
                return Err("there are too many parameters");
            }
        }
        Ok(Query(parameters))
    }

    /// The value of a parameter that must be there.
    pub(super) fn text(&self, name: &'static str) -> Result<&str, &'static str> {
        self.optional_text(name)?.ok_or(
            "a signed request has X-Amz-Algorithm, -Credential, -Date, -SignedHeaders and -Signature",
        )
    }

    /// The value of a parameter.
    pub(super) fn optional_text(&self, name: &'static str) -> Result<Option<&str>, &'static str> {
        let value = self.0.get(name.as_bytes()).map(Vec::as_slice);
        let text = value.map(std::str::from_utf8).transpose();
        text.map_err(|_| "a parameter is not UTF-8")
    }

    /// The forms that can be signed: without the session token and, if there is one, with it.
    pub(super) fn canonical(&self) -> Vec<String> {
        let mut forms = vec![self.without(&[SIGNATURE, TOKEN])];
        if self.0.contains_key(TOKEN.as_bytes()) {
            forms.push(self.without(&[SIGNATURE]));
        }
        forms
    }

    /// The parameters in the order of their encoded names, without some.
    fn without(&self, left_out: &[&str]) -> String {
        let parameters = self.0.iter();
        let is_left_out = |name: &[u8]| left_out.iter().any(|other| other.as_bytes() == name);
        let kept = parameters.filter(|(name, _)| !is_left_out(name));
        let mut encoded: Vec<_> = kept
            .map(|(name, value)| (encode(name), encode(value)))
            .collect();
        encoded.sort();
        let pairs: Vec<_> = encoded
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        pairs.join("&")
    }
}

/// What stands for itself in a URI (RFC 3986, 2.3).
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

fn decode(text: &str) -> Result<Vec<u8>, &'static str> {
    const WRONG: &str = "a `%` is not followed by two hex digits";
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    let digit = |byte: Option<u8>| {
        let digit = byte.and_then(|byte| char::from(byte).to_digit(16));
        digit
            .and_then(|digit| u8::try_from(digit).ok())
            .ok_or(WRONG)
    };
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => digit(bytes.next())? << 4 | digit(bytes.next())?,
            byte => byte,
        });
    }
    Ok(decoded)
}

fn encode(bytes: &[u8]) -> String {
    let mut encoded = String::with_capacity(bytes.len());
    for byte in bytes {
        if is_unreserved(*byte) {
            encoded.push(char::from(*byte));
        } else {
            encoded += &format!("%{byte:02X}");
        }
    }
    encoded
}
