//! Secured brokers: TLS, logins and ACLs on Apache Kafka itself.
//!
//! Runs with `EDDYLINE_JAVA_TESTS=1`, which needs `java` (17 or later) and `mvn`.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use eddyline::admin::{Admin, AdminError};
use eddyline::config::Secret;
use eddyline::error::{AclResource, StreamsError};
use eddyline::types::{TopicName, TopicPartition};
use eddyline::{KafkaStreams, RunningStreams, State, StreamsConfig};
use eddyline_tests::{
    KING_JAMES, KafkaBroker, WordCount, count_words, java_tests_run, kafka_tool, scratch,
    word_count_topology,
};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

const PASSWORD: &str = "geheim-1";

/// A signer of certificates, with its own in PEM.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        let distinguished = &mut params.distinguished_name;
        distinguished.push(rcgen::DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let pem = params.self_signed(&key).expect("a certificate").pem();
        let issuer = Issuer::new(params, key);
        Self { issuer, pem }
    }

    /// A certificate for a name, and its private key, in one text.
    fn sign(&self, name: &str) -> (String, String) {
        let mut params = CertificateParams::new(vec![name.to_owned()]).expect("a name");
        let distinguished = &mut params.distinguished_name;
        distinguished.push(rcgen::DnType::CommonName, name);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        (certificate.pem(), key.serialize_pem())
    }
}

/// A broker with listeners of every protocol, and who may what.
struct SecuredBroker {
    kafka: KafkaBroker,
    authority: Authority,
    folder: PathBuf,
}

impl SecuredBroker {
    fn start(name: &str) -> Self {
        let authority = Authority::new("ours");
        let folder = scratch(&format!("{name}-keys"));
        std::fs::create_dir_all(&folder).expect("a folder");
        let (certificate, key) = authority.sign("localhost");
        let store = folder.join("broker.pem");
        std::fs::write(&store, format!("{certificate}{key}")).expect("written");
        let trusted = folder.join("ca.pem");
        std::fs::write(&trusted, &authority.pem).expect("written");
        let (store, trusted) = (store.display(), trusted.display());
        let properties = |port: u16| {
            let listeners = |controller: &str| {
                format!(
                    "PLAINTEXT://127.0.0.1:{port},SASL_SSL://localhost:{},SSL://localhost:{},\
                     SASL_PLAINTEXT://localhost:{}{controller}",
                    port + 1,
                    port + 2,
                    port + 3
                )
            };
            let modules = "org.apache.kafka.common.security";
            let mechanisms: String = ["sasl_ssl", "sasl_plaintext"]
                .map(|listener| {
                    let key = |m: &str| format!("listener.name.{listener}.{m}.sasl.jaas.config");
                    format!(
                        "{}={modules}.plain.PlainLoginModule required user_alice=\"{PASSWORD}\";\n\
                         {}={modules}.scram.ScramLoginModule required;\n\
                         {}={modules}.scram.ScramLoginModule required;\n\
                         {}={modules}.oauthbearer.OAuthBearerLoginModule required \
                         unsecuredLoginStringClaim_sub=\"broker\";\n\
                         listener.name.{listener}.plain.connections.max.reauth.ms=2000\n",
                        key("plain"),
                        key("scram-sha-256"),
                        key("scram-sha-512"),
                        key("oauthbearer"),
                    )
                })
                .concat();
            format!(
                "listeners={}\n\
                 advertised.listeners={}\n\
                 listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,\
                 SASL_SSL:SASL_SSL,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT\n\
                 sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER\n\
                 ssl.keystore.type=PEM\nssl.keystore.location={store}\n\
                 ssl.truststore.type=PEM\nssl.truststore.location={trusted}\n\
                 listener.name.ssl.ssl.client.auth=required\n\
                 authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer\n\
                 super.users=User:ANONYMOUS\n{mechanisms}",
                listeners(&format!(",CONTROLLER://127.0.0.1:{}", port + 50)),
                listeners(""),
            )
        };
        Self {
            kafka: KafkaBroker::start_with(name, properties),
            authority,
            folder,
        }
    }

