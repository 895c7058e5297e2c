//! Who is there: DescribeCluster, UnregisterBroker.

use klamm_kafka_proto::ErrorCode;
use klamm_kafka_proto::messages::describe_cluster::{
    DescribeClusterBroker, DescribeClusterRequest, DescribeClusterResponse,
};
use klamm_kafka_proto::messages::unregister_broker::{
    UnregisterBrokerRequest, UnregisterBrokerResponse,
};

use super::{Here, Kafka};

pub fn describe(
    kafka: &Kafka,
    here: &Here,
    request: &DescribeClusterRequest,
) -> DescribeClusterResponse {
    let brokers = if here.by_controller { controllers(here) } else { brokers(kafka, here) };
    let shown =
        |broker: &DescribeClusterBroker| !broker.is_fenced || request.include_fenced_brokers;
    DescribeClusterResponse {
        endpoint_type: if here.by_controller { 2 } else { 1 },
        cluster_id: kafka.id.as_str().into(),
        controller_id: if here.by_controller { kafka.leader(here) } else { here.node },
        brokers: brokers.into_iter().filter(shown).collect(),
        ..DescribeClusterResponse::default()
    }
}

fn brokers(kafka: &Kafka, here: &Here) -> Vec<DescribeClusterBroker> {
    let brokers = kafka.brokers.iter().map(|(id, broker)| DescribeClusterBroker {
        broker_id: *id,
        host: broker.host.as_str().into(),
        port: 9091,
        rack: broker.rack.as_deref().map(Into::into),
        is_fenced: !here.is_in_service(*id),
    });
    brokers.collect()
}

fn controllers(here: &Here) -> Vec<DescribeClusterBroker> {
    let controllers = here.nodes.iter().filter(|(_, peer)| peer.is_controller);
    let controllers = controllers.map(|(id, peer)| DescribeClusterBroker {
        broker_id: *id,
        host: peer.host.as_str().into(),
        port: 9090,
        ..DescribeClusterBroker::default()
    });
    controllers.collect()
}

pub fn unregister(
    kafka: &mut Kafka,
    request: &UnregisterBrokerRequest,
) -> UnregisterBrokerResponse {
    let gone = kafka.brokers.remove(&request.broker_id);
    let code = gone.map_or(ErrorCode::BrokerIdNotRegistered, |_| ErrorCode::None);
    UnregisterBrokerResponse { error_code: code as i16, ..UnregisterBrokerResponse::default() }
}
