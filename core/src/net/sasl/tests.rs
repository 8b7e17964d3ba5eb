//! The login against a scripted broker.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::*;
use crate::config::{Secret, StreamsConfig};
use crate::rng::SeedTree;
use crate::wire::messages::{SaslAuthenticateResponse, SaslHandshakeResponse};

/// The configuration of a login as `alice` with the password `pencil`.
pub(crate) fn config(mechanism: &str) -> StreamsConfig {
    let module = match mechanism {
        "PLAIN" => "plain.PlainLoginModule",
        _ => "scram.ScramLoginModule",
    };
    let jaas = format!(
        "org.apache.kafka.common.security.{module} required username=\"alice\" password=\"pencil\";"
    );
    StreamsConfig::new("app", "localhost:9092")
        .and_then(|config| config.set("security.protocol", "SASL_PLAINTEXT"))
        .and_then(|config| config.set("sasl.mechanism", mechanism))
        .and_then(|config| config.set("sasl.jaas.config", jaas))
        .expect("valid")
}

fn login(config: &StreamsConfig) -> Login {
    let login = config.sasl_login().expect("consistent").expect("a login");
    Login::new(login, SeedTree::new(1).rng())
}

fn accepts() -> Response {
    Response::SaslHandshake(SaslHandshakeResponse::default())
}

fn challenge(text: impl Into<Vec<u8>>) -> Response {
    let bytes = Bytes::from(text.into());
    Response::SaslAuthenticate(SaslAuthenticateResponse::default().with_auth_bytes(bytes))
}

fn said(step: Result<Step, Refusal>) -> String {
    match step {
        Ok(Step::Send(request)) => match *request {
            Request::SaslAuthenticate(request) => {
                String::from_utf8(request.auth_bytes.to_vec()).expect("text")
            }
            other => panic!("{other:?} says nothing"),
        },
        other => panic!("{other:?} says nothing"),
    }
}

fn refused(step: Result<Step, Refusal>) -> String {
    step.expect_err("refused").to_string()
}

