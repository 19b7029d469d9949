//! Posts alerts to an address of the operator's.

use std::sync::Arc;
use std::time::Duration;

use reqwest::{Client, Url};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::Alarm;
use super::settings::{AlertSettings, is_web};
use crate::executions::Executions;
use crate::step::outside;

/// Where alerts are posted.
#[derive(Clone, Debug)]
pub(crate) struct Webhook {
    client: Client,
    url: Url,
    /// Posts under way.
    under_way: Arc<Semaphore>,
}

impl Webhook {
    /// The one that the settings name; none where they name none.
    ///
    /// # Errors
    /// Which setting is wrong, and what about it.
    pub(crate) fn new(
        settings: &AlertSettings,
        variable: impl FnOnce(&str) -> Option<String>,
    ) -> Result<Option<Self>, (String, String)> {
        let (key, text) = match (&settings.webhook, &settings.webhook_env) {
            (Some(url), _) => ("alerts.webhook", url.clone()),
            (None, Some(name)) => {
                let missing = || {
                    let message = format!("the environment has no variable `{name}`");
                    ("alerts.webhook_env".to_owned(), message)
                };
                ("alerts.webhook_env", variable(name).ok_or_else(missing)?)
            }
            (None, None) => return Ok(None),
        };
        let wrong = |message: &str| (key.to_owned(), message.to_owned());
        // the address itself may be a secret: it is not repeated
        let url = Url::parse(&text).ok().filter(|_| is_web(&text));
        let url = url.ok_or_else(|| wrong("must be an address of http or https"))?;
        if !settings.inside && outside::check(&url).is_err() {
            return Err(wrong(INSIDE));
        }
        let builder = Client::builder().timeout(TIMEOUT).user_agent("stepcast");
        let builder = match settings.inside {
            true => builder.redirect(reqwest::redirect::Policy::none()),
            false => outside::outside_only(builder),
        };
        let client = builder.build().map_err(|error| wrong(&error.to_string()))?;
        Ok(Some(Self {
            client,
            url,
            under_way: Arc::new(Semaphore::new(MOST)),
        }))
    }

    /// Posts it, and tries again where that fails; nothing waits for it.
    pub(super) fn send(&self, executions: &Executions, alarm: Alarm) {
        let Ok(place) = self.under_way.clone().try_acquire_owned() else {
            tracing::error!(
                slo = alarm.slo.name,
                "an alert is not posted: too many are under way"
            );
            return;
        };
        let (this, stopping) = (self.clone(), executions.stopping().clone());
        let body = body(executions, &alarm);
        tokio::spawn(async move {
            tokio::select! {
                () = stopping.cancelled() => {}
                () = this.post(&alarm, &body) => {}
            }
            drop(place);
        });
    }

    async fn post(&self, alarm: &Alarm, body: &Value) {
        let host = self.url.host_str().unwrap_or_default();
        let mut pause = FIRST_PAUSE;
        for tried in 1..=TRIES {
            let sent = self.client.post(self.url.clone()).json(body).send().await;
            let failure = match sent {
                Ok(answer) if answer.status().is_success() => return,
                Ok(answer) => format!("it answered {}", answer.status().as_u16()),
                // its words may hold the address
                Err(error) if error.is_timeout() => "it did not answer in time".to_owned(),
                Err(error) if error.is_connect() => "it could not be reached".to_owned(),
                Err(_) => "it could not be sent".to_owned(),
            };
            tracing::warn!(
                slo = alarm.slo.name,
                host,
                tried,
                failure,
                "an alert was not taken"
            );
            if tried < TRIES {
                tokio::time::sleep(pause).await;
                pause *= 4;
            }
        }
    }
}

/// What is posted: what may be taken out of events is taken out of it too.
fn body(executions: &Executions, alarm: &Alarm) -> Value {
    let body = json!({ "type": "slo_alert", "alert": alarm });
    let redaction = executions.log().redaction();
    redaction.of(&[], &body).unwrap_or(body)
}

const INSIDE: &str = "leads to this machine or its networks; `alerts.inside = true` allows that";

/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// How often it is tried.
const TRIES: u32 = 5;

/// How long until the second try; four times as long until each further one: a minute and a half, all in all.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// Alerts on their way at once.
const MOST: usize = 16;
