//! A shop: an application with every kind of join, and what must come of it.
//!
//! Results do not depend on the order in which topics are read, once everything is.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use eddyline::admin::Admin;
use eddyline::dsl::{Grouped, JoinWindows, Materialized, TimeWindows};
use eddyline::types::TopicPartition;
use eddyline::{StreamsBuilder, Topology};

/// Partitions of every topic but the global one.
const PARTITIONS: i32 = 3;
const CUSTOMERS: usize = 20;
const COUNTRIES: [&str; 4] = ["at", "ch", "de", "fr"];

/// Orders by their number: `customer|amount`. The last one of a number counts.
struct Order {
    number: usize,
    customer: usize,
    amount: i64,
}

/// What the shop is fed with.
pub struct Shop {
    orders: Vec<Order>,
}

fn part(order: &str, at: usize) -> &str {
    order.split('|').nth(at).unwrap_or_default()
}

fn amount(order: &str) -> i64 {
    part(order, 1).parse().unwrap_or(0)
}

/// Texts by key.
type Texts = BTreeMap<String, String>;

impl Shop {
    /// `count` orders, some of which are changed later.
    pub fn new(count: usize) -> Self {
        let orders = (0..count).map(|at| Order {
            number: at * 7 % (count - count / 5),
            customer: at * 13 % CUSTOMERS,
            amount: (at % 97) as i64,
        });
        Self {
            orders: orders.collect(),
        }
    }

    /// The application.
    ///
    /// # Panics
    /// Never: the topology is valid.
    pub fn topology() -> Topology {
        let builder = StreamsBuilder::new();
        let orders = builder.stream::<String, String>("orders");
        let payments = builder.stream::<String, String>("payments");
        let customers = builder.table::<String, String>("customers", Materialized::default());
        let countries =
            builder.global_table::<String, String>("countries", Materialized::default());

        // Which customer made an order: through the order's foreign key.
        let table = orders.to_table(Materialized::<String, String>::as_store("orders"));
        let customer_of = |_: &String, order: &String| part(order, 0).to_owned();
        table
            .join_on_foreign_key(&customers, customer_of, |order: String, name: String| {
                format!("{order} by {name}")
            })
            .to_stream()
            .to("enriched");

        // Orders with their payments, whichever comes first.
        let windows = JoinWindows::of_time_difference_with_no_grace(Duration::from_secs(3600));
        orders
            .join(
                &payments,
                |order, paid| format!("{order} paid {paid}"),
                windows,
            )
            .to("paid");

        // What every customer ordered, with the name.
        let by_customer = orders
            .select_key(|_, order| part(order, 0).to_owned())
            .map_values(|order| amount(&order));
        let totals = by_customer
            .group_by_key_with(Grouped::named("by-customer"))
            .aggregate(
                || 0,
                |_, amount, total: i64| total + amount,
                Materialized::as_store("totals"),
            );
        totals
            .join(&customers, |total, name: String| format!("{name}: {total}"))
            .to_stream()
            .to("totals-out");

        // How often, by day.
        by_customer
            .group_by_key_with(Grouped::named("by-customer-and-day"))
            .windowed_by(TimeWindows::of_size_with_no_grace(Duration::from_secs(
                86_400,
            )))
            .count(Materialized::as_store("per-day"))
            .to_stream()
            .map(|windowed, count| (format!("{}@{}", windowed.key, windowed.window.start), count))
            .to("per-day-out");

        // Where the customers are.
        customers
            .to_stream()
            .filter(|_, name| name.is_some())
            .map_values(|name| name.unwrap_or_default())
            .join_global_table(
                &countries,
                |_, name| part(name, 1).to_owned(),
                |name, country: String| format!("{name} in {country}"),
            )
            .to("where");
        builder.build().expect("a valid topology")
    }

    /// Makes the topics and writes what is known before the first order.
    ///
    /// # Panics
    /// When the cluster does not.
    pub fn open(&self, admin: &mut Admin) {
        let outputs = ["enriched", "paid", "totals-out", "per-day-out", "where"];
        let mut topics = vec![("countries", 2)];
        topics.extend(["orders", "payments", "customers"].map(|topic| (topic, PARTITIONS)));
        topics.extend(outputs.map(|topic| (topic, PARTITIONS)));
        admin.create_topics(&topics).expect("topics");
        write(
            admin,
            "countries",
            COUNTRIES.map(|code| (code.to_owned(), code.to_uppercase())),
        );
        write(admin, "customers", customers());
    }

