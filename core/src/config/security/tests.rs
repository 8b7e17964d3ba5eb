use super::*;

fn config(pairs: &[(&str, &str)]) -> Result<StreamsConfig, ConfigError> {
    let config = StreamsConfig::new("app", "localhost:9092");
    let set = |config: Result<StreamsConfig, _>, (key, value): &(&str, &str)| {
        config.and_then(|config| config.set(key, value))
    };
    pairs.iter().fold(config, set)
}

const PLAIN: &str = "org.apache.kafka.common.security.plain.PlainLoginModule required \
                     username=\"alice\" password=\"geheim\";";
const SCRAM: &str = "org.apache.kafka.common.security.scram.ScramLoginModule required \
                     username=\"alice\" password=\"geheim\";";

#[test]
fn logins_are_read_and_never_printed() {
    for (mechanism, jaas) in [
        ("PLAIN", PLAIN),
        ("SCRAM-SHA-256", SCRAM),
        ("SCRAM-SHA-512", SCRAM),
    ] {
        let config = config(&[
            ("security.protocol", "SASL_PLAINTEXT"),
            ("sasl.mechanism", mechanism),
            ("sasl.jaas.config", jaas),
        ])
        .expect("valid");
        let login = config.sasl_login().expect("consistent").expect("a login");
        assert_eq!(login.mechanism().name(), mechanism);
        let (SaslLogin::Plain { username, password }
        | SaslLogin::Scram {
            username, password, ..
        }) = &login
        else {
            panic!("{login:?} is another login");
        };
        assert_eq!((username.as_str(), password.reveal()), ("alice", "geheim"));
        assert!(!format!("{config:?} {login:?}").contains("geheim"));
        assert_eq!(config.tls(), Ok(None));
    }
}

#[test]
fn logins_that_cannot_be_used_are_refused_without_their_passwords() {
    let refused: [&[(&str, &str)]; 5] = [
        &[],
        &[("sasl.mechanism", "PLAIN")],
        &[("sasl.mechanism", "PLAIN"), ("sasl.jaas.config", SCRAM)],
        &[
            ("sasl.mechanism", "SCRAM-SHA-512"),
            ("sasl.jaas.config", PLAIN),
        ],
        &[("sasl.mechanism", "OAUTHBEARER")],
    ];
    for pairs in refused {
        let config = config(pairs).expect("each is valid");
        let config = config.set("security.protocol", "SASL_SSL").expect("valid");
        let error = config.sasl_login().expect_err("refused").to_string();
        assert!(!error.contains("geheim"), "{error}");
    }
    for (key, value) in [
        ("sasl.jaas.config", "Module required password=\"geheim\""),
        ("ssl.keystore.password", "geheim"),
        (
            "sasl.oauthbearer.client.credentials.client.secret",
            "geheim",
        ),
        ("sasl.mechanism", "GSSAPI"),
        ("security.protocol", "TLS"),
    ] {
        let error = config(&[(key, value)]).expect_err("refused").to_string();
        assert!(error.contains(key) && !error.contains("geheim"), "{error}");
    }
    // Nothing is asked of it without a login.
    let plaintext = config(&[("sasl.mechanism", "PLAIN")]).expect("valid");
    assert_eq!(plaintext.sasl_login(), Ok(None));
}

#[test]
fn tokens_come_from_the_provider() {
    let config = config(&[
        ("security.protocol", "SASL_SSL"),
        ("sasl.mechanism", "OAUTHBEARER"),
    ])
    .expect("valid")
    .with_oauth_token_provider(|| Ok(Secret::new("geheim")));
    let Ok(Some(SaslLogin::OAuthBearer(provider))) = config.sasl_login() else {
        panic!("another login");
    };
    assert_eq!(provider.token(), Ok(Secret::new("geheim")));
    assert!(!format!("{config:?}").contains("geheim"));
}

#[test]
fn stores_are_pem() {
    let tls = |pairs: &[(&str, &str)]| {
        let config = config(pairs)?.set("security.protocol", "SSL")?;
        Ok::<_, ConfigError>(config.tls()?.expect("TLS"))
    };
    let plain = tls(&[]).expect("valid");
    assert_eq!((plain.truststore, plain.keystore), (None, None));
    assert!(plain.verifies_hostname);
    let any_host = tls(&[("ssl.endpoint.identification.algorithm", "")]);
    assert!(!any_host.expect("valid").verifies_hostname);
    let files = tls(&[
        ("ssl.truststore.type", "PEM"),
        ("ssl.truststore.location", "/ca.pem"),
        ("ssl.keystore.type", "PEM"),
        ("ssl.keystore.certificate.chain", "chain"),
        ("ssl.keystore.key", "geheim"),
    ])
    .expect("valid");
    assert_eq!(files.truststore, Some(Pem::File("/ca.pem".into())));
    assert_eq!(
        files.keystore,
        Some(Pem::Text(Secret::new("chain\ngeheim")))
    );
    assert!(!format!("{files:?}").contains("geheim"));
    let refused: [&[(&str, &str)]; 6] = [
        &[("ssl.truststore.location", "/store.jks")],
        &[("ssl.truststore.type", "PKCS12")],
        &[
            ("ssl.keystore.type", "PEM"),
            ("ssl.keystore.certificate.chain", "chain"),
        ],
        &[("ssl.keystore.key", "geheim")],
        &[
            ("ssl.keystore.type", "PEM"),
            ("ssl.keystore.location", "/k.pem"),
            ("ssl.keystore.key", "geheim"),
        ],
        &[
            ("ssl.truststore.type", "PEM"),
            ("ssl.truststore.location", "/ca.pem"),
            ("ssl.truststore.certificates", "text"),
        ],
    ];
    for pairs in refused {
        let error = tls(pairs).expect_err("refused").to_string();
        assert!(!error.contains("geheim"), "{error}");
    }
}