/// RFC 7677, section 3.
#[test]
fn scram_computes_what_the_rfc_does() {
    let nonce = "rOprNGfwEbeRWgbNEkqO".to_owned();
    let password = Secret::new("pencil");
    let mut scram = Scram::new(SaslMechanism::ScramSha256, "user", &password, nonce);
    assert_eq!(scram.first(), b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
    let server = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                  s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
    let proof = scram.prove(server.as_bytes()).expect("a proof");
    let expected = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                    p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
    assert_eq!(proof, expected.as_bytes());
    let signature = b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";
    assert_eq!(scram.verify(signature), Ok(()));
    assert!(!format!("{scram:?}").contains("pencil"));
}

/// What a broker that knows the user says, computed from the client's side of the exchange.
fn scripted(login: &mut Login, iterations: u32) -> (String, String) {
    login.begin();
    let first = said(login.answered(accepts()));
    let nonce = first.split_once(",r=").expect("a nonce").1.to_owned();
    let salt = STANDARD.encode(b"salt");
    (
        nonce.clone(),
        format!("r={nonce}srv,s={salt},i={iterations}"),
    )
}

#[test]
fn scram_with_sha_512_is_done_once_the_broker_has_proven_itself() {
    let mut login = login(&config("SCRAM-SHA-512"));
    let (_, server_first) = scripted(&mut login, 4096);
    let proof = said(login.answered(challenge(server_first)));
    let proof = STANDARD.decode(proof.split_once(",p=").expect("a proof").1);
    assert_eq!(proof.expect("base64").len(), 64);
    let State::ScramFinal(scram) = &login.state else {
        panic!("the exchange is not at its end");
    };
    let signature = scram.expected_signature().expect("known");
    let last = format!("v={}", STANDARD.encode(signature));
    let done = login.answered(challenge(last));
    assert!(matches!(
        done,
        Ok(Step::Done {
            session_lifetime_ms: None
        })
    ));
}

#[test]
fn a_broker_that_does_not_know_the_password_is_refused() {
    let mut login = login(&config("SCRAM-SHA-256"));
    let (_, server_first) = scripted(&mut login, 4096);
    login.answered(challenge(server_first)).expect("a proof");
    let forged = format!("v={}", STANDARD.encode([7; 32]));
    let error = refused(login.answered(challenge(forged)));
    assert!(error.contains("not who it claims to be"), "{error}");
}

#[test]
fn messages_that_are_none_of_scram_are_refused() {
    let none = "first message is not one of SCRAM";
    for (message, expected) in [
        ("", none),
        ("r={r}x,s=c2FsdA==", none),
        ("r={r}x,s=c2FsdA==,i=", none),
        ("r={r}x,s=c2FsdA==,i=-1", none),
        ("r={r}x,s=*,i=4096", none),
        ("m=ext,r={r}x,s=c2FsdA==,i=4096", none),
        ("r=other,s=c2FsdA==,i=4096", "does not continue ours"),
        ("r={r},s=c2FsdA==,i=4096", "does not continue ours"),
        ("r={r}x,s=c2FsdA==,i=1", "iterations"),
        ("r={r}x,s=c2FsdA==,i=4294967295", "iterations"),
    ] {
        let mut login = login(&config("SCRAM-SHA-256"));
        let (nonce, _) = scripted(&mut login, 0);
        let error = refused(login.answered(challenge(message.replace("{r}", &nonce))));
        assert!(error.contains(expected), "{message}: {error}");
    }
    let mut login = login(&config("SCRAM-SHA-256"));
    scripted(&mut login, 0);
    let error = refused(login.answered(challenge(vec![0xff, 0xfe])));
    assert!(error.contains("not one of SCRAM"), "{error}");
}

#[test]
fn plain_says_name_and_password() {
    let mut login = login(&config("PLAIN"));
    let Request::SaslHandshake(begin) = login.begin() else {
        panic!("a handshake first");
    };
    assert_eq!(&*begin.mechanism, "PLAIN");
    assert_eq!(said(login.answered(accepts())), "\0alice\0pencil");
    let response = SaslAuthenticateResponse::default().with_session_lifetime_ms(10_000);
    let done = login.answered(Response::SaslAuthenticate(response));
    let Ok(Step::Done {
        session_lifetime_ms: Some(10_000),
    }) = done
    else {
        panic!("{done:?}");
    };
    for _ in 0..100 {
        let after_ms = login.reauthenticate_after_ms(10_000);
        assert!((8_500..=9_500).contains(&after_ms), "{after_ms}");
    }
}

#[test]
fn a_refused_login_says_why_in_the_brokers_words() {
    let mut plain = login(&config("PLAIN"));
    plain.begin();
    plain.answered(accepts()).expect("accepted");
    let response = SaslAuthenticateResponse::default()
        .with_error_code(58)
        .with_error_message(Some(StrBytes::from_static_str(
            "Invalid username or password",
        )));
    let error = refused(plain.answered(Response::SaslAuthenticate(response)));
    assert_eq!(error, "Invalid username or password");

    let enabled = vec!["SCRAM-SHA-512".into(), "OAUTHBEARER".into()];
    for (code, expected) in [
        (33, "SCRAM-SHA-512, OAUTHBEARER"),
        (34, "takes no logins"),
        (35, "UNSUPPORTED_VERSION"),
    ] {
        let mut login = login(&config("PLAIN"));
        login.begin();
        let response = SaslHandshakeResponse::default()
            .with_error_code(code)
            .with_mechanisms(enabled.clone());
        let error = refused(login.answered(Response::SaslHandshake(response)));
        assert!(error.contains(expected), "{error}");
    }
    // Answers that belong to no step.
    let mut login = login(&config("PLAIN"));
    assert!(login.answered(accepts()).is_err());
    login.begin();
    assert!(login.answered(challenge("")).is_err());
}

#[test]
fn a_token_is_said_and_its_refusal_acknowledged() {
    let bearer = |token: Result<&'static str, &str>| {
        let token = token.map(Secret::new).map_err(str::to_owned);
        let config = StreamsConfig::new("app", "localhost:9092")
            .and_then(|config| config.set("security.protocol", "SASL_SSL"))
            .and_then(|config| config.set("sasl.mechanism", "OAUTHBEARER"))
            .expect("valid")
            .with_oauth_token_provider(move || token.clone());
        let mut login = login(&config);
        login.begin();
        login
    };
    let mut login = bearer(Ok("abc.def="));
    let first = said(login.answered(accepts()));
    assert_eq!(first, "n,,\x01auth=Bearer abc.def=\x01\x01");
    assert!(matches!(
        login.answered(challenge("")),
        Ok(Step::Done { .. })
    ));

    let mut login = bearer(Ok("abc"));
    login.answered(accepts()).expect("accepted");
    let acknowledged = login.answered(challenge("{\"status\":\"invalid_token\"}"));
    assert_eq!(said(acknowledged), "\x01");
    let response = SaslAuthenticateResponse::default()
        .with_error_code(58)
        .with_error_message(Some(StrBytes::from_static_str("invalid_token")));
    let error = refused(login.answered(Response::SaslAuthenticate(response)));
    assert_eq!(error, "invalid_token");

    for (token, expected) in [
        (Err("the issuer is down"), "the issuer is down"),
        (Ok("a\x01b"), "characters"),
        (Ok(""), "characters"),
    ] {
        let error = refused(bearer(token).answered(accepts()));
        assert!(error.contains(expected), "{error}");
    }
}