    /// Makes `user` known to SCRAM.
    fn add_scram(&self, user: &str) {
        for mechanism in ["SCRAM-SHA-256", "SCRAM-SHA-512"] {
            let credential = format!("{mechanism}=[password={PASSWORD}]");
            let what = ["--alter", "--add-config", &credential];
            let whom = ["--entity-type", "users", "--entity-name", user];
            let arguments = [what.as_slice(), &whom].concat();
            self.kafka.tool("kafka.admin.ConfigCommand", &arguments);
        }
    }

    fn allow(&self, user: &str, what: &[&str]) {
        let principal = format!("User:{user}");
        let mut arguments = vec!["--add", "--allow-principal", &principal];
        arguments.extend(what);
        kafka_tool(
            &self.kafka.bootstrap(),
            "org.apache.kafka.tools.AclCommand",
            &arguments,
            "",
        );
    }

    /// What the application of that id needs, one tool call each.
    fn allow_application(&self, user: &str, id: &str) {
        let prefixed = ["--resource-pattern-type", "prefixed"];
        let all = [&["--operation", "All"][..], &prefixed, &["--topic", id]].concat();
        self.allow(user, &all);
        self.allow(user, &["--operation", "Read", "--group", id]);
    }

    fn config(&self, id: &str, protocol: &str, host: &str) -> StreamsConfig {
        let offset = match protocol {
            "PLAINTEXT" => 0,
            "SASL_SSL" => 1,
            "SSL" => 2,
            "SASL_PLAINTEXT" => 3,
            _ => panic!("no listener for {protocol}"),
        };
        let bootstrap = format!("{host}:{}", self.kafka.port() + offset);
        set(
            StreamsConfig::new(id, bootstrap).expect("valid"),
            &[
                ("security.protocol", protocol),
                ("commit.interval.ms", "200"),
            ],
        )
    }

    /// The same that trusts the broker.
    fn trusting(&self, id: &str, protocol: &str) -> StreamsConfig {
        let store = self.folder.join("ca.pem").display().to_string();
        set(
            self.config(id, protocol, "localhost"),
            &[
                ("ssl.truststore.type", "PEM"),
                ("ssl.truststore.location", &store),
            ],
        )
    }

    /// Counts words with `config`, written a few at a time for `slices` half seconds, and checks
    /// the result; gives the application's log.
    fn count_words(&self, config: StreamsConfig, slices: usize) -> Vec<String> {
        let mut admin = self.kafka.admin();
        let id = config.application_id().to_owned();
        let count = WordCount::create(&mut admin, &id, 2);
        let lines: Vec<&str> = KING_JAMES.lines().take(500).collect();
        let (streams, log) = start(&count, config);
        let state = streams.wait_for(State::Running, Duration::from_secs(60));
        assert_eq!(state, State::Running, "{:?}", streams.error());
        for slice in lines.chunks(lines.len().div_ceil(slices)) {
            count.write(&mut admin, slice);
            if slices > 1 {
                std::thread::sleep(Duration::from_millis(500));
            }
        }
        count.wait_until_done(&mut admin);
        streams.close(Duration::from_secs(30)).expect("it closes");
        assert_eq!(count.counts(&mut admin), count_words(lines.iter().copied()));
        let log = log.lock().expect("no listener panicked").clone();
        assert!(!log.iter().any(|line| line.contains(PASSWORD)));
        log
    }
}

fn set(config: StreamsConfig, pairs: &[(&str, &str)]) -> StreamsConfig {
    pairs.iter().fold(config, |config, (key, value)| {
        config.set(key, value).expect("valid")
    })
}

fn login(config: StreamsConfig, mechanism: &str, user: &str, password: &str) -> StreamsConfig {
    let module = match mechanism {
        "PLAIN" => "plain.PlainLoginModule",
        _ => "scram.ScramLoginModule",
    };
    let jaas = format!(
        "org.apache.kafka.common.security.{module} required username=\"{user}\" \
         password=\"{password}\";"
    );
    set(
        config,
        &[("sasl.mechanism", mechanism), ("sasl.jaas.config", &jaas)],
    )
}

