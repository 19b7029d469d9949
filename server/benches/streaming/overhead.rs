//! stub
pub(crate) async fn run() {}
