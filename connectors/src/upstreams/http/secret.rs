//! What lets the gateway in, and is never shown.

use std::{fs, path::PathBuf};

use base64::{Engine, engine::general_purpose::STANDARD};
use hyper::header::HeaderValue;
use tokio::task;

use crate::{FailureClass, SendError, Settings};

/// How the gateway says who it is.
#[derive(Clone)]
pub(super) enum Authorization {
    Bearer(Secret),
    Basic { user: String, password: Secret },
}

/// A text, or the file that it is in. A file is read for each request, since others renew it.
#[derive(Clone)]
pub(super) enum Secret {
    Text(String),
    File(PathBuf),
}

impl Authorization {
    /// Reads the parameters, if they are there; `None` when an error was recorded.
    pub(super) fn from_settings(settings: &mut dyn Settings) -> Option<Option<Self>> {
        let user = settings.text("basic_user");
        let password = Secret::from_settings(settings, "basic_password", "basic_password_file");
        let token = Secret::from_settings(settings, "bearer_token", "bearer_token_file");
        let (password, token) = (password?, token?);
        let colon = "a user with a \":\" cannot be written in basic authentication";
        match (user, password, token) {
            (None, None, None) => Some(None),
            (None, None, Some(token)) => Some(Some(Self::Bearer(token))),
            (Some(user), Some(_), None) if user.contains(':') => {
                settings.refuse("basic_user", colon.to_owned());
                None
            }
            (Some(user), Some(password), None) => Some(Some(Self::Basic { user, password })),
            (Some(_), None, _) => {
                settings.missing("basic_password", r#"basic_password_file = "password""#);
                None
            }
            (None, Some(_), _) => {
                settings.missing("basic_user", r#"basic_user = "gateway""#);
                None
            }
            (Some(_), _, Some(_)) => {
                let problem = "there is a bearer token already; it is one or the other";
                settings.refuse("basic_user", problem.to_owned());
                None
            }
        }
    }

    /// The header's value.
    pub(super) async fn header(&self) -> Result<HeaderValue, SendError> {
        let (text, what) = match self {
            Self::Bearer(token) => {
                let token = token.read().await?;
                (format!("Bearer {token}"), "token")
            }
            Self::Basic { user, password } => {
                let password = password.read().await?;
                let both = STANDARD.encode(format!("{user}:{password}"));
                (format!("Basic {both}"), "password")
            }
        };
        let mut value = HeaderValue::from_str(&text).map_err(|_| {
            refused(format!(
                "the {what} has characters that a header cannot have"
            ))
        })?;
        value.set_sensitive(true);
        Ok(value)
    }
}

impl Secret {
    fn from_settings(
        settings: &mut dyn Settings,
        text_key: &str,
        file_key: &str,
    ) -> Option<Option<Self>> {
        let text = settings.text(text_key);
        let file = settings.path(file_key);
        match (text, file) {
            (Some(_), Some(_)) => {
                let problem = format!("there is `{text_key}` already; it is one or the other");
                settings.refuse(file_key, problem);
                None
            }
            (Some(text), None) if text.is_empty() => {
                settings.refuse(text_key, "it is empty".to_owned());
                None
            }
            (Some(text), None) => Some(Some(Self::Text(text))),
            (None, Some(file)) => Some(Some(Self::File(file))),
            (None, None) => Some(None),
        }
    }

    async fn read(&self) -> Result<String, SendError> {
        let path = match self {
            Self::Text(text) => return Ok(text.clone()),
            Self::File(path) => path.clone(),
        };
        let shown = path.display().to_string();
        let read = task::spawn_blocking(move || fs::read_to_string(path)).await;
        let text = read.map_err(|error| refused(error.to_string()))?;
        let text = text.map_err(|error| refused(format!("cannot read {shown}: {error}")))?;
        match text.trim() {
            "" => Err(refused(format!("{shown} is empty"))),
            secret => Ok(secret.to_owned()),
        }
    }
}

fn refused(message: String) -> SendError {
    SendError::new(FailureClass::NoAccess, "ConfigurationError", message)
}
