//! Tokens of another issuer: those that are taken, and every way to forge one.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use axum::Json;
use axum::routing::get as route;
use jsonwebtoken::jwk::{Jwk, JwkSet};
use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::{Value, json};
use stepcast::access::{Algorithm, JwtSettings, Scope};
use stepcast::config::Config;
use tokio::net::TcpListener;

use crate::access_harness::{get, refused, start};
use crate::harness::Server;

/// A key's file.
fn key(name: &str) -> String {
    format!("{}/tests/keys/{name}", env!("CARGO_MANIFEST_DIR"))
}

fn pem(name: &str) -> Vec<u8> {
    std::fs::read(key(name)).unwrap()
}

fn settings(algorithm: Algorithm, key_file: Option<String>) -> JwtSettings {
    JwtSettings {
        algorithm,
        key_file: key_file.map(Into::into),
        key_env: None,
        jwks_url: None,
        jwks_refresh_seconds: 300,
        jwks_again_seconds: 10,
        issuer: "https://issuer.example".into(),
        audience: "stepcast".into(),
        leeway_seconds: 30,
        user_claim: "sub".into(),
        roles_claim: "realm_access.roles".into(),
        roles: BTreeMap::from([
            ("operator".into(), vec![Scope::Start, Scope::Cancel]),
            ("boss".into(), vec![Scope::Admin]),
        ]),
        everyone: vec![Scope::Watch],
    }
}

async fn server(settings: JwtSettings) -> Server {
    Server::with(|config| config.access.jwt = Some(settings)).await
}

fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs()
}

/// What a good token says.
fn claims() -> Value {
    json!({
        "iss": "https://issuer.example", "aud": ["other", "stepcast"], "sub": "alice",
        "exp": now() + 300, "nbf": now() - 1, "realm_access": { "roles": ["operator", "stranger"] },
    })
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims
}

fn without(name: &str) -> Value {
    let mut claims = claims();
    claims.as_object_mut().unwrap().shift_remove(name);
    claims
}

fn rs256(claims: &Value) -> String {
    let key = EncodingKey::from_rsa_pem(&pem("rsa.pem")).unwrap();
    encode(&Header::new(jsonwebtoken::Algorithm::RS256), claims, &key).unwrap()
}

async fn rsa_server() -> Server {
    server(settings(Algorithm::RS256, Some(key("rsa.pub.pem")))).await
}

async fn status(server: &Server, token: &str) -> u16 {
    get(server, "/api/executions", token).await.0
}

#[tokio::test]
async fn each_algorithm_lets_in_and_roles_become_scopes() {
    use jsonwebtoken::Algorithm as Signed;
    let directory = tempfile::tempdir().unwrap();
    let secret = directory.path().join("secret");
    std::fs::write(&secret, "0123456789abcdef0123456789abcdef\n").unwrap();
    let hmac = EncodingKey::from_secret(b"0123456789abcdef0123456789abcdef");
    let rsa = EncodingKey::from_rsa_pem(&pem("rsa.pem")).unwrap();
    let ec = EncodingKey::from_ec_pem(&pem("ec.pem")).unwrap();
    let ed = EncodingKey::from_ed_pem(&pem("ed.pem")).unwrap();
    let secret = secret.to_str().unwrap().to_owned();
    for (algorithm, signed, private, public) in [
        (Algorithm::HS256, Signed::HS256, hmac, secret),
        (Algorithm::RS256, Signed::RS256, rsa, key("rsa.pub.pem")),
        (Algorithm::ES256, Signed::ES256, ec, key("ec.pub.pem")),
        (Algorithm::EdDSA, Signed::EdDSA, ed, key("ed.pub.pem")),
    ] {
        let server = server(settings(algorithm, Some(public))).await;
        let token = encode(&Header::new(signed), &claims(), &private).unwrap();
        let (_, session) = get(&server, "/api/session", &token).await;
        assert_eq!(session["user"], "alice", "{algorithm:?}");
        assert_eq!(session["scopes"], json!(["watch", "start", "cancel"]));
        start(&server, "mine", &token).await;
        server.stop().await;
    }
}

