//! What nearly every channel does without lies apart, so that a node can hold a million of them: an idle channel has
//! no room for it. It is read and written as if it were there.

use super::{Channel, Durable, Rare, Volatile, Work};
use borsh::{BorshDeserialize, BorshSerialize};
use std::io::{self, Read, Write};
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

/// A part that is mostly as it began.
pub(super) trait Mostly: PartialEq + 'static {
    /// As it began.
    fn none() -> Self;
    /// The same, for those who only look.
    fn shared() -> &'static Self;
}

/// Takes room only where it differs from its beginning. Whether it has the room makes no difference to anyone else.
#[derive(Clone, Debug)]
pub(super) struct Lean<T>(Option<Box<T>>);

impl<T: Mostly> Lean<T> {
    pub(super) const fn new() -> Lean<T> {
        Lean(None)
    }

    /// Whether it is as it began, and takes no room.
    fn is_bare(&self) -> bool {
        self.0.is_none()
    }

    /// Gives the room back if it can.
    pub(super) fn tidy(&mut self, is_over: impl FnOnce(&T) -> bool) {
        if self.0.as_deref().is_some_and(is_over) {
            self.0 = None;
        }
    }
}

impl<T: Mostly> PartialEq for Lean<T> {
    fn eq(&self, other: &Lean<T>) -> bool {
        **self == **other
    }
}

impl<T: Mostly + Eq> Eq for Lean<T> {}

impl<T: Mostly + BorshSerialize> BorshSerialize for Lean<T> {
    fn serialize<W: Write>(&self, writer: &mut W) -> io::Result<()> {
        let part: &T = self;
        (part != T::shared()).then_some(part).serialize(writer)
    }
}

impl<T: BorshDeserialize> BorshDeserialize for Lean<T> {
    fn deserialize_reader<R: Read>(reader: &mut R) -> io::Result<Lean<T>> {
        Ok(Lean(Option::<T>::deserialize_reader(reader)?.map(Box::new)))
    }
}

impl<T: Mostly> Deref for Lean<T> {
    type Target = T;

    fn deref(&self) -> &T {
        match &self.0 {
            Some(part) => part,
            None => T::shared(),
        }
    }
}

impl<T: Mostly> DerefMut for Lean<T> {
    fn deref_mut(&mut self) -> &mut T {
        self.0.get_or_insert_with(|| Box::new(T::none()))
    }
}

impl Channel {
    /// Appends all that an idle channel is made of, for [`Channel::unpack`]; `false` when there is more to it than that keeps:
    /// work under way, or what few channels have.
    pub fn pack(&self, bytes: &mut Vec<u8>) -> bool {
        let Channel { durable, volatile } = self;
        durable.pending.is_empty()
            && durable.rare.is_bare()
            && volatile.work.is_bare()
            && borsh::to_writer(bytes, &(volatile.link, durable)).is_ok()
    }

    /// The channel that [`Channel::pack`] wrote; `None` when it wrote something else.
    pub fn unpack(bytes: &[u8]) -> Option<Channel> {
        let (link, durable) = borsh::from_slice(bytes).ok()?;
        Some(Channel { durable, volatile: Volatile { link, ..Volatile::new() } })
    }
}

/// Writes what several share as if it were each one's own.
pub(super) fn write_shared<T: BorshSerialize, W: Write>(shared: &Arc<T>, writer: &mut W) -> io::Result<()> {
    shared.as_ref().serialize(writer)
}

/// Reads it back, not shared yet.
pub(super) fn read_shared<T: BorshDeserialize, R: Read>(reader: &mut R) -> io::Result<Arc<T>> {
    T::deserialize_reader(reader).map(Arc::new)
}

impl Mostly for Rare {
    fn none() -> Rare {
        Rare::NONE
    }

    fn shared() -> &'static Rare {
        static NONE: Rare = Rare::NONE;
        &NONE
    }
}

impl Mostly for Work {
    fn none() -> Work {
        Work::NONE
    }

    fn shared() -> &'static Work {
        static NONE: Work = Work::NONE;
        &NONE
    }
}

impl Deref for Durable {
    type Target = Rare;

    fn deref(&self) -> &Rare {
        &self.rare
    }
}

impl DerefMut for Durable {
    fn deref_mut(&mut self) -> &mut Rare {
        &mut self.rare
    }
}

impl Deref for Volatile {
    type Target = Work;

    fn deref(&self) -> &Work {
        &self.work
    }
}

impl DerefMut for Volatile {
    fn deref_mut(&mut self) -> &mut Work {
        &mut self.work
    }
}
