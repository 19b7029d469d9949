//! `stepcast token`: tokens for people and programs, made, listed and revoked.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::{CliError, Outcome};
use crate::access::{NewToken, Register, Scopes, is_name};
use crate::clock::unix_millis;
use crate::config::Config;

/// Arguments of `stepcast token`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  stepcast token create me --scopes admin
  stepcast token create ci --user robot --scopes start,watch --expires-in-days 90
  stepcast token list
  stepcast token revoke ci

It writes to access.db in the data folder, beside a running server too, and takes effect
at once: the streams of a token that is revoked end within a second. A token is shown once;
of it only a hash is kept. The server asks for one with `stepcast serve --accounts`.

Scopes: watch, start, ingest, answer, cancel (each with the user's own runs), observe (what
the server tells of itself), and admin (everything, with everybody's).")]
pub(super) struct Token {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Make a token, and show it
    Create(Create),
    /// Show which there are, one a line of JSON
    List {
        #[command(flatten)]
        place: Place,
    },
    /// Make a token void, and end what was opened with it
    Revoke {
        /// Its name
        name: String,
        #[command(flatten)]
        place: Place,
    },
}

#[derive(Args, Debug)]
struct Create {
    /// What to call it
    name: String,
    /// Whom it stands for; runs belong to this user. The token's name where it is left out
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// What it is good for
    #[arg(long, value_name = "SCOPE,…", value_parser = scopes)]
    scopes: Scopes,
    /// How long it is valid; for good where it is left out
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=36_500))]
    expires_in_days: Option<u32>,
    #[command(flatten)]
    place: Place,
}

/// Where the register of credentials is.
#[derive(Args, Debug)]
pub(super) struct Place {
    /// The data folder of the server
    #[arg(long, value_name = "FOLDER")]
    data_dir: Option<PathBuf>,
}

impl Place {
    /// The register of the folder given, or of the settings.
    pub(super) fn register(&self) -> Result<Register, CliError> {
        let folder = match &self.data_dir {
            Some(folder) => folder.clone(),
            None => Config::load(None, super::variables())?.data_dir,
        };
        Ok(Register::open(&folder)?)
    }
}

impl Token {
    /// Does it.
    pub(super) fn run(self) -> Result<Outcome, CliError> {
        let mut out = io::stdout().lock();
        match self.what {
            What::Create(create) => {
                let token = create.token()?;
                let secret = create.place.register()?.make_token(&token)?;
                writeln!(out, "{}", secret.reveal())?;
            }
            What::List { place } => {
                for row in place.register()?.tokens()? {
                    let line = serde_json::to_string(&row).map_err(io::Error::from)?;
                    writeln!(out, "{line}")?;
                }
            }
            What::Revoke { name, place } => {
                if !place.register()?.revoke_token(&name)? {
                    let message = format!(
                        "there is no token named {name:?}: `stepcast token list` shows those there are"
                    );
                    return Err(CliError::Usage(message));
                }
                writeln!(out, "{name} is revoked")?;
            }
        }
        Ok(Outcome::Complete)
    }
}

impl Create {
    fn token(&self) -> Result<NewToken, CliError> {
        let user = self.user.as_ref().unwrap_or(&self.name);
        if !is_name(&self.name) || !is_name(user) {
            let message = "a name is one line of at most 200 characters";
            return Err(CliError::Usage(message.to_owned()));
        }
        let day = Duration::from_secs(24 * 3_600);
        let life = self.expires_in_days.map(|days| day * days);
        let expires = life.map(|life| {
            unix_millis().saturating_add(u64::try_from(life.as_millis()).unwrap_or(u64::MAX))
        });
        Ok(NewToken {
            name: self.name.clone(),
            user: user.clone(),
            scopes: self.scopes,
            expires,
        })
    }
}

fn scopes(text: &str) -> Result<Scopes, String> {
    let scopes = Scopes::parse(text).map_err(|error| error.to_string())?;
    if scopes == Scopes::default() {
        return Err("name at least one scope".to_owned());
    }
    Ok(scopes)
}