fn start(count: &WordCount, config: StreamsConfig) -> (RunningStreams, Arc<Mutex<Vec<String>>>) {
    let log = Arc::new(Mutex::new(Vec::new()));
    let lines = Arc::clone(&log);
    let topology = word_count_topology(&count.input, &count.output);
    let streams = KafkaStreams::new(topology, config)
        .expect("a topology with sources")
        .with_log_listener(move |event| {
            let mut lines = lines.lock().expect("no listener panicked");
            lines.push(event.message.clone());
        })
        .start()
        .expect("it starts");
    (streams, log)
}

/// How the application ends that must not run.
fn error_of(count: &WordCount, config: StreamsConfig) -> StreamsError {
    let (streams, log) = start(count, config);
    let state = streams.wait_for(State::Error, Duration::from_secs(60));
    assert_eq!(state, State::Error, "{log:?}");
    let error = streams.error().expect("the error that stopped it");
    assert!(!format!("{error:?} {error}").contains("geheim"));
    error
}

/// A token as Java's `OAuthBearerUnsecuredLoginCallbackHandler` makes it.
fn unsecured_token(user: &str) -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let now = now.expect("after 1970").as_secs();
    let claims = format!(r#"{{"sub":"{user}","iat":{now},"exp":{}}}"#, now + 3600);
    format!(
        "{}.{}.",
        base64url(br#"{"alg":"none"}"#),
        base64url(claims.as_bytes())
    )
}

fn base64url(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let mut three = [0; 3];
        three[..chunk.len()].copy_from_slice(chunk);
        let bits = u32::from_be_bytes([0, three[0], three[1], three[2]]);
        for digit in 0..=chunk.len() {
            text.push(DIGITS[(bits >> (18 - 6 * digit)) as usize & 63] as char);
        }
    }
    text
}

#[test]
fn words_are_counted_over_every_protocol_and_mechanism() {
    if !java_tests_run("words_are_counted_over_every_protocol_and_mechanism") {
        return;
    }
    let broker = SecuredBroker::start("kafka-secured");
    broker.add_scram("alice");
    broker.allow_application("alice", "count");
    for id in [
        "count-512",
        "count-256",
        "count-plain",
        "count-token",
        "count-open",
    ] {
        broker.allow("alice", &["--operation", "Read", "--group", id]);
    }
    let secured = |id| broker.trusting(id, "SASL_SSL");
    broker.count_words(
        login(secured("count-512"), "SCRAM-SHA-512", "alice", PASSWORD),
        1,
    );
    broker.count_words(
        login(secured("count-256"), "SCRAM-SHA-256", "alice", PASSWORD),
        1,
    );
    // Sessions of this mechanism end after two seconds: over three of them, no connection is lost.
    let log = broker.count_words(
        login(secured("count-plain"), "PLAIN", "alice", PASSWORD),
        16,
    );
    let lost: Vec<&String> = log.iter().filter(|l| l.contains("lost:")).collect();
    assert!(lost.is_empty(), "{lost:?}");
    broker.count_words(
        set(secured("count-token"), &[("sasl.mechanism", "OAUTHBEARER")])
            .with_oauth_token_provider(|| Ok(Secret::new(unsecured_token("alice")))),
        1,
    );
    let open = broker.config("count-open", "SASL_PLAINTEXT", "localhost");
    broker.count_words(login(open, "SCRAM-SHA-512", "alice", PASSWORD), 1);

    // The client's certificate is its name.
    let (certificate, key) = broker.authority.sign("carol");
    broker.allow_application("CN=carol", "mutual");
    let mutual = set(
        broker.trusting("mutual", "SSL"),
        &[
            ("ssl.keystore.type", "PEM"),
            ("ssl.keystore.certificate.chain", &certificate),
            ("ssl.keystore.key", &key),
        ],
    );
    broker.count_words(mutual, 1);
}

