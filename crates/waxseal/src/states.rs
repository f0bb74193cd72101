//! An app's shared values, by their type.

use std::any::{Any, TypeId, type_name};
use std::collections::HashMap;

use crate::error::{Error, Result};

/// An app's shared values, one of each type.
#[derive(Default)]
pub(crate) struct States(HashMap<TypeId, Box<dyn Any + Send + Sync>>);

impl States {
    /// Adds a value. It replaces the present one of its type.
    pub(crate) fn set<T: Send + Sync + 'static>(&mut self, value: T) {
        self.0.insert(TypeId::of::<T>(), Box::new(value));
    }

    /// The value of this type.
    ///
    /// # Errors
    ///
    /// 500 if there is no such value. The message names the type.
    #[track_caller]
    pub(crate) fn get<T: Send + Sync + 'static>(&self) -> Result<&T> {
        let found = self.0.get(&TypeId::of::<T>()).and_then(|value| value.downcast_ref());
        let name = type_name::<T>();
        let missing =
            || Error::status(500).message(format!("the app has no state `{name}`; add it by App::state"));
        found.ok_or_else(missing)
    }
}
