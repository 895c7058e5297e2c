//! The macros in which messages are declared: once, for both directions and every version.

/// Structs of one message. `[3..]` is the range of versions that carry a field; `= value` its default elsewhere;
/// `; ignorable` that it may be left out silently where a version cannot carry it. A field without that is
/// refused when it is set and cannot be sent.
macro_rules! structs {
    ($(
        $(#[$doc:meta])*
        $name:ident {
            $( $(#[$fdoc:meta])* $field:ident : $type:ty [$range:expr] $(= $default:expr)? $(; $ignorable:ident)?, )*
        }
        $( @tagged { $( $(#[$tdoc:meta])* $tag:literal => $tfield:ident : $ttype:ty [$trange:expr] $(= $tdefault:expr)?, )* } )?
    )*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq)]
        pub struct $name {
            $( $(#[$fdoc])*
            #[doc = concat!("In versions `", stringify!($range), "`.")]
            pub $field: $type, )*
            $($( $(#[$tdoc])*
            #[doc = concat!("Tagged field ", stringify!($tag), " in versions `", stringify!($trange), "`.")]
            pub $tfield: $ttype, )*)?
        }

        impl Default for $name {
            fn default() -> Self {
                Self {
                    $( $field: $crate::declare::default_of!($($default)?), )*
                    $($( $tfield: $crate::declare::default_of!($($tdefault)?), )*)?
                }
            }
        }

        impl $crate::wire::Wire for $name {
            #[allow(unused_mut, unused_variables)]
            fn read_from(
                bytes: &mut $crate::wire::Reader,
                version: $crate::wire::Version,
            ) -> Result<Self, $crate::wire::WireError> {
                let mut this = Self::default();
                $( if ($range).contains(&version.number) {
                    this.$field = $crate::wire::Wire::read_from(bytes, version)?;
                } )*
                if version.flexible {
                    $crate::wire::read_tagged(bytes, |tag, field| {
                        match tag {
                            $($( $tag if ($trange).contains(&version.number) => {
                                this.$tfield = $crate::wire::Wire::read_from(field, version)?;
                                Ok(true)
                            } )*)?
                            _ => Ok(false),
                        }
                    })?;
                }
                Ok(this)
            }

            #[allow(unused_mut, unused_variables)]
            fn write(
                &self,
                out: &mut bytes::BytesMut,
                version: $crate::wire::Version,
            ) -> Result<(), $crate::wire::WireError> {
                $( if ($range).contains(&version.number) {
                    $crate::wire::Wire::write(&self.$field, out, version)?;
                } else if !$crate::declare::is_ignorable!($($ignorable)?)
                    && self.$field != Self::default().$field
                {
                    return Err($crate::wire::WireError::NotInVersion {
                        field: concat!(stringify!($name), ".", stringify!($field)),
                        version: version.number,
                    });
                } )*
                if version.flexible {
                    let mut tagged: Vec<(u32, bytes::BytesMut)> = Vec::new();
                    $($( if ($trange).contains(&version.number)
                        && self.$tfield != Self::default().$tfield
                    {
                        let mut field = bytes::BytesMut::new();
                        $crate::wire::Wire::write(&self.$tfield, &mut field, version)?;
                        tagged.push(($tag, field));
                    } )*)?
                    $crate::wire::write_tagged(out, &tagged);
                }
                Ok(())
            }
        }

        #[cfg(test)]
        impl $crate::sample::Sample for $name {
            #[allow(unused_variables)]
            fn sample(seed: &mut $crate::sample::Seed, version: $crate::wire::Version) -> Self {
                let mut this = Self::default();
                $( if ($range).contains(&version.number) {
                    this.$field = $crate::sample::Sample::sample(seed, version);
                } )*
                if version.flexible {
                    $($( if ($trange).contains(&version.number) {
                        this.$tfield = $crate::sample::Sample::sample(seed, version);
                    } )*)?
                }
                this
            }
        }
    )*};
}

macro_rules! default_of {
    () => {
        Default::default()
    };
    ($value:expr) => {
        $value
    };
}

macro_rules! is_ignorable {
    () => {
        false
    };
    (ignorable) => {
        true
    };
}

/// Ties a request and its response to the number, versions and first flexible version of their API.
macro_rules! api {
    ($(#[$doc:meta])* $name:ident: $request:ident => $response:ident, versions $versions:expr, flexible $flexible:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy)]
        pub struct $name;

        impl $crate::Api for $name {
            type Request = $request;
            type Response = $response;
            const KEY: $crate::ApiKey = $crate::ApiKey::$name;
            const VERSIONS: std::ops::RangeInclusive<i16> = $versions;
            const FLEXIBLE: i16 = $flexible;
        }
    };
}

pub(crate) use {api, default_of, is_ignorable, structs};
