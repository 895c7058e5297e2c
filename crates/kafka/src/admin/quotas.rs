//! What clients may use: DescribeClientQuotas, AlterClientQuotas (KIP-546).

use std::collections::BTreeMap;

use klamm_kafka_proto::messages::alter_client_quotas::{
    AlterClientQuotas, AlterClientQuotasRequest, EntityData, EntryAlteration, OpData,
};
use klamm_kafka_proto::messages::describe_client_quotas::{
    ComponentData, DescribeClientQuotas, DescribeClientQuotasRequest,
};
use klamm_kafka_proto::{Float64, Str};

use super::{Admin, Outcomes, To, complete, moved_among, said, text};
use crate::KafkaError;

/// What a quota may be for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum QuotaEntityType {
    /// A user.
    User,
    /// A client id.
    ClientId,
    /// An address.
    Ip,
}

impl QuotaEntityType {
    /// As the protocol writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::ClientId => "client-id",
            Self::Ip => "ip",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        [Self::User, Self::ClientId, Self::Ip].into_iter().find(|kind| kind.name() == name)
    }
}

/// Whose quota: names by their kind, `None` for the default of all.
pub type QuotaEntity = BTreeMap<QuotaEntityType, Option<String>>;

/// Which names a filter finds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QuotaMatch {
    /// This.
    Exact(String),
    /// The default of all.
    Default,
    /// Any that is named.
    Any,
}

/// Which entities.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QuotaFilter {
    /// What their names must be.
    pub components: BTreeMap<QuotaEntityType, QuotaMatch>,
    /// Leave out entities of further kinds.
    pub strict: bool,
}

/// Changes of an entity's quotas.
#[derive(Debug, Clone, PartialEq)]
pub struct QuotaAlteration {
    /// Whose.
    pub entity: QuotaEntity,
    /// Values by name (`producer_byte_rate`, ...); `None` takes one away.
    pub quotas: BTreeMap<String, Option<f64>>,
}

impl Admin {
    /// Quotas of the entities that a filter finds; an empty one finds all.
    ///
    /// # Errors
    /// Of the connection or the broker.
    pub async fn describe_client_quotas(
        &mut self,
        filter: &QuotaFilter,
    ) -> Result<BTreeMap<QuotaEntity, BTreeMap<String, f64>>, KafkaError> {
        let request = DescribeClientQuotasRequest {
            components: filter.components.iter().map(component).collect(),
            strict: filter.strict,
        };
        let response =
            self.call::<DescribeClientQuotas>(To::Any, &request, |r| r.error_code).await?;
        said(response.error_code, response.error_message.as_ref(), || "client quotas".into())?;
        let mut found = BTreeMap::new();
        for entry in response.entries.iter().flatten() {
            let names = entry.entity.iter().map(|e| (&e.entity_type, e.entity_name.as_ref()));
            let Some(entity) = entity(names) else { continue };
            let values = entry.values.iter().map(|value| (text(&value.key), value.value.0));
            found.insert(entity, values.collect());
        }
        Ok(found)
    }

    /// Changes quotas of many entities at once, or only checks that they could be changed.
    ///
    /// # Errors
    /// Of the connection. What is wrong with an entity stands in its outcome.
    pub async fn alter_client_quotas(
        &mut self,
        alterations: &[QuotaAlteration],
        validate_only: bool,
    ) -> Result<Outcomes<QuotaEntity, ()>, KafkaError> {
        let entries = alterations.iter().map(alteration).collect();
        let request = AlterClientQuotasRequest { entries, validate_only };
        let response = self
            .call::<AlterClientQuotas>(To::Controller, &request, |response| {
                moved_among(response.entries.iter().map(|entry| entry.error_code))
            })
            .await?;
        let mut outcomes = Outcomes::new();
        for entry in &response.entries {
            let names = entry.entity.iter().map(|e| (&e.entity_type, e.entity_name.as_ref()));
            let Some(entity) = entity(names) else { continue };
            let what = || format!("quotas of {entity:?}");
            let outcome = said(entry.error_code, entry.error_message.as_ref(), what);
            outcomes.insert(entity, outcome);
        }
        complete(&mut outcomes, alterations.iter().map(|alteration| alteration.entity.clone()));
        Ok(outcomes)
    }
}

fn component((kind, matches): (&QuotaEntityType, &QuotaMatch)) -> ComponentData {
    let (match_type, name) = match matches {
        QuotaMatch::Exact(name) => (0, Some(name.as_str().into())),
        QuotaMatch::Default => (1, None),
        QuotaMatch::Any => (2, None),
    };
    ComponentData { entity_type: kind.name().into(), match_type, r#match: name }
}

/// `None` when one of the kinds is not known here.
fn entity<'a>(names: impl Iterator<Item = (&'a Str, Option<&'a Str>)>) -> Option<QuotaEntity> {
    names.map(|(kind, name)| Some((QuotaEntityType::from_name(kind)?, name.map(text)))).collect()
}

fn alteration(alteration: &QuotaAlteration) -> EntryAlteration {
    let entity = |(kind, name): (&QuotaEntityType, &Option<String>)| EntityData {
        entity_type: kind.name().into(),
        entity_name: name.as_deref().map(Str::from),
    };
    let op = |(key, value): (&String, &Option<f64>)| OpData {
        key: key.as_str().into(),
        value: Float64(value.unwrap_or_default()),
        remove: value.is_none(),
    };
    EntryAlteration {
        entity: alteration.entity.iter().map(entity).collect(),
        ops: alteration.quotas.iter().map(op).collect(),
    }
}
