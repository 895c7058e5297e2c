//! DescribeCluster (KIP-700).

use klamm_kafka::server::{Answer, Context};
use klamm_kafka_proto::ErrorCode;
use klamm_kafka_proto::messages::describe_cluster::{
    DescribeClusterBroker, DescribeClusterRequest, DescribeClusterResponse,
};

use super::KafkaService;
use super::metadata::CLUSTER_OPERATIONS;

/// `endpoint_type` of brokers; the other one is of controllers, which have no endpoint of their own here.
const BROKERS: i8 = 1;

impl KafkaService {
    pub(super) fn describe_cluster(
        &self,
        context: &Context,
        request: &DescribeClusterRequest,
    ) -> Answer {
        if request.endpoint_type != BROKERS {
            let code = ErrorCode::UnsupportedEndpointType;
            return Answer::ready(DescribeClusterResponse {
                error_code: code as i16,
                error_message: Some("controllers have no endpoint of their own".into()),
                endpoint_type: request.endpoint_type,
                ..Default::default()
            });
        }
        let (host, port) = self.address(context);
        let broker_id = self.options.node_id;
        let cluster_authorized_operations = match request.include_cluster_authorized_operations {
            true => CLUSTER_OPERATIONS,
            false => i32::MIN,
        };
        Answer::ready(DescribeClusterResponse {
            cluster_id: self.log.cluster_id().into(),
            controller_id: broker_id,
            brokers: vec![DescribeClusterBroker { broker_id, host, port, ..Default::default() }],
            cluster_authorized_operations,
            ..Default::default()
        })
    }
}