#[test]
fn who_is_not_let_in_is_told_why() {
    if !java_tests_run("who_is_not_let_in_is_told_why") {
        return;
    }
    let broker = SecuredBroker::start("kafka-refusing");
    broker.add_scram("alice");
    let mut admin = broker.kafka.admin();
    let count = WordCount::create(&mut admin, "refused", 1);
    let secured = || broker.trusting("refused", "SASL_SSL");
    let refused = |config: StreamsConfig, mechanism: &str, words: &[&str]| {
        let told = Admin::connect_with(&config, Duration::from_secs(30));
        let Err(AdminError::Cluster(by_admin)) = told else {
            panic!("the admin is let in: {told:?}");
        };
        for error in [by_admin, error_of(&count, config)] {
            let message = error.to_string();
            let StreamsError::Authentication { mechanism: by, .. } = error else {
                panic!("another error: {error:?}");
            };
            assert_eq!(by, mechanism, "{message}");
            for words in words {
                assert!(message.contains(words), "{words:?} in {message}");
            }
            println!("{message}");
        }
    };
    for mechanism in ["PLAIN", "SCRAM-SHA-512"] {
        let wrong = login(secured(), mechanism, "alice", "geheim-falsch");
        refused(wrong, mechanism, &["localhost"]);
    }
    let unknown = login(secured(), "SCRAM-SHA-256", "nobody", PASSWORD);
    refused(unknown, "SCRAM-SHA-256", &[]);
    let token = set(secured(), &[("sasl.mechanism", "OAUTHBEARER")])
        .with_oauth_token_provider(|| Ok(Secret::new("geheim.token.x")));
    refused(token, "OAUTHBEARER", &[]);

    let alice = |config| login(config, "SCRAM-SHA-512", "alice", PASSWORD);
    let other = Authority::new("other");
    let untrusted = broker.config("refused", "SASL_SSL", "localhost");
    let untrusted = set(
        untrusted,
        &[
            ("ssl.truststore.type", "PEM"),
            ("ssl.truststore.certificates", &other.pem),
        ],
    );
    refused(
        alice(untrusted),
        "TLS",
        &["UnknownIssuer", "ssl.truststore"],
    );
    let by_system = broker.config("refused", "SASL_SSL", "localhost");
    refused(alice(by_system), "TLS", &["UnknownIssuer"]);

    let by_address = format!("127.0.0.1:{}", broker.kafka.port() + 1);
    let misnamed = set(secured(), &[("bootstrap.servers", &by_address)]);
    let algorithm = "ssl.endpoint.identification.algorithm";
    refused(alice(misnamed.clone()), "TLS", &["127.0.0.1", algorithm]);
    // Without the check it is let in.
    let unchecked = alice(set(misnamed, &[(algorithm, "")]));
    Admin::connect_with(&unchecked, Duration::from_secs(30)).expect("let in");

    refused(broker.trusting("refused", "SSL"), "TLS", &["ssl.keystore"]);
    // The wrong protocol for a listener.
    let at = |protocol: &str, offset: u16| {
        let address = format!("localhost:{}", broker.kafka.port() + offset);
        set(
            broker.trusting("refused", protocol),
            &[("bootstrap.servers", &address)],
        )
    };
    refused(at("PLAINTEXT", 2), "TLS", &["speaks TLS"]);
    let open = login(at("SASL_PLAINTEXT", 0), "PLAIN", "alice", PASSWORD);
    let open = set(open, &[("bootstrap.servers", &broker.kafka.bootstrap())]);
    refused(open, "PLAIN", &["takes no logins"]);
    // Those that a broker only closes on are told while the trying goes on.
    for (config, words) in [
        (at("PLAINTEXT", 3), "may want a login"),
        (at("SSL", 3), "may not speak TLS"),
    ] {
        let told = Admin::connect_with(&config, Duration::from_secs(5));
        let told = told.and_then(|mut admin| admin.partition_count("refused"));
        let message = told.expect_err("not let in").to_string();
        assert!(message.contains(words), "{message}");
        println!("{message}");
    }
}

