//! One look at users of one cluster: Secrets first, then Kafka, then what is told.

use std::sync::Arc;
use std::time::Duration;

use futures::stream::{self, StreamExt};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use klamm_crd::{Authentication, KafkaCluster, KafkaUser, KafkaUserStatus};
use kube::ResourceExt;

use super::admin::UserAdmin;
use super::deliver::{Delivery, Ingredients, deliver};
use super::secrets::{Secrets, Stored};
use super::settle::{CredentialTarget, Settled, Target, settle};
use super::status::{Account, Outcome, status};
use super::validate::{Leaving, Verdict, Wanted, validate};
use crate::ca::{Certificate, Lifetime, Signer, SystemKeys, data_key, users_signer};
use crate::controllers::board::Batch;
use crate::controllers::objects::{Edit, Edited, Note, Objects};
use crate::controllers::outcome::{
    AT_ONCE, CONFLICT_AGAIN, ERROR_AGAIN, RELEASE_AFTER, edited, failed, refused,
};
use crate::controllers::registry::Key;
use crate::controllers::status::Told;
use crate::controllers::work::Again;
use crate::scram::Random;

/// A demand for a new certificate: any new value of this annotation.
pub(crate) const RENEW: &str = "klamm.dev/renew";

/// Kafka, when it is needed.
pub(crate) trait Connect: Sync {
    /// What it is asked through.
    type Admin: UserAdmin;
    /// The error says why there is none.
    fn connect(&self) -> impl Future<Output = Result<Self::Admin, String>> + Send;
}

/// What is kept of a cluster between two looks. Losing it has deletions wait anew.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    unreachable_since: Option<Timestamp>,
}

pub(crate) struct Look<'a, C, O, S> {
    pub(crate) kafka: &'a C,
    pub(crate) objects: &'a O,
    pub(crate) secrets: &'a S,
    pub(crate) random: fn(&mut [u8]) -> Result<(), String>,
    pub(crate) now: Timestamp,
}

/// A user that should be.
struct Being {
    key: Key,
    user: Arc<KafkaUser>,
    wanted: Box<Wanted>,
}

/// One whose Secret is written.
struct Served {
    being: Being,
    delivery: Delivery,
    stored: Stored,
}

/// A user that goes.
struct Going {
    key: Key,
    user: Arc<KafkaUser>,
    leaving: Leaving,
}

/// What users of a cluster have in common.
#[derive(Default)]
struct Common {
    signer: Option<Signer>,
    trusted: Vec<Certificate>,
    lifetime: Option<Lifetime>,
}

/// Whom to tell what.
type Say = Vec<(Key, Arc<KafkaUser>, Outcome)>;

