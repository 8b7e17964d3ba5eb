//! The library of named functions that scenarios use: null in is `None`, and functions throw where
//! Java's do, by a panic.

use eddyline_core::processor::ProcessorError;
use eddyline_core::window::Windowed;

use super::datum::{Datum, Key, shown};

pub(super) type Value1 = Box<dyn Fn(Option<Datum>) -> Option<Datum> + Send + Sync>;
pub(super) type Fallible =
    Box<dyn Fn(Option<Datum>) -> Result<Option<Datum>, ProcessorError> + Send + Sync>;
pub(super) type Value2 = Box<dyn Fn(Option<&Datum>, Option<Datum>) -> Option<Datum> + Send + Sync>;
pub(super) type Predicate = Box<dyn Fn(Option<&Datum>, Option<&Datum>) -> bool + Send + Sync>;
pub(super) type Pair = (Option<Datum>, Option<Datum>);
pub(super) type Map = Box<dyn Fn(Option<Datum>, Option<Datum>) -> Pair + Send + Sync>;
pub(super) type FlatMap = Box<dyn Fn(Option<Datum>, Option<Datum>) -> Vec<Pair> + Send + Sync>;
pub(super) type FlatMapValues = Box<dyn Fn(Option<Datum>) -> Vec<Option<Datum>> + Send + Sync>;
pub(super) type Reducer = Box<dyn Fn(Datum, Datum) -> Option<Datum> + Send + Sync>;
pub(super) type Aggregator =
    Box<dyn Fn(Option<&Datum>, Datum, Option<Datum>) -> Option<Datum> + Send + Sync>;

pub(super) type Joiner =
    Box<dyn Fn(Option<&Datum>, Option<Datum>, Option<Datum>) -> Option<Datum> + Send + Sync>;

fn split(function: &str) -> (&str, String) {
    match function.split_once(':') {
        Some((name, argument)) => (name, argument.to_owned()),
        None => (function, String::new()),
    }
}

fn text(value: &Datum) -> &str {
    match value {
        Datum::Text(text) => text,
        Datum::Null => panic!("NullPointerException: no text"),
        other => panic!("ClassCastException: {other:?} is not text"),
    }
}

fn long(value: &Datum) -> i64 {
    match value {
        Datum::Long(number) => *number,
        Datum::Null => panic!("NullPointerException: no long"),
        other => panic!("ClassCastException: {other:?} is not a long"),
    }
}

/// A key as functions show it: one in a window as `key@start-end`.
fn label(key: Option<&Datum>) -> String {
    match key {
        Some(Datum::Windowed(windowed)) => {
            let Windowed { key, window } = &**windowed;
            format!("{}@{}-{}", label(key.as_ref()), window.start, window.end)
        }
        other => shown(other),
    }
}

fn windowed(key: Option<&Datum>) -> &Windowed<Key> {
    match key {
        Some(Datum::Windowed(key)) => key,
        other => panic!("ClassCastException: {other:?} has no window"),
    }
}

fn of(text: impl Into<String>) -> Option<Datum> {
    Some(Datum::Text(text.into()))
}

fn utf16_length(text: &str) -> usize {
    text.encode_utf16().count()
}

/// A value function that fails where Java's throws; `None` where there is none of that name.
pub(super) fn fallible(function: &str) -> Option<Fallible> {
    let argument = function.strip_prefix("fail_on:")?.to_owned();
    Some(Box::new(move |value| match value {
        Some(value) if value.to_string() == argument => {
            let message = format!("IllegalStateException: fail_on {argument}");
            Err(ProcessorError::new(message))
        }
        value => Ok(value),
    }))
}

/// A value function; `None` where there is none of that name.
pub(super) fn value(function: &str) -> Option<Value1> {
    let (name, argument) = split(function);
    let mapped: Box<dyn Fn(Datum) -> Option<Datum> + Send + Sync> = match name {
        "identity" => Box::new(Some),
        "to_string" => return Some(Box::new(|v| of(shown(v.as_ref())))),
        "const" => return Some(Box::new(move |_| of(argument.clone()))),
        "upper" => Box::new(|v| of(text(&v).to_ascii_uppercase())),
        "lower" => Box::new(|v| of(text(&v).to_ascii_lowercase())),
        "reverse" => Box::new(|v| of(text(&v).chars().rev().collect::<String>())),
        "length" => Box::new(|v| Some(Datum::Long(utf16_length(text(&v)) as i64))),
        "first_char" => Box::new(|v| text(&v).chars().next().and_then(of)),
        "parse_long" => Box::new(|v| Some(Datum::Long(text(&v).parse().ok()?))),
        "append" => Box::new(move |v| of(format!("{v}{argument}"))),
        "prepend" => Box::new(move |v| of(format!("{argument}{v}"))),
        "add" => {
            let number: i64 = argument.parse().ok()?;
            Box::new(move |v| Some(Datum::Long(long(&v).wrapping_add(number))))
        }
        "null_if" => Box::new(move |v| (v.to_string() != argument).then_some(v)),
        "fail_on" => Box::new(move |v| {
            assert!(
                v.to_string() != argument,
                "IllegalStateException: fail_on {argument}"
            );
            Some(v)
        }),
        _ => return None,
    };
    Some(Box::new(move |v| v.and_then(&mapped)))
}

