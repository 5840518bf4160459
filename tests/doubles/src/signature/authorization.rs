//! The `Authorization` header of Signature Version 4.

/// What a request says of its signature.
#[derive(Debug)]
pub(crate) struct Authorization {
    pub(crate) access_key: String,
    /// Year, month and day, as `20261120`.
    pub(crate) date: String,
    pub(crate) region: String,
    pub(crate) service: String,
    /// The names of the headers that are signed, in the order of the header.
    pub(crate) signed_headers: Vec<String>,
    /// In lower-case hexadecimal digits.
    pub(crate) signature: String,
}

impl Authorization {
    /// Reads the header; `None` when a part is missing or cannot be one.
    pub(crate) fn parse(header: &str) -> Option<Self> {
        let fields = header.strip_prefix("AWS4-HMAC-SHA256 ")?;
        let field = |name| {
            let mut parts = fields.split(',').map(str::trim);
            parts.find_map(|part| part.strip_prefix(name)?.strip_prefix('='))
        };
        let scope: Vec<_> = field("Credential")?.split('/').collect();
        let [access_key, date, region, service, "aws4_request"] = scope[..] else {
            return None;
        };
        let signature = field("Signature")?;
        let complete = !access_key.is_empty()
            && date.len() == 8
            && signature.len() == 64
            && signature.bytes().all(|byte| byte.is_ascii_hexdigit());
        let signed_headers = field("SignedHeaders")?.split(';').map(str::to_owned);
        complete.then(|| Self {
            access_key: access_key.to_owned(),
            date: date.to_owned(),
            region: region.to_owned(),
            service: service.to_owned(),
            signed_headers: signed_headers.collect(),
            signature: signature.to_ascii_lowercase(),
        })
    }
}
