//! FindCoordinator: always the one broker.

use klamm_kafka::server::{Answer, Context};
use klamm_kafka_proto::messages::find_coordinator::{
    Coordinator, FindCoordinatorRequest, FindCoordinatorResponse,
};
use klamm_kafka_proto::{ErrorCode, Str};

use super::{KafkaService, Refusal};

/// From this version on many keys are asked for at once (KIP-699).
const VERSION_WITH_MANY: i16 = 4;
const GROUP: i8 = 0;
const TRANSACTION: i8 = 1;

impl KafkaService {
    pub(super) fn find_coordinator(
        &self,
        context: &Context,
        version: i16,
        request: &FindCoordinatorRequest,
    ) -> Answer {
        if version >= VERSION_WITH_MANY {
            let keys = request.coordinator_keys.iter();
            let coordinators = keys.map(|key| self.coordinator_of(context, request.key_type, key));
            let coordinators = coordinators.collect();
            return Answer::ready(FindCoordinatorResponse { coordinators, ..Default::default() });
        }
        let found = self.coordinator_of(context, request.key_type, &request.key);
        Answer::ready(FindCoordinatorResponse {
            error_code: found.error_code,
            error_message: found.error_message,
            node_id: found.node_id,
            host: found.host,
            port: found.port,
            ..Default::default()
        })
    }

    fn coordinator_of(&self, context: &Context, key_type: i8, key: &Str) -> Coordinator {
        let refusal = match key_type {
            GROUP => None,
            TRANSACTION => Some(Refusal::no_transactions()),
            _ => {
                let text = "coordinators are there for groups only";
                Some(Refusal::new(ErrorCode::InvalidRequest, text))
            }
        };
        let key = key.clone();
        match refusal {
            None => {
                let (host, port) = self.address(context);
                let node_id = self.options.node_id;
                Coordinator { key, node_id, host, port, ..Default::default() }
            }
            Some(refusal) => Coordinator {
                key,
                node_id: -1,
                port: -1,
                error_code: refusal.number(),
                error_message: refusal.message(),
                ..Default::default()
            },
        }
    }
}