#[tokio::test]
async fn an_expired_token_and_one_that_is_not_valid_yet_are_refused_past_the_leeway() {
    let server = rsa_server().await;
    for (claims, expected) in [
        (with("exp", json!(now() - 10)), 200),
        (with("exp", json!(now() - 60)), 401),
        (with("exp", json!("soon")), 401),
        (with("exp", json!(-1)), 401),
        (without("exp"), 401),
        (with("nbf", json!(now() + 10)), 200),
        (with("nbf", json!(now() + 60)), 401),
    ] {
        assert_eq!(status(&server, &rs256(&claims)).await, expected, "{claims}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_token_of_the_wrong_issuer_or_for_the_wrong_audience_is_refused() {
    let server = rsa_server().await;
    for claims in [
        with("iss", json!("https://issuer.example.evil")),
        with("iss", json!("")),
        without("iss"),
        with("aud", json!("other")),
        with("aud", json!([])),
        without("aud"),
        with("sub", json!("")),
        with("sub", json!("two\nlines")),
        with("sub", json!(7)),
        without("sub"),
    ] {
        assert_eq!(status(&server, &rs256(&claims)).await, 401, "{claims}");
    }
    assert_eq!(status(&server, &rs256(&claims())).await, 200);
    server.stop().await;
}

#[tokio::test]
async fn a_role_that_nothing_is_said_of_allows_nothing() {
    let server = rsa_server().await;
    for (roles, admin) in [
        (json!({ "roles": ["admin", "root", "Operator"] }), 403),
        (json!({ "roles": "boss" }), 200),
        (json!({ "roles": ["boss"] }), 200),
        (json!({ "roles": { "boss": true } }), 403),
        (json!("boss"), 403),
    ] {
        let token = rs256(&with("realm_access", roles.clone()));
        let (status, _) = get(&server, "/api/audit", &token).await;
        assert_eq!(status, admin, "{roles}");
    }
    server.stop().await;
}

/// A part of a token.
fn part(value: &Value) -> String {
    part_of(value.to_string().as_bytes())
}

/// base64url, without padding.
fn part_of(bytes: &[u8]) -> String {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let bits = chunk
            .iter()
            .fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte));
        let bits = bits << (8 * (3 - chunk.len()));
        for place in 0..=chunk.len() {
            let digit = bits >> (18 - 6 * place) & 63;
            out.push(DIGITS[digit as usize].into());
        }
    }
    out
}