    /// Writes orders and payments from `from` on, as many as `count` of each.
    ///
    /// # Panics
    /// When the cluster does not take them.
    pub fn feed(&self, admin: &mut Admin, from: usize, count: usize) {
        let orders = &self.orders[from..(from + count).min(self.orders.len())];
        let text = |order: &Order| format!("c{}|{}", order.customer, order.amount);
        let key = |order: &Order| format!("o{}", order.number);
        write(
            admin,
            "orders",
            orders.iter().map(|order| (key(order), text(order))),
        );
        write(
            admin,
            "payments",
            orders.iter().map(|order| (key(order), "cash".to_owned())),
        );
    }

    /// Waits until every result is what it must be.
    ///
    /// # Panics
    /// With the first difference, when that takes longer than `patience`.
    pub fn wait_for_results(&self, admin: &mut Admin, patience: Duration) {
        let began = Instant::now();
        while let Err(difference) = self.check(admin) {
            assert!(began.elapsed() < patience, "{difference}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn check(&self, admin: &mut Admin) -> Result<(), String> {
        let names: Texts = customers().collect();
        let name = |customer: usize| names[&format!("c{customer}")].clone();
        let mut enriched = Texts::new();
        let mut totals: BTreeMap<usize, i64> = BTreeMap::new();
        let mut times: BTreeMap<String, i64> = BTreeMap::new();
        let mut paid = BTreeSet::new();
        for order in &self.orders {
            let (key, text) = (
                format!("o{}", order.number),
                format!("c{}|{}", order.customer, order.amount),
            );
            enriched.insert(key.clone(), format!("{text} by {}", name(order.customer)));
            paid.insert((key, format!("{text} paid cash")));
            *totals.entry(order.customer).or_default() += order.amount;
            *times.entry(format!("c{}", order.customer)).or_default() += 1;
        }
        let totals = totals.into_iter().map(|(customer, total)| {
            (
                format!("c{customer}"),
                format!("{}: {total}", name(customer)),
            )
        });
        compare("enriched", &enriched, &last(read(admin, "enriched", text)))?;
        compare(
            "totals-out",
            &totals.collect(),
            &last(read(admin, "totals-out", text)),
        )?;
        compare(
            "paid",
            &paid,
            &read(admin, "paid", text).into_iter().collect(),
        )?;
        let mut counted: BTreeMap<String, i64> = BTreeMap::new();
        for (key, count) in last(read(admin, "per-day-out", long)) {
            *counted
                .entry(part(&key.replace('@', "|"), 0).to_owned())
                .or_default() += count;
        }
        compare("per-day-out", &times, &counted)?;
        let places = names.iter().map(|(key, name)| {
            let country = part(name, 1).to_uppercase();
            (key.clone(), format!("{name} in {country}"))
        });
        compare(
            "where",
            &places.collect(),
            &last(read(admin, "where", text)),
        )
    }
}

fn customers() -> impl Iterator<Item = (String, String)> {
    (0..CUSTOMERS).map(|customer| {
        let country = COUNTRIES[customer % COUNTRIES.len()];
        (format!("c{customer}"), format!("Name {customer}|{country}"))
    })
}

fn write(admin: &mut Admin, topic: &str, records: impl IntoIterator<Item = (String, String)>) {
    let records = records
        .into_iter()
        .map(|(key, value)| (Some(key), Some(value)));
    admin.produce(topic, records).expect("written");
}

fn text(value: &[u8]) -> String {
    String::from_utf8_lossy(value).into_owned()
}

fn long(value: &[u8]) -> i64 {
    value.try_into().map(i64::from_be_bytes).unwrap_or(-1)
}

/// The records of a topic with their values.
fn read<T>(admin: &mut Admin, topic: &str, value: impl Fn(&[u8]) -> T) -> Vec<(String, T)> {
    let mut all = Vec::new();
    for partition in 0..PARTITIONS {
        let partition = TopicPartition {
            topic: topic.into(),
            partition,
        };
        for record in admin.read_to_end(&partition).expect("records") {
            if let (Some(key), Some(found)) = (&record.key, &record.value) {
                all.push((text(key), value(found)));
            }
        }
    }
    all
}

fn last<T>(records: Vec<(String, T)>) -> BTreeMap<String, T> {
    records.into_iter().collect()
}

fn compare<T: PartialEq + std::fmt::Debug>(
    what: &str,
    expected: &T,
    found: &T,
) -> Result<(), String> {
    if expected == found {
        return Ok(());
    }
    Err(format!(
        "{what}:\nexpected {expected:?}\nfound    {found:?}"
    ))
}