/// A value function that reads the key.
pub(super) fn value_with_key(function: &str) -> Option<Value2> {
    match split(function).0 {
        "with_key" => Some(Box::new(|k, v| {
            v.and_then(|v| of(format!("{}:{v}", label(k))))
        })),
        _ => None,
    }
}

pub(super) fn predicate(function: &str) -> Option<Predicate> {
    let (name, argument) = split(function);
    let on_value = |test: Box<dyn Fn(&Datum) -> bool + Send + Sync>| -> Predicate {
        Box::new(move |_, v| v.is_some_and(&test))
    };
    Some(match name {
        "true" => Box::new(|_, _| true),
        "false" => Box::new(|_, _| false),
        "not_null" => on_value(Box::new(|_| true)),
        "not_empty" => on_value(Box::new(|v| !text(v).is_empty())),
        "has_prefix" => on_value(Box::new(move |v| text(v).starts_with(&argument))),
        "contains" => on_value(Box::new(move |v| text(v).contains(&argument))),
        "min_length" => {
            let length: usize = argument.parse().ok()?;
            on_value(Box::new(move |v| utf16_length(text(v)) >= length))
        }
        "even" => on_value(Box::new(|v| long(v) % 2 == 0)),
        "gt" => {
            let number: i64 = argument.parse().ok()?;
            on_value(Box::new(move |v| long(v) > number))
        }
        "key_is" => Box::new(move |k, _| k.is_some() && label(k) == argument),
        "key_prefix" => Box::new(move |k, _| k.is_some() && label(k).starts_with(&argument)),
        _ => return None,
    })
}

/// (key, value) to key.
pub(super) fn selector(function: &str) -> Option<Value2> {
    let (name, argument) = split(function);
    let on_value = |cut: fn(&str) -> Option<String>| -> Value2 {
        Box::new(move |_, v| cut(text(&v?)).and_then(of))
    };
    Some(match name {
        "key" => Box::new(|k, _| k.cloned()),
        "value" => Box::new(|_, v| v),
        "null" => Box::new(|_, _| None),
        "const" => Box::new(move |_, _| of(argument.clone())),
        "first_char" => on_value(|v| v.chars().next().map(String::from)),
        "last_char" => on_value(|v| v.chars().next_back().map(String::from)),
        "before_colon" => on_value(|v| Some(v.split_once(':')?.0.to_owned())),
        "after_colon" => on_value(|v| Some(v.split_once(':')?.1.to_owned())),
        "key_upper" => Box::new(|k, _| of(text(k?).to_ascii_uppercase())),
        "window_key" => Box::new(|k, _| windowed(k).key.clone()),
        "window_label" => Box::new(|k, _| of(label(k))),
        "key_first_char" => Box::new(|k, _| text(k?).chars().next().and_then(of)),
        _ => return None,
    })
}

pub(super) fn map(function: &str) -> Option<Map> {
    let (name, argument) = split(function);
    Some(match name {
        "swap" => Box::new(|k, v| (v, k)),
        "select" => {
            let select = selector(&argument)?;
            Box::new(move |k, v| (select(k.as_ref(), v.clone()), v))
        }
        "value" => {
            let map = value(&argument)?;
            Box::new(move |k, v| (k, map(v)))
        }
        _ => return None,
    })
}

fn words(value: Option<Datum>) -> Vec<Datum> {
    let words = |value: Datum| {
        let words = text(&value).split(' ').filter(|word| !word.is_empty());
        words.map(|word| Datum::Text(word.to_owned())).collect()
    };
    value.map_or_else(Vec::new, words)
}

pub(super) fn flat_map(function: &str) -> Option<FlatMap> {
    Some(match split(function).0 {
        "words" => Box::new(|k, v| {
            let pair = |word| (Some(word), k.clone());
            words(v).into_iter().map(pair).collect()
        }),
        "duplicate" => Box::new(|k, v| vec![(k.clone(), v.clone()), (k, v)]),
        "none" => Box::new(|_, _| Vec::new()),
        _ => return None,
    })
}