#[tokio::test]
async fn a_token_of_algorithm_none_is_refused() {
    let server = rsa_server().await;
    for none in ["none", "None", "NONE", "nOnE", ""] {
        let head = part(&json!({ "alg": none, "typ": "JWT" }));
        for signature in ["", "e30", "AAAA"] {
            let token = format!("{head}.{}.{signature}", part(&claims()));
            assert_eq!(status(&server, &token).await, 401, "{token}");
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn a_swapped_key_the_public_one_as_the_secret_of_hs256_is_refused() {
    let server = rsa_server().await;
    let public = pem("rsa.pub.pem");
    for secret in [public.as_slice(), public.trim_ascii()] {
        let key = EncodingKey::from_secret(secret);
        let token = encode(
            &Header::new(jsonwebtoken::Algorithm::HS256),
            &claims(),
            &key,
        )
        .unwrap();
        assert_eq!(status(&server, &token).await, 401);
    }
    // the same family, and still not the one algorithm
    let key = EncodingKey::from_rsa_pem(&pem("rsa.pem")).unwrap();
    for algorithm in [
        jsonwebtoken::Algorithm::RS512,
        jsonwebtoken::Algorithm::PS256,
    ] {
        let token = encode(&Header::new(algorithm), &claims(), &key).unwrap();
        assert_eq!(status(&server, &token).await, 401, "{algorithm:?}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_forged_token_and_one_with_its_signature_stripped_are_refused() {
    let server = rsa_server().await;
    let good = rs256(&claims());
    let parts: Vec<&str> = good.split('.').collect();
    let forged = part(&with("sub", json!("root")));
    let other = EncodingKey::from_rsa_pem(&pem("rsa-other.pem")).unwrap();
    let header = Header::new(jsonwebtoken::Algorithm::RS256);
    let mut own_key = header.clone();
    own_key.jwk = Some(Jwk::from_encoding_key(&other, jsonwebtoken::Algorithm::RS256).unwrap());
    own_key.jku = Some("http://127.0.0.1:1/keys".into());
    let mut critical = header.clone();
    critical.crit = Some(vec!["exp".into()]);
    let own = EncodingKey::from_rsa_pem(&pem("rsa.pem")).unwrap();
    for (what, token) in [
        ("stripped", format!("{}.{}.", parts[0], parts[1])),
        ("cut", format!("{}.{}", parts[0], parts[1])),
        ("forged", format!("{}.{forged}.{}", parts[0], parts[2])),
        ("half a signature", good[..good.len() - 20].to_owned()),
        ("another key", encode(&header, &claims(), &other).unwrap()),
        (
            "its own key in it",
            encode(&own_key, &claims(), &other).unwrap(),
        ),
        ("critical", encode(&critical, &claims(), &own).unwrap()),
        ("longer", format!("{good}.{}", parts[2])),
        (
            "huge",
            format!("{}.{}.{}", parts[0], "A".repeat(20_000), parts[2]),
        ),
        (
            "no JSON",
            format!("{}.{}.{}", part_of(b"{"), parts[1], parts[2]),
        ),
    ] {
        assert_eq!(status(&server, &token).await, 401, "{what}");
    }
    assert_eq!(status(&server, &good).await, 200);
    // a server that takes no token of its own takes none, whatever is in its register
    let own = crate::access_harness::token(&server, "alice", "admin");
    assert_eq!(status(&server, &own).await, 401);
    server.stop().await;
}

#[tokio::test]
async fn a_key_that_does_not_fit_stops_the_start() {
    let directory = tempfile::tempdir().unwrap();
    let short = directory.path().join("short");
    std::fs::write(&short, "too short").unwrap();
    for (algorithm, file, part) in [
        (Algorithm::RS256, key("ec.pub.pem"), "access.jwt.key_file"),
        (Algorithm::ES256, key("README.md"), "no public key"),
        (Algorithm::EdDSA, key("missing.pem"), "missing.pem"),
        (
            Algorithm::HS256,
            short.to_str().unwrap().to_owned(),
            "32 bytes",
        ),
    ] {
        let mut config = Config {
            data_dir: directory.path().join("data"),
            ..Config::default()
        };
        config.access.jwt = Some(settings(algorithm, Some(file)));
        let message = refused(config).await;
        assert!(message.contains(part), "{message}");
    }
}

/// An issuer on loopback that publishes keys.
struct Issuer {
    url: String,
    keys: Arc<Mutex<Vec<Jwk>>>,
    asked: Arc<AtomicUsize>,
}

impl Issuer {
    async fn start() -> Self {
        let (keys, asked) = (
            Arc::new(Mutex::new(Vec::new())),
            Arc::new(AtomicUsize::new(0)),
        );
        let (published, count) = (Arc::clone(&keys), Arc::clone(&asked));
        let app = axum::Router::new().route(
            "/keys",
            route(move || {
                count.fetch_add(1, Ordering::SeqCst);
                let keys = published.lock().unwrap().clone();
                async move { Json(JwkSet { keys }) }
            }),
        );
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/keys", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { url, keys, asked }
    }

    fn publish(&self, keys: &[(&str, &str)]) {
        let jwk = |&(kid, file): &(&str, &str)| {
            let key = EncodingKey::from_rsa_pem(&pem(file)).unwrap();
            let mut jwk = Jwk::from_encoding_key(&key, jsonwebtoken::Algorithm::RS256).unwrap();
            jwk.common.key_id = Some(kid.to_owned());
            jwk
        };
        *self.keys.lock().unwrap() = keys.iter().map(jwk).collect();
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    async fn server(&self, again: u64) -> Server {
        let mut settings = settings(Algorithm::RS256, None);
        settings.jwks_url = Some(self.url.clone());
        settings.jwks_again_seconds = again;
        server(settings).await
    }
}

fn named(kid: Option<&str>, file: &str) -> String {
    let mut header = Header::new(jsonwebtoken::Algorithm::RS256);
    header.kid = kid.map(str::to_owned);
    let key = EncodingKey::from_rsa_pem(&pem(file)).unwrap();
    encode(&header, &claims(), &key).unwrap()
}

#[tokio::test]
async fn a_published_key_is_kept_and_a_rotated_one_is_asked_for() {
    let issuer = Issuer::start().await;
    issuer.publish(&[("one", "rsa.pem")]);
    let server = issuer.server(0).await;
    let (one, two) = (
        named(Some("one"), "rsa.pem"),
        named(Some("two"), "rsa-other.pem"),
    );
    for _ in 0..3 {
        assert_eq!(status(&server, &one).await, 200);
    }
    assert_eq!(issuer.asked(), 1, "kept");
    assert_eq!(status(&server, &two).await, 401);
    issuer.publish(&[("one", "rsa.pem"), ("two", "rsa-other.pem")]);
    assert_eq!(status(&server, &two).await, 200);
    assert_eq!(status(&server, &one).await, 200);
    // a token that names none is tried with each
    assert_eq!(status(&server, &named(None, "rsa-other.pem")).await, 200);
    // a key that was taken back is gone with the next answer
    issuer.publish(&[("two", "rsa-other.pem")]);
    assert_eq!(status(&server, &named(Some("three"), "rsa.pem")).await, 401);
    assert_eq!(status(&server, &one).await, 401);
    // the name of one key and the signature of another
    assert_eq!(status(&server, &named(Some("two"), "rsa.pem")).await, 401);
    server.stop().await;
}

#[tokio::test]
async fn made_up_key_names_do_not_make_the_server_flood_the_issuer() {
    let issuer = Issuer::start().await;
    issuer.publish(&[("one", "rsa.pem")]);
    let server = issuer.server(600).await;
    assert_eq!(status(&server, &named(Some("one"), "rsa.pem")).await, 200);
    for n in 0..20 {
        let made_up = named(Some(&format!("k{n}")), "rsa-other.pem");
        assert_eq!(status(&server, &made_up).await, 401);
    }
    assert_eq!(issuer.asked(), 1);
    assert_eq!(status(&server, &named(Some("one"), "rsa.pem")).await, 200);
    server.stop().await;
}

#[tokio::test]
async fn an_issuer_that_is_away_lets_nobody_new_in_and_keeps_nobody_out() {
    let issuer = Issuer::start().await;
    issuer.publish(&[("one", "rsa.pem")]);
    let mut kept = settings(Algorithm::RS256, None);
    kept.jwks_url = Some(issuer.url.clone());
    kept.jwks_again_seconds = 0;
    let good = server(kept.clone()).await;
    assert_eq!(status(&good, &named(Some("one"), "rsa.pem")).await, 200);
    // nothing listens on this port
    kept.jwks_url = Some("http://127.0.0.1:9/keys".into());
    let away = server(kept).await;
    assert_eq!(status(&away, &named(Some("one"), "rsa.pem")).await, 401);
    issuer.keys.lock().unwrap().clear();
    assert_eq!(
        status(&good, &named(Some("one"), "rsa.pem")).await,
        200,
        "kept"
    );
    good.stop().await;
    away.stop().await;
}