impl<C, O, S> Look<'_, C, O, S>
where
    C: Connect,
    O: Objects<KafkaUser, KafkaUserStatus>,
    S: Secrets,
{
    pub(crate) async fn round(&self, batch: Batch<KafkaUser>, memory: &mut Memory) -> Again {
        let mut again = Again::new();
        let (mut going, mut being, mut released, mut told) = (vec![], vec![], vec![], vec![]);
        for item in batch.items {
            let verdict = validate(&item, batch.cluster.as_deref());
            let (key, user) = (item.key, item.resource);
            match verdict {
                Verdict::Wanted(wanted) => being.push(Being { key, user, wanted }),
                Verdict::Delete(leaving) => going.push(Going { key, user, leaving }),
                Verdict::Refused(why) => told.push((key, user, Outcome::NotReady(why))),
                Verdict::Release(left) => released.push((key, user, left)),
                Verdict::Nothing => {}
            }
        }
        let served = self.serve(being, batch.cluster.as_deref(), &mut told, &mut again).await;
        let targets = targets(&served, &going);
        let asked = self.ask(&targets, memory).await;
        for one in going {
            match asked.as_ref().map(|settled| settled.get(&one.leaving.name)) {
                Ok(Some(Ok(_)) | None) => released.push((one.key, one.user, None)),
                Ok(Some(Err(error))) => {
                    let why = error.to_string();
                    self.give_up(one, Timestamp::MIN, &why, &mut released, &mut again);
                }
                Err(why) => {
                    let since = memory.unreachable_since.unwrap_or(self.now);
                    self.give_up(one, since, why, &mut released, &mut again);
                }
            }
        }
        again.extend(self.finish(served, &asked, &mut told).await);
        again.extend(self.release(released).await);
        again.extend(self.tell(told).await);
        again
    }

    /// Finalizers and Secrets, before Kafka is touched: a password that Kafka has and nobody knows is of no use.
    async fn serve(
        &self,
        being: Vec<Being>,
        cluster: Option<&KafkaCluster>,
        told: &mut Say,
        again: &mut Again,
    ) -> Vec<Served> {
        let Some(cluster) = cluster.filter(|_| !being.is_empty()) else { return Vec::new() };
        let needs_signer = being.iter().any(|one| one.wanted.authentication == Authentication::Tls);
        let common = match self.common(cluster, needs_signer).await {
            Ok(common) => common,
            Err(error) => {
                again.extend(being.into_iter().map(|one| failed(one.key, &error)));
                return Vec::new();
            }
        };
        let common = &common;
        let serving = being.into_iter().map(|one| self.serve_one(one, common));
        let all: Vec<_> = stream::iter(serving).buffer_unordered(AT_ONCE).collect().await;
        let mut served = Vec::new();
        for one in all {
            match one {
                Ok(one) => served.push(*one),
                Err(Unserved::Told(key, user, why)) => {
                    // What is missing may be on its way.
                    again.push((key.clone(), MISSING_AGAIN));
                    told.push((key, user, Outcome::NotReady(why)));
                }
                Err(Unserved::Again(later)) => again.extend(later),
            }
        }
        served
    }

    async fn common(&self, cluster: &KafkaCluster, needs_signer: bool) -> Result<Common, String> {
        let of = |suffix: &str| Key {
            namespace: cluster.namespace().unwrap_or_default(),
            name: format!("{}-{suffix}", cluster.name_any()),
        };
        let mut common = Common::default();
        if let Some(trust) = self.secrets.read(&of("trust")).await? {
            let pem = trust.secret.data.get(data_key::CA_CRT).cloned().unwrap_or_default();
            common.trusted = Certificate::all_from_pem(&pem, data_key::CA_CRT).unwrap_or_default();
        }
        if needs_signer {
            let now_s = u64::try_from(self.now.as_second()).unwrap_or_default();
            let authority = self.secrets.read(&of("clients-ca")).await?;
            common.signer = authority.and_then(|stored| users_signer(&stored.secret, now_s));
        }
        let policy = cluster.spec.certificates.user.as_ref();
        common.lifetime = policy.and_then(|policy| {
            let days = |days: u32| u64::from(days) * 24 * 60 * 60;
            Lifetime::new(days(policy.validity_days), days(policy.renew_before_days)).ok()
        });
        Ok(common)
    }

    async fn serve_one(&self, one: Being, common: &Common) -> Result<Box<Served>, Unserved> {
        let mut one = one;
        let key = one.key.clone();
        let error = |error: String| Unserved::Again(Some(failed(key.clone(), &error)));
        let place = one.wanted.secret.clone();
        let there = self.secrets.read(&place).await.map_err(error)?;
        if there.as_ref().is_some_and(|there| there.owner != one.user.uid()) {
            let message = format!(
                "Secret {} belongs to somebody else and was not touched: give another spec.secretName",
                place.name
            );
            return Err(Unserved::Told(one.key, one.user, Told::no("SecretTaken", message)));
        }
        let password = self.password(&one.wanted).await.map_err(error)?;
        let asked = one.user.annotations().get(RENEW).cloned().unwrap_or_default();
        let ingredients = Ingredients {
            wanted: &one.wanted,
            there: there.as_ref().map(|there| &there.secret),
            password: password.as_deref(),
            signer: common.signer.as_ref(),
            trusted: &common.trusted,
            lifetime: common.lifetime.unwrap_or(Lifetime::YEAR),
            asked: &asked,
            now_s: u64::try_from(self.now.as_second()).unwrap_or_default(),
        };
        let mut random = self.random;
        let random: Random<'_> = &mut random;
        let delivery = match deliver(&ingredients, &mut SystemKeys, random) {
            Ok(delivery) => delivery,
            Err(told) => return Err(Unserved::Told(one.key, one.user, told)),
        };
        if let Some(edit) = one.wanted.before(&one.user).needed(&one.user.metadata) {
            match self.objects.edit(&one.user, &edit).await.map_err(error)? {
                Edited::Now(user) => one.user = Arc::new(*user),
                Edited::Stale => return Err(Unserved::Again(Some((one.key, CONFLICT_AGAIN)))),
                Edited::Gone => return Err(Unserved::Again(None)),
            }
        }
        let stored = match there {
            Some(there) if there.secret == delivery.secret => there,
            there => {
                let writing =
                    self.secrets.write(&one.user, &place, &delivery.secret, there.as_ref());
                let conflict = Unserved::Again(Some((one.key.clone(), CONFLICT_AGAIN)));
                writing.await.map_err(error)?.ok_or(conflict)?
            }
        };
        Ok(Box::new(Served { being: one, delivery, stored }))
    }

    async fn password(&self, wanted: &Wanted) -> Result<Option<Vec<u8>>, String> {
        let Some(reference) = &wanted.password else { return Ok(None) };
        let namespace = wanted.secret.namespace.clone();
        let key = Key { namespace, name: reference.name.clone() };
        let stored = self.secrets.read(&key).await?;
        Ok(stored.and_then(|stored| stored.secret.data.get(&reference.key).cloned()))
    }

    /// # Errors
    /// Why Kafka cannot be asked.
    async fn ask(&self, targets: &[Target], memory: &mut Memory) -> Result<Settled, String> {
        if targets.is_empty() {
            return Ok(Settled::new());
        }
        let asking = async {
            let mut admin = self.kafka.connect().await?;
            settle(&mut admin, targets).await.map_err(|error| error.to_string())
        };
        let asked = asking.await;
        match &asked {
            Ok(_) => memory.unreachable_since = None,
            Err(why) => {
                if memory.unreachable_since.is_none() {
                    tracing::warn!(why, "users cannot be administered for now");
                }
                memory.unreachable_since.get_or_insert(self.now);
            }
        }
        asked
    }

    /// Kafka did not do it: again, or after long enough the resource goes and the user stays.
    fn give_up(
        &self,
        one: Going,
        since: Timestamp,
        why: &str,
        released: &mut Vec<(Key, Arc<KafkaUser>, Option<String>)>,
        again: &mut Again,
    ) {
        let marked = one.user.metadata.deletion_timestamp.as_ref().map_or(self.now, |time| time.0);
        if self.now.duration_since(marked.max(since)) < RELEASE_AFTER {
            again.push((one.key, ERROR_AGAIN));
            return;
        }
        let name = &one.leaving.name;
        let left = format!("user '{name}' could not be deleted and is left in Kafka: {why}");
        released.push((one.key, one.user, Some(left)));
    }

    /// What Kafka has is remembered in the Secret, and a Secret of an earlier name goes.
    async fn finish(
        &self,
        served: Vec<Served>,
        asked: &Result<Settled, String>,
        told: &mut Say,
    ) -> Again {
        let finishing = served.into_iter().map(|one| self.finish_one(one, asked));
        let all: Vec<_> = stream::iter(finishing).buffer_unordered(AT_ONCE).collect().await;
        let mut again = Again::new();
        for (say, later) in all {
            told.extend(say);
            again.extend(later);
        }
        again
    }

    async fn finish_one(
        &self,
        one: Served,
        asked: &Result<Settled, String>,
    ) -> (Option<(Key, Arc<KafkaUser>, Outcome)>, Option<(Key, Duration)>) {
        let Served { being: Being { key, user, wanted }, delivery, stored } = one;
        let settled = match asked {
            Ok(settled) => settled.get(&wanted.name),
            Err(why) => {
                let outcome = Outcome::Unreachable(why.clone());
                return (Some((key.clone(), user, outcome)), Some((key, ERROR_AGAIN)));
            }
        };
        if let Some(Err(error)) = settled {
            let later = error.is_retryable().then(|| (key.clone(), ERROR_AGAIN));
            return (Some((key, user, Outcome::NotReady(refused(error)))), later);
        }
        let delivered = delivery.delivered(&wanted.name);
        if delivered != stored.secret {
            let written = self.secrets.write(&user, &wanted.secret, &delivered, Some(&stored));
            match written.await {
                Ok(Some(_)) => {}
                Ok(None) => return (None, Some((key, CONFLICT_AGAIN))),
                Err(error) => return (None, Some(failed(key, &error))),
            }
        }
        if let Err(error) = self.clear(&user, &wanted).await {
            return (None, Some(failed(key, &error)));
        }
        if let Some(edit) = wanted.after().needed(&user.metadata) {
            let later = edited(key.clone(), self.objects.edit(&user, &edit).await);
            if later.is_some() {
                return (None, later);
            }
        }
        let account = Account {
            principal: wanted.principal.clone(),
            secret: wanted.secret.name.clone(),
            not_after: delivery.not_after,
        };
        (Some((key, user, Outcome::Ready(account))), None)
    }

    async fn clear(&self, user: &KafkaUser, wanted: &Wanted) -> Result<(), String> {
        let told = user.status.as_ref().and_then(|status| status.secret.clone());
        let Some(name) = told.filter(|name| *name != wanted.secret.name) else { return Ok(()) };
        let key = Key { name, namespace: wanted.secret.namespace.clone() };
        match self.secrets.read(&key).await? {
            Some(stored) if stored.owner == user.uid() => self.secrets.delete(&key, &stored).await,
            _ => Ok(()),
        }
    }

    async fn release(&self, released: Vec<(Key, Arc<KafkaUser>, Option<String>)>) -> Again {
        let release = async |(key, user, left): (Key, Arc<KafkaUser>, Option<String>)| {
            if let Some(text) = left {
                let note = Note { is_warning: true, reason: "LeftInKafka", text };
                self.objects.note(&user, &note).await;
            }
            let edit = Edit { finalizer: Some(false), ..Edit::default() };
            let edit = edit.needed(&user.metadata)?;
            edited(key, self.objects.edit(&user, &edit).await)
        };
        let again = stream::iter(released).map(release).buffer_unordered(AT_ONCE);
        again.filter_map(async |again| again).collect().await
    }

    async fn tell(&self, told: Say) -> Again {
        let tell = async |(key, user, outcome): (Key, Arc<KafkaUser>, Outcome)| {
            let new = status(&user, &outcome, &Time(self.now))?;
            edited(key, self.objects.tell(&user, &new).await)
        };
        let again = stream::iter(told).map(tell).buffer_unordered(AT_ONCE);
        again.filter_map(async |again| again).collect().await
    }
}

/// Why there is no Secret yet.
enum Unserved {
    Told(Key, Arc<KafkaUser>, Told),
    Again(Option<(Key, Duration)>),
}

/// An authority, a password, a place for a Secret: their coming is not always heard of.
const MISSING_AGAIN: Duration = Duration::from_secs(30);

fn targets(served: &[Served], going: &[Going]) -> Vec<Target> {
    let wanted = served.iter().map(|one| {
        let password = one.delivery.password.as_ref();
        let credential = password.map(|password| CredentialTarget::Present {
            password: password.reveal().to_owned(),
            is_delivered: one.delivery.is_delivered,
        });
        Target::with(&one.being.wanted, credential.unwrap_or(CredentialTarget::Leave))
    });
    wanted.chain(going.iter().map(|one| Target::without(&one.leaving))).collect()
}
