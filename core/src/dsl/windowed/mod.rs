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
mod windows;

#[cfg(test)]
mod tests;

pub use self::session_stream::SessionWindowedKStream;
pub use self::time_stream::TimeWindowedKStream;
pub use self::windows::{
    EmitStrategy, SessionWindows, SlidingWindows, TimeWindows, UnlimitedWindows,
};

use super::grouped::KGroupedStream;

/// Windows that records can be grouped by: [`TimeWindows`], [`SlidingWindows`],
/// [`UnlimitedWindows`] and [`SessionWindows`].
pub trait GroupWindows: Sized {
    /// What grouping a stream by them gives.
    type Windowed<K, V>;

    /// `grouped` in these windows.
    #[doc(hidden)]
    fn group<K, V>(self, grouped: KGroupedStream<K, V>) -> Self::Windowed<K, V>;
}

macro_rules! group_windows {
    ($windows:ty => $windowed:ident, $into:expr) => {
        impl GroupWindows for $windows {
            type Windowed<K, V> = $windowed<K, V>;

            fn group<K, V>(self, grouped: KGroupedStream<K, V>) -> $windowed<K, V> {
                $windowed::new(grouped, $into(self))
            }
        }
    };
}

group_windows!(TimeWindows => TimeWindowedKStream, windows::TimeWindowing::from);
group_windows!(UnlimitedWindows => TimeWindowedKStream, windows::TimeWindowing::from);
group_windows!(SlidingWindows => TimeWindowedKStream, windows::TimeWindowing::from);
group_windows!(SessionWindows => SessionWindowedKStream, std::convert::identity);
