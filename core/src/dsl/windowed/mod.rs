//! Aggregations over windows.

mod emit;
mod session;
mod session_stream;
mod sliding;
mod store;
mod table;
mod time;
mod time_stream;
mod view;
mod windowing;
mod windows;

#[cfg(test)]
mod tests;

pub use self::session_stream::SessionWindowedKStream;
pub use self::time_stream::TimeWindowedKStream;
pub use self::windows::{
    EmitStrategy, SessionWindows, SlidingWindows, TimeWindows, UnlimitedWindows,
};

pub(super) use self::session_stream::session_node;
pub(super) use self::table::Aggregation;
pub(super) use self::time_stream::time_node;
pub(super) use self::windowing::Windowing;
pub(super) use self::windows::TimeWindowing;

use super::cogroup::{
    CogroupedKStream, SessionWindowedCogroupedKStream, TimeWindowedCogroupedKStream,
};
use super::grouped::KGroupedStream;

/// Windows that records can be grouped by: [`TimeWindows`], [`SlidingWindows`],
/// [`UnlimitedWindows`] and [`SessionWindows`].
pub trait GroupWindows: Sized {
    /// What grouping a stream by them gives.
    type Windowed<K, V>;

    /// What grouping cogrouped streams by them gives.
    type Cogrouped<K: Clone + 'static, A: Clone + 'static>;

    /// `grouped` in these windows.
    #[doc(hidden)]
    fn group<K, V>(self, grouped: KGroupedStream<K, V>) -> Self::Windowed<K, V>;

    /// `cogrouped` in these windows.
    #[doc(hidden)]
    fn cogroup<K: Clone + 'static, A: Clone + 'static>(
        self,
        cogrouped: CogroupedKStream<K, A>,
    ) -> Self::Cogrouped<K, A>;
}

macro_rules! group_windows {
    ($windows:ty => $windowed:ident, $cogrouped:ident, $into:expr) => {
        impl GroupWindows for $windows {
            type Windowed<K, V> = $windowed<K, V>;
            type Cogrouped<K: Clone + 'static, A: Clone + 'static> = $cogrouped<K, A>;

            fn group<K, V>(self, grouped: KGroupedStream<K, V>) -> $windowed<K, V> {
                $windowed::new(grouped, $into(self))
            }

            fn cogroup<K: Clone + 'static, A: Clone + 'static>(
                self,
                cogrouped: CogroupedKStream<K, A>,
            ) -> $cogrouped<K, A> {
                $cogrouped::new(cogrouped, $into(self))
            }
        }
    };
}

macro_rules! group_time_windows {
    ($($windows:ty),*) => {
        $(group_windows!(
            $windows => TimeWindowedKStream, TimeWindowedCogroupedKStream, TimeWindowing::from
        );)*
    };
}

group_time_windows!(TimeWindows, UnlimitedWindows, SlidingWindows);
group_windows!(
    SessionWindows => SessionWindowedKStream, SessionWindowedCogroupedKStream, std::convert::identity
);
