//! Reason codes (MQTT 5.0 section 2.4).

macro_rules! reasons {
    ($($number:literal $name:ident $text:literal;)*) => {
        /// How something ended. From 0x80 on it is a failure.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Reason {
            $(#[doc = $text] $name = $number,)*
        }

        impl Reason {
            /// From its number.
            pub fn from_number(number: u8) -> Option<Self> {
                match number {
                    $($number => Some(Self::$name),)*
                    _ => None,
                }
            }

            /// What it means.
            pub fn text(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

reasons! {
    0x00 Success "success";
    0x01 GrantedQoS1 "granted QoS 1";
    0x02 GrantedQoS2 "granted QoS 2";
    0x04 DisconnectWithWill "disconnect with will message";
    0x10 NoMatchingSubscribers "no matching subscribers";
    0x11 NoSubscriptionExisted "no subscription existed";
    0x18 ContinueAuthentication "continue authentication";
    0x19 ReAuthenticate "re-authenticate";
    0x80 UnspecifiedError "unspecified error";
    0x81 MalformedPacket "malformed packet";
    0x82 ProtocolError "protocol error";
    0x83 ImplementationSpecificError "implementation specific error";
    0x84 UnsupportedProtocolVersion "unsupported protocol version";
    0x85 ClientIdentifierNotValid "client identifier not valid";
    0x86 BadUserNameOrPassword "bad user name or password";
    0x87 NotAuthorized "not authorized";
    0x88 ServerUnavailable "server unavailable";
    0x89 ServerBusy "server busy";
    0x8a Banned "banned";
    0x8b ServerShuttingDown "server shutting down";
    0x8c BadAuthenticationMethod "bad authentication method";
    0x8d KeepAliveTimeout "keep alive timeout";
    0x8e SessionTakenOver "session taken over";
    0x8f TopicFilterInvalid "topic filter invalid";
    0x90 TopicNameInvalid "topic name invalid";
    0x91 PacketIdentifierInUse "packet identifier in use";
    0x92 PacketIdentifierNotFound "packet identifier not found";
    0x93 ReceiveMaximumExceeded "receive maximum exceeded";
    0x94 TopicAliasInvalid "topic alias invalid";
    0x95 PacketTooLarge "packet too large";
    0x96 MessageRateTooHigh "message rate too high";
    0x97 QuotaExceeded "quota exceeded";
    0x98 AdministrativeAction "administrative action";
    0x99 PayloadFormatInvalid "payload format invalid";
    0x9a RetainNotSupported "retain not supported";
    0x9b QoSNotSupported "QoS not supported";
    0x9c UseAnotherServer "use another server";
    0x9d ServerMoved "server moved";
    0x9e SharedSubscriptionsNotSupported "shared subscriptions not supported";
    0x9f ConnectionRateExceeded "connection rate exceeded";
    0xa0 MaximumConnectTime "maximum connect time";
    0xa1 SubscriptionIdentifiersNotSupported "subscription identifiers not supported";
    0xa2 WildcardSubscriptionsNotSupported "wildcard subscriptions not supported";
}

impl Reason {
    /// 0x80 or above.
    pub fn is_failure(self) -> bool {
        self as u8 >= 0x80
    }

    /// The return code of a 3.1.1 CONNACK that comes nearest (MQTT 3.1.1 table 3.1).
    pub fn connect_return_code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::UnsupportedProtocolVersion => 1,
            Self::ClientIdentifierNotValid => 2,
            Self::BadUserNameOrPassword | Self::BadAuthenticationMethod => 4,
            Self::NotAuthorized | Self::Banned => 5,
            _ => 3,
        }
    }
}
