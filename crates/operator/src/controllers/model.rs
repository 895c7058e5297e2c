//! An API server in memory, for models: versions, generations, finalizers, and answers that do not come.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use kube::Resource;
use kube::core::object::{HasSpec, HasStatus};

use super::board::Board;
use super::claims::{Kind, Namespaces};
use super::objects::{Edit, Edited, Note, Objects};
use super::registry::{Claimant, Key};
use crate::random::Random;

#[derive(Debug)]
pub(crate) struct Store<R>(Mutex<Inner<R>>);

#[derive(Debug)]
pub(crate) struct Inner<R> {
    pub(crate) objects: BTreeMap<Key, R>,
    pub(crate) notes: Vec<(Key, Note)>,
    pub(crate) status_writes: usize,
    version: u64,
    random: Random,
    pub(crate) faults_percent: u64,
}

impl<R> Store<R>
where
    R: Claimant + Resource<DynamicType = ()> + Clone + HasSpec + HasStatus,
{
    pub(crate) fn new(seed: u64) -> Self {
        Self(Mutex::new(Inner {
            objects: BTreeMap::new(),
            notes: Vec::new(),
            status_writes: 0,
            version: 1,
            random: Random::new(seed),
            faults_percent: 0,
        }))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Inner<R>> {
        self.0.lock().unwrap()
    }

    /// A person makes a resource.
    pub(crate) fn make(&self, namespace: &str, mut resource: R, now: Timestamp) {
        let mut inner = self.lock();
        inner.version += 1;
        let version = inner.version;
        let metadata = resource.meta_mut();
        metadata.namespace = Some(namespace.to_owned());
        metadata.uid = Some(format!("uid-{version:06}"));
        metadata.creation_timestamp = Some(Time(now));
        metadata.generation = Some(1);
        metadata.resource_version = Some(version.to_string());
        inner.objects.entry(Key::of(&resource)).or_insert(resource);
    }

    /// A person edits the spec.
    pub(crate) fn change(&self, key: &Key, change: impl FnOnce(&mut R::Spec)) {
        let mut inner = self.lock();
        inner.version += 1;
        let version = inner.version;
        if let Some(resource) = inner.objects.get_mut(key) {
            change(resource.spec_mut());
            let metadata = resource.meta_mut();
            metadata.generation = metadata.generation.map(|generation| generation + 1);
            metadata.resource_version = Some(version.to_string());
        }
    }

    /// A person deletes it.
    pub(crate) fn delete(&self, key: &Key, now: Timestamp) {
        let mut inner = self.lock();
        inner.version += 1;
        let version = inner.version;
        let Some(resource) = inner.objects.get_mut(key) else { return };
        let metadata = resource.meta_mut();
        metadata.resource_version = Some(version.to_string());
        metadata.deletion_timestamp.get_or_insert(Time(now));
        inner.reap(key);
    }

    /// What a watch shows of it all.
    pub(crate) fn show(&self, board: &mut Board<R>) {
        let inner = self.lock();
        board.resources.handle_listing(&None);
        for resource in inner.objects.values() {
            let touched = board.resources.handle(resource);
            board.mark(touched);
        }
        board.handle_resources_listed(&None);
    }
}

/// A board whose watches have listed everything but the resources.
pub(crate) fn board<R: Claimant>(kind: Kind) -> Board<R> {
    let mut board = Board::new(kind, &BTreeSet::from([None]));
    board.handle_namespaces(Namespaces::new());
    board.handle_clusters_listed(&None);
    board
}

impl<R: Claimant> Inner<R> {
    fn reap(&mut self, key: &Key) {
        let is_over = self.objects.get(key).is_some_and(|resource| {
            resource.meta().deletion_timestamp.is_some() && resource.finalizers().is_empty()
        });
        if is_over {
            self.objects.remove(key);
        }
    }

    fn fault(&mut self) -> Result<(), String> {
        let percent = self.faults_percent;
        if self.random.chance(percent) { Err("no answer".to_owned()) } else { Ok(()) }
    }
}

impl<R> Objects<R, R::Status> for Store<R>
where
    R: Claimant + Resource<DynamicType = ()> + Clone + HasSpec + HasStatus,
    R::Status: Clone + Sync,
{
    async fn edit(&self, resource: &R, edit: &Edit) -> Result<Edited<R>, String> {
        let mut inner = self.lock();
        inner.fault()?;
        let key = Key::of(resource);
        inner.version += 1;
        let version = inner.version;
        let Some(there) = inner.objects.get_mut(&key) else { return Ok(Edited::Gone) };
        if there.resource_version() != resource.resource_version() {
            return Ok(Edited::Stale);
        }
        let patch = edit.patch(resource.meta());
        if let Some(finalizers) = patch["metadata"].get("finalizers") {
            let finalizers = serde_json::from_value(finalizers.clone()).unwrap();
            there.meta_mut().finalizers = Some(finalizers);
        }
        for (name, value) in &edit.annotations {
            match value {
                Some(value) => there.annotations_mut().insert((*name).to_owned(), value.clone()),
                None => there.annotations_mut().remove(*name),
            };
        }
        there.meta_mut().resource_version = Some(version.to_string());
        let now = there.clone();
        inner.reap(&key);
        // The answer may get lost after the deed.
        inner.fault()?;
        Ok(Edited::Now(Box::new(now)))
    }

    async fn tell(&self, resource: &R, status: &R::Status) -> Result<Edited<R>, String> {
        let mut inner = self.lock();
        inner.fault()?;
        inner.version += 1;
        inner.status_writes += 1;
        let version = inner.version;
        let Some(there) = inner.objects.get_mut(&Key::of(resource)) else {
            return Ok(Edited::Gone);
        };
        if there.uid() != resource.uid() {
            return Ok(Edited::Stale);
        }
        *there.status_mut() = Some(status.clone());
        there.meta_mut().resource_version = Some(version.to_string());
        let now = there.clone();
        inner.fault()?;
        Ok(Edited::Now(Box::new(now)))
    }

    async fn note(&self, resource: &R, note: &Note) {
        self.lock().notes.push((Key::of(resource), note.clone()));
    }
}
