//! The agent as a process, in a pod without Kubernetes.

mod apache_kafka;
mod pod;
mod process;