#[test]
fn what_is_not_allowed_fails_by_name_and_touches_nothing_else() {
    if !java_tests_run("what_is_not_allowed_fails_by_name_and_touches_nothing_else") {
        return;
    }
    let broker = SecuredBroker::start("kafka-acls");
    broker.add_scram("alice");
    let mut admin = broker.kafka.admin();
    let count = WordCount::create(&mut admin, "acl", 1);
    count.write(&mut admin, &["in the beginning"]);
    let config = || {
        let config = broker.trusting("acl", "SASL_SSL");
        login(config, "SCRAM-SHA-512", "alice", PASSWORD)
    };
    let exactly_once = || set(config(), &[("processing.guarantee", "exactly_once_v2")]);
    let topic = |name: &str| AclResource::Topic(TopicName::new(name));
    // One ACL after the other is granted; what fails next is named.
    let refused = |config: StreamsConfig, resource: AclResource, permission: &str| {
        let error = error_of(&count, config);
        println!("{error}");
        let StreamsError::Authorization {
            resource: missing,
            permission: needed,
            ..
        } = error
        else {
            panic!("another error: {error:?}");
        };
        assert_eq!((missing, needed), (resource, permission));
    };
    let internal = ["acl-counts-repartition", "acl-counts-changelog"];
    let group = || AclResource::Group("acl".into());
    refused(config(), topic("acl-lines"), "Describe");
    broker.allow("alice", &["--operation", "Read", "--topic", "acl-lines"]);
    refused(config(), topic("acl-out"), "Describe");
    broker.allow("alice", &["--operation", "Describe", "--topic", "acl-out"]);
    refused(config(), group(), "Read");
    broker.allow("alice", &["--operation", "Read", "--group", "acl"]);
    let application = || AclResource::ApplicationTopics("acl".into());
    refused(config(), application(), "Describe");
    for name in internal {
        broker.allow("alice", &["--operation", "Describe", "--topic", name]);
    }
    refused(config(), application(), "Create");
    for name in internal {
        assert_eq!(admin.partition_count(name).expect("answered"), None);
        broker.allow(
            "alice",
            &[
                "--operation",
                "Create",
                "--operation",
                "Read",
                "--operation",
                "DescribeConfigs",
                "--topic",
                name,
            ],
        );
    }
    let id = "acl";
    let transactional = [
        "--transactional-id",
        id,
        "--resource-pattern-type",
        "prefixed",
    ];
    match error_of(&count, exactly_once()) {
        StreamsError::Authorization {
            resource: AclResource::TransactionalId(transactional_id),
            permission: "Write",
            ..
        } if transactional_id.starts_with("acl-") => {}
        error => panic!("another error: {error:?}"),
    }
    // Idempotent producers need this, or to be allowed to write to any topic.
    refused(config(), AclResource::Cluster, "IdempotentWrite");
    let changelog = ["--operation", "Write", "--topic", "acl-counts-changelog"];
    broker.allow("alice", &changelog);
    refused(config(), topic("acl-counts-repartition"), "Write");
    broker.allow(
        "alice",
        &[&["--operation", "Write"][..], &transactional].concat(),
    );
    for name in internal {
        broker.allow("alice", &["--operation", "Write", "--topic", name]);
    }
    refused(exactly_once(), topic(&count.output), "Write");
    // Nothing was committed: what follows counts each word once.
    assert!(count.counts(&mut admin).is_empty());
    broker.allow("alice", &["--operation", "Write", "--topic", &count.output]);
    let (streams, _) = start(&count, exactly_once());
    count.wait_until_done(&mut admin);
    streams.close(Duration::from_secs(30)).expect("it closes");
    let expected = count_words(["in the beginning"]);
    assert_eq!(count.counts(&mut admin), expected);

    let mut alice = Admin::connect_with(&config(), Duration::from_secs(10)).expect("let in");
    let not_allowed = |result: Result<(), AdminError>, resource: AclResource| match result {
        Err(AdminError::Cluster(StreamsError::Authorization {
            resource: missing, ..
        })) => assert_eq!(missing, resource),
        other => panic!("{other:?}"),
    };
    admin.create_topics(&[("secret", 1)]).expect("created");
    let secret = TopicPartition::new("secret", 0);
    not_allowed(alice.create_topics(&[("new", 1)]), topic("new"));
    not_allowed(alice.partition_count("secret").map(drop), topic("secret"));
    not_allowed(alice.read_to_end(&secret).map(drop), topic("secret"));
    let offsets = alice.committed_offsets("other", &[secret]);
    not_allowed(offsets.map(drop), AclResource::Group("other".into()));
    not_allowed(
        alice.describe_streams_group("other").map(drop),
        AclResource::Group("other".into()),
    );
    assert_eq!(admin.partition_count("new").expect("answered"), None);
}
