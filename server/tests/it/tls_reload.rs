//! A certificate that is replaced while the server runs.

use std::time::Duration;

use stepcast::log::Budget;

use crate::harness::{complete, progress, soon};
use crate::tls_harness::{Secured, replace, shown};

#[tokio::test]
async fn a_new_certificate_is_served_and_old_streams_stay() {
    let secured = Secured::with(|config| config.tls.reload_interval_ms = 100).await;
    let context = secured.server.execution("e", Budget::default());
    let first = shown(&secured.connect(&[]).await);
    let mut old = secured.ws("/ws/pipeline/e").await;
    assert_eq!(old.frame().await.unwrap()["control"], "hello");

    // half a change, and a file that holds nothing: the old one is served on
    let (cert, key) = secured.authority.issue();
    for half in [cert.as_str(), "nothing"] {
        replace(&secured.files.0, half);
        tokio::time::sleep(Duration::from_millis(400)).await;
        assert!(shown(&secured.connect(&[]).await) == first);
    }
    replace(&secured.files.0, &cert);
    replace(&secured.files.1, &key);
    let changed = async {
        while shown(&secured.connect(&[]).await) == first {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    soon(changed).await;

    context.emit(progress(1)).await.unwrap();
    assert_eq!(old.frame().await.unwrap()["seq"], 1, "on the old stream");
    let mut new = secured.ws("/ws/pipeline/e").await;
    assert_eq!(new.frame().await.unwrap()["control"], "hello");
    context.emit(complete()).await.unwrap();
    for ws in [old, new] {
        assert_eq!(ws.rest().await.1, 1000);
    }
    secured.stop().await;
}
