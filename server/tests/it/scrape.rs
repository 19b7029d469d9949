//! What a server tells Prometheus, read back.

use std::time::Duration;

use crate::harness::{Server, soon};

/// One scrape.
#[derive(Clone, Debug)]
pub(crate) struct Scrape {
    pub(crate) text: String,
    pub(crate) media_type: String,
}

impl Scrape {
    pub(crate) async fn of(server: &Server) -> Self {
        Self::with(server, "", "").await
    }

    pub(crate) async fn with(server: &Server, token: &str, accept: &str) -> Self {
        let mut request = server.client.get(server.url("/metrics"));
        if !token.is_empty() {
            request = request.bearer_auth(token);
        }
        if !accept.is_empty() {
            request = request.header("accept", accept);
        }
        let response = soon(request.send()).await.unwrap();
        assert_eq!(response.status().as_u16(), 200);
        let media_type = response.headers()["content-type"].to_str().unwrap();
        Self {
            media_type: media_type.to_owned(),
            text: soon(response.text()).await.unwrap(),
        }
    }

    /// The scrape that says this.
    pub(crate) async fn until(server: &Server, says: impl Fn(&Self) -> bool) -> Self {
        let mut scrape = Self::of(server).await;
        for _ in 0..200 {
            if says(&scrape) {
                return scrape;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
            scrape = Self::of(server).await;
        }
        panic!("no scrape said it; the last one:\n{}", scrape.text);
    }

    /// The sum of the series of this name that have these labels, as they are written.
    pub(crate) fn sum(&self, name: &str, labels: &str) -> f64 {
        let wanted: Vec<&str> = labels.split(',').filter(|it| !it.is_empty()).collect();
        let series = self.series().filter(|(it, its, _)| {
            *it == name && wanted.iter().all(|one| its.split(',').any(|it| it == *one))
        });
        series.map(|(_, _, value)| value).sum()
    }

    /// Every series: its name, its labels, its value.
    pub(crate) fn series(&self) -> impl Iterator<Item = (&str, &str, f64)> {
        let lines = self.text.lines().filter(|line| !line.starts_with('#'));
        lines.map(|line| {
            let (series, value) = line.rsplit_once(' ').unwrap();
            let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
            let value = value.parse().unwrap();
            (name, labels.strip_suffix('}').unwrap(), value)
        })
    }

    /// The families that it tells of: name and type.
    pub(crate) fn families(&self) -> impl Iterator<Item = (&str, &str)> {
        let lines = self.text.lines();
        lines.filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '))
    }
}