pub(super) fn flat_map_values(function: &str) -> Option<FlatMapValues> {
    let (name, argument) = split(function);
    Some(match name {
        "split_words" => Box::new(|v| words(v).into_iter().map(Some).collect()),
        "split_chars" => Box::new(|v| {
            let chars = |v: &Datum| text(v).chars().map(of).collect();
            v.as_ref().map_or_else(Vec::new, chars)
        }),
        "repeat" => {
            let times: usize = argument.parse().ok()?;
            Box::new(move |v| vec![v; times])
        }
        "none" => Box::new(|_| Vec::new()),
        _ => return None,
    })
}

pub(super) fn init(name: &str) -> Option<Option<Datum>> {
    Some(match name {
        "empty" => of(""),
        "zero" => Some(Datum::Long(0)),
        "null" => None,
        _ => return None,
    })
}

/// (old, new) to new.
pub(super) fn reducer(function: &str) -> Option<Reducer> {
    let (name, argument) = split(function);
    Some(match name {
        "concat" => Box::new(|old, new| of(format!("{old}{new}"))),
        "join" => Box::new(move |old, new| of(format!("{old}{argument}{new}"))),
        "sum" => Box::new(|old, new| Some(Datum::Long(long(&old).wrapping_add(long(&new))))),
        "diff" => Box::new(|old, new| Some(Datum::Long(long(&old).wrapping_sub(long(&new))))),
        "max" => Box::new(|old, new| Some(Datum::Long(long(&old).max(long(&new))))),
        "min" => Box::new(|old, new| Some(Datum::Long(long(&old).min(long(&new))))),
        "first" => Box::new(|old, _| Some(old)),
        "last" => Box::new(|_, new| Some(new)),
        "cancel" => Box::new(|old, new| (old != new).then_some(new)),
        _ => return None,
    })
}

/// (key, left, right) to what they make.
pub(super) fn joiner(function: &str) -> Option<Joiner> {
    fn pair(left: Option<Datum>, right: Option<Datum>) -> String {
        format!("({},{})", shown(left.as_ref()), shown(right.as_ref()))
    }
    let (name, argument) = split(function);
    let number = |value: Option<Datum>| value.map_or(0, |value| long(&value));
    Some(match name {
        "pair" => Box::new(|_, left, right| of(pair(left, right))),
        "pair_key" => Box::new(|k, left, right| of(format!("{}:{}", label(k), pair(left, right)))),
        "left" => Box::new(|_, left, _| left),
        "right" => Box::new(|_, _, right| right),
        "sum" => Box::new(move |_, left, right| {
            Some(Datum::Long(number(left).wrapping_add(number(right))))
        }),
        "null_if" => Box::new(move |_, left, right| {
            let differs = shown(right.as_ref()) != argument;
            differs.then(|| Datum::Text(pair(left, right)))
        }),
        _ => return None,
    })
}

/// (key, value, aggregate) to aggregate.
pub(super) fn aggregator(function: &str) -> Option<Aggregator> {
    let (name, argument) = split(function);
    let before = |aggregate: Option<Datum>| aggregate.map_or_else(String::new, |a| a.to_string());
    let number = |aggregate: Option<Datum>| aggregate.map_or(0, |a| long(&a));
    Some(match name {
        "concat" => Box::new(move |_, v, a| of(format!("{}{v}", before(a)))),
        "join" => Box::new(move |_, v, a| match before(a) {
            first if first.is_empty() => of(v.to_string()),
            before => of(format!("{before}{argument}{v}")),
        }),
        "plus" => Box::new(move |_, v, a| of(format!("{}+{v}", before(a)))),
        "minus" => Box::new(move |_, v, a| of(format!("{}-{v}", before(a)))),
        "with_key" => Box::new(move |k, v, a| of(format!("{}[{}:{v}]", before(a), shown(k)))),
        "clear_on" => Box::new(move |_, v, a| {
            let cleared = v.to_string() == argument;
            (!cleared).then(|| Datum::Text(format!("{}{v}", before(a))))
        }),
        "sum" => Box::new(move |_, v, a| Some(Datum::Long(number(a).wrapping_add(long(&v))))),
        "diff" => Box::new(move |_, v, a| Some(Datum::Long(number(a).wrapping_sub(long(&v))))),
        "max" => Box::new(|_, v, a| match a {
            None => Some(v),
            Some(a) => Some(Datum::Long(long(&a).max(long(&v)))),
        }),
        "count_chars" => {
            Box::new(move |_, v, a| Some(Datum::Long(number(a) + utf16_length(text(&v)) as i64)))
        }
        "last" => Box::new(|_, v, _| Some(v)),
        _ => return None,
    })
}
